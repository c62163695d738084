import Snapshot
import Testing

@testable import SiteFile

/// Against a second opinion: all requests over a small alphabet, each given to the first route that takes it.
@Suite("Routes that can never match")
struct RouteShadowingTests {
    static let hosts = ["a", "b.a", "c.b.a", "d"]
    static let paths = ["/", "/x", "/x/", "/x/y", "/z", "*"]

    static let methods = ["GET", "PUT"]
    /// Values of one header field (nil: no such field), and of one query parameter.
    static let values: [String?] = [nil, "", "a", "ab", "1"]

    private struct Request {
        var listener: Int
        var host: String
        var path: String
        var method: String
        var field: String?
        var parameter: String?
    }

    static private let requests: [Request] = {
        var requests: [Request] = []
        for listener in 0...1 {
            for host in hosts {
                for path in paths {
                    for method in methods {
                        for field in values {
                            for parameter in [nil, "a", "1"] as [String?] {
                                requests.append(
                                    Request(
                                        listener: listener, host: host, path: path, method: method, field: field,
                                        parameter: parameter))
                            }
                        }
                    }
                }
            }
        }
        return requests
    }()

    private func matches(_ route: Route, _ request: Request) -> Bool {
        guard route.listeners.contains(request.listener) else { return false }
        let match = route.match
        let isHost =
            match.hosts.isEmpty
            || match.hosts.contains { pattern in
                switch pattern {
                case .exact(let name): request.host == name
                case .suffix(let name): request.host.hasSuffix("." + name)
                }
            }
        let isPath =
            switch match.path {
            case nil: true
            case .exact(let text)?: request.path == text
            case .prefix(let text)?: request.path.hasPrefix(text)
            case .regex(let text)?: isOf(text, request.path)
            }
        return isHost && isPath && (match.methods.isEmpty || match.methods.contains(request.method))
            && match.header.allSatisfy { holds($0.pattern, request.field) }
            && match.query.allSatisfy { holds($0.pattern, request.parameter) }
    }

    private func holds(_ pattern: ValuePattern, _ value: String?) -> Bool {
        switch pattern {
        case .exact(let text): value == text
        case .prefix(let text): value?.hasPrefix(text) ?? false
        case .regex(let text): value.map { isOf(text, $0) } ?? false
        case .present: value != nil
        case .absent: value == nil
        }
    }

    /// The patterns used here, by hand.
    private func isOf(_ pattern: String, _ text: String) -> Bool {
        switch pattern {
        case "/x.*": text.hasPrefix("/x")
        case "/[xz]": text == "/x" || text == "/z"
        case "a.*": text.hasPrefix("a")
        case "[a-z]+": !text.isEmpty && text.allSatisfy { ("a"..."z").contains($0) }
        default: preconditionFailure("pattern \(pattern)")
        }
    }

    private func randomRoute(_ index: Int, _ random: inout SeededGenerator) -> Route {
        let patterns: [HostPattern] = RouteShadowingTests.hosts.map { .exact($0) } + [.suffix("a"), .suffix("b.a")]
        let paths: [PathPattern?] = [
            nil, nil, .exact("/x"), .exact("/z"), .prefix("/"), .prefix("/x"), .prefix("/x/"), .regex("/x.*"),
            .regex("/[xz]"),
        ]
        let conditions: [ValuePattern] = [
            .exact("a"), .exact(""), .prefix("a"), .prefix("ab"), .regex("a.*"), .regex("[a-z]+"), .present, .absent,
        ]
        func pick() -> [ValueCondition] {
            guard Int.random(in: 0...2, using: &random) == 0 else { return [] }
            return [ValueCondition("n", conditions.randomElement(using: &random)!)]
        }
        let hosts = (0..<Int.random(in: 0...2, using: &random)).map { _ in patterns.randomElement(using: &random)! }
        let listeners = [[0], [1], [0, 1]].randomElement(using: &random)!
        return Route(
            name: "r\(index)", listeners: listeners,
            match: RouteMatch(
                hosts: hosts, path: paths.randomElement(using: &random)!,
                methods: [[], [], ["GET"], ["PUT"], ["GET", "PUT"]].randomElement(using: &random)!, header: pick(),
                query: pick()),
            targets: [WeightedPool(pool: 0)])
    }

    @Test("a route called dead gets no request", arguments: 1...200 as ClosedRange<UInt64>)
    func sound(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let routes = (0..<8).map { randomRoute($0, &random) }
        var shadowing = RouteShadowing()
        for (index, route) in routes.enumerated() {
            guard shadowing.add(route, line: index) != nil else { continue }
            for request in RouteShadowingTests.requests where matches(route, request) {
                #expect(routes[..<index].contains { matches($0, request) }, "seed \(seed): \(route) gets \(request)")
            }
        }
    }

    /// What is seen: a warning that never comes would pass the test above.
    @Test(
        "a condition that follows from an earlier one is seen",
        arguments: [
            (.present, .exact("a")), (.present, .prefix("a")), (.present, .regex("a")), (.present, .present),
            (.absent, .absent), (.exact("a"), .exact("a")), (.prefix("a"), .exact("ab")), (.prefix("a"), .prefix("ab")),
            (.prefix("a"), .regex("ab+")), (.regex("a.*"), .exact("ab")), (.regex("a.*"), .regex("a.*")),
        ] as [(ValuePattern, ValuePattern)])
    func implied(earlier: ValuePattern, later: ValuePattern) {
        for keyPath in [\RouteMatch.header, \RouteMatch.query] {
            var shadowing = RouteShadowing()
            var (first, second) = (RouteMatch(), RouteMatch(path: .exact("/")))
            first[keyPath: keyPath] = [ValueCondition("n", earlier)]
            second[keyPath: keyPath] = [ValueCondition("n", later), ValueCondition("m", .present)]
            #expect(shadowing.add(Route(name: "a", listeners: [0], match: first, targets: []), line: 1) == nil)
            #expect(
                shadowing.add(Route(name: "b", listeners: [0], match: second, targets: []), line: 2)
                    == .one(name: "a", line: 1))
        }
    }

    @Test("protocols: what asks for fewer of them is covered by what asks for more, and by what asks for none")
    func protocols() {
        let sets: [Set<String>] = [[], ["a"], ["b"], ["a", "b"], ["a", "b", "c"]]
        for earlier in sets {
            for later in sets {
                var shadowing = RouteShadowing()
                func route(_ protocols: Set<String>) -> Route {
                    Route(name: "r", listeners: [0], match: RouteMatch(protocols: protocols.sorted()), targets: [])
                }
                _ = shadowing.add(route(earlier), line: 1)
                let isCovered = earlier.isEmpty || (!later.isEmpty && later.isSubset(of: earlier))
                #expect((shadowing.add(route(later), line: 2) != nil) == isCovered, "\(earlier), then \(later)")
            }
        }
    }

    @Test("the cover is named")
    func cover() {
        var shadowing = RouteShadowing()
        let wide = Route(name: "wide", listeners: [0, 1], targets: [])
        let narrow = Route(
            name: "narrow", listeners: [1], match: RouteMatch(hosts: [.exact("a")], path: .exact("/")), targets: [])
        #expect(shadowing.add(wide, line: 3) == nil)
        #expect(shadowing.add(narrow, line: 4) == .one(name: "wide", line: 3))
    }
}

/// SplitMix64: the same numbers for the same seed on every host.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
