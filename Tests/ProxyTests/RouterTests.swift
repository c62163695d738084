import Snapshot
import Testing

@testable import Proxy

@Suite("Router")
struct RouterTests {
    /// The plain meaning of the site file: the first route, in order, that matches.
    private func naive(_ routes: [Route], host: String, path: String) -> Int32 {
        var name = host.lowercased()
        if let colon = name.lastIndex(of: ":"), !name.hasSuffix("]") { name = String(name[..<colon]) }
        if name.count > 1, name.hasSuffix(".") { name.removeLast() }
        for (index, route) in routes.enumerated() {
            let hostMatches =
                route.match.hosts.isEmpty
                || route.match.hosts.contains { pattern in
                    switch pattern {
                    case .exact(let exact): exact == name
                    case .suffix(let suffix): name.hasSuffix("." + suffix) && name.count > suffix.count + 1
                    }
                }
            let pathMatches =
                switch route.match.path {
                case nil: true
                case .exact(let exact)?: exact == path
                case .prefix(let prefix)?: path.hasPrefix(prefix)
                case .regex?: false
                }
            if hostMatches && pathMatches { return Int32(index) }
        }
        return Router.none
    }

    private func compiled(_ routes: [Route], host: String, path: String) -> Int32 {
        let arena = Arena()
        let matches = try! CompiledMatches(routes, arena: arena)
        let router = Router(routes, matches, listener: 0, arena: arena)
        var questions = NoQuestions()
        let (hostBytes, pathBytes) = ([UInt8](host.utf8) + [0], [UInt8](path.utf8) + [0])
        let found = hostBytes.withUnsafeBufferPointer { host in
            pathBytes.withUnsafeBufferPointer { path in
                router.route(
                    host: host.baseAddress!, host.count - 1, path: path.baseAddress!, path.count - 1, &questions)
            }
        }
        withExtendedLifetime(arena) {}
        return found
    }

    private func route(_ hosts: [HostPattern] = [], _ path: PathPattern? = nil) -> Route {
        Route(
            name: "r", listeners: [0], match: RouteMatch(hosts: hosts, path: path), targets: [WeightedPool(pool: 0)])
    }

    @Test("the first route that matches wins, whatever kind of pattern it has")
    func firstMatchWins() {
        let routes = [
            route([], .exact("/a/b")), route([.exact("shop.example")], .prefix("/a")),
            route([.suffix("example")], .prefix("/")), route([], .prefix("/a/")), route(),
        ]
        #expect(compiled(routes, host: "other", path: "/a/b") == 0)
        #expect(compiled(routes, host: "Shop.Example:8080", path: "/a/b/c") == 1)
        #expect(compiled(routes, host: "x.example.", path: "/a/b/c") == 2)
        #expect(compiled(routes, host: "example", path: "/a/b/c") == 3)
        #expect(compiled(routes, host: "", path: "/z") == 4)
    }

    @Test("a listener sees only its own routes")
    func listeners() {
        var foreign = route()
        foreign.listeners = [1]
        #expect(compiled([foreign], host: "a", path: "/") == Router.none)
        #expect(compiled([foreign, route()], host: "a", path: "/") == 1)
    }

    @Test("an address in brackets keeps its colons")
    func brackets() {
        let routes = [route([.exact("[::1]")])]
        #expect(compiled(routes, host: "[::1]:80", path: "/") == 0)
        #expect(compiled(routes, host: "[::2]:80", path: "/") == Router.none)
    }

    @Test("agrees with the plain meaning on random sites", arguments: 1...40 as ClosedRange<UInt64>)
    func againstNaive(seed: UInt64) {
        var random = SeededRandom(seed)
        let labels = ["a", "b", "ab", "shop", "www"]
        let segments = ["", "a", "b", "ab", "a/", "a/b", "a/b/", "abc"]
        func host() -> String {
            (0..<random.below(3) + 1).map { _ in labels[random.below(labels.count)] }.joined(separator: ".")
        }
        func path() -> String {
            "/" + (0..<random.below(3)).map { _ in segments[random.below(segments.count)] }.joined()
        }
        let routes = (0..<random.below(30) + 1).map { _ in
            let hosts: [HostPattern] = (0..<random.below(3)).map { _ in
                random.below(2) == 0 ? .exact(host()) : .suffix(host())
            }
            let pattern: PathPattern? =
                switch random.below(3) {
                case 0: nil
                case 1: .exact(path())
                default: .prefix(path())
                }
            return route(hosts, pattern)
        }
        for _ in 0..<200 {
            let (host, path) = (host(), path())
            #expect(
                compiled(routes, host: host, path: path) == naive(routes, host: host, path: path),
                "seed \(seed): \(host) \(path)")
        }
    }
}

/// For sites without further conditions.
struct NoQuestions: RouteQuestions {
    mutating func holds(_ route: Int32) -> Bool {
        Issue.record("route \(route) has no conditions")
        return false
    }
    mutating func compared() {}
}

/// SplitMix64: numbers that a failing test can be repeated with.
struct SeededRandom {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
}
