import Snapshot
import Testing

@testable import SiteFile

/// Against a second opinion: all requests over a small alphabet, each given to the first route that takes it.
@Suite("Routes that can never match")
struct RouteShadowingTests {
    static let hosts = ["a", "b.a", "c.b.a", "d"]
    static let paths = ["/", "/x", "/x/", "/x/y", "/z", "*"]

    private func matches(_ route: Route, _ listener: Int, _ host: String, _ path: String) -> Bool {
        guard route.listeners.contains(listener) else { return false }
        let isHost =
            route.match.hosts.isEmpty
            || route.match.hosts.contains { pattern in
                switch pattern {
                case .exact(let name): host == name
                case .suffix(let name): host.hasSuffix("." + name)
                }
            }
        switch route.match.path {
        case nil: return isHost
        case .exact(let text)?: return isHost && path == text
        case .prefix(let text)?: return isHost && path.hasPrefix(text)
        case .regex?: return false
        }
    }

    private func randomRoute(_ index: Int, _ random: inout SeededGenerator) -> Route {
        let patterns: [HostPattern] = RouteShadowingTests.hosts.map { .exact($0) } + [.suffix("a"), .suffix("b.a")]
        let paths: [PathPattern?] = [nil, nil, .exact("/x"), .exact("/z"), .prefix("/"), .prefix("/x"), .prefix("/x/")]
        let hosts = (0..<Int.random(in: 0...2, using: &random)).map { _ in patterns.randomElement(using: &random)! }
        let listeners = [[0], [1], [0, 1]].randomElement(using: &random)!
        return Route(
            name: "r\(index)", listeners: listeners,
            match: RouteMatch(hosts: hosts, path: paths.randomElement(using: &random)!),
            targets: [WeightedPool(pool: 0)])
    }

    @Test("a route called dead gets no request", arguments: 1...200 as ClosedRange<UInt64>)
    func sound(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let routes = (0..<6).map { randomRoute($0, &random) }
        var shadowing = RouteShadowing()
        for (index, route) in routes.enumerated() {
            guard shadowing.add(route, line: index) != nil else { continue }
            for listener in 0...1 {
                for host in RouteShadowingTests.hosts {
                    for path in RouteShadowingTests.paths {
                        let first = routes.firstIndex { matches($0, listener, host, path) }
                        #expect(first != index, "seed \(seed): \(route) gets \(host)\(path)")
                    }
                }
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
