import Snapshot
import Testing

@testable import Proxy

/// What a lookup costs, in names and paths compared and routes asked: the same on every machine.
@Suite("Router: the cost of many routes")
struct LookupCostTests {
    /// Hosts with as many paths each: prefixes, exact paths and patterns in turn, some with a method; then a route for
    /// everything else.
    private func routes(hosts: Int, paths: Int) -> [Route] {
        var routes: [Route] = []
        for host in 0..<hosts {
            for path in 0..<paths {
                var match = RouteMatch(hosts: [.exact("host-\(host).example")])
                match.path =
                    switch path % 3 {
                    case 0: .prefix("/section-\(path)/")
                    case 1: .exact("/page-\(path)")
                    default: .regex("/pattern-\(path)/[0-9]+")
                    }
                if path % 4 == 3 { match.methods = ["GET"] }
                routes.append(route(match))
            }
        }
        return routes + [route(RouteMatch())]
    }

    /// The dearest of requests to many of the routes, and to none.
    private func costMax(hosts: Int, paths: Int) throws -> Int {
        let site = try RoutedSite(routes(hosts: hosts, paths: paths))
        var most = 0
        // About a thousand of them; the steps are odd, so that every kind of path is among them.
        for host in stride(from: 0, to: hosts, by: hosts > 100 ? 7 : 1) {
            for path in stride(from: 0, to: paths, by: paths > 10 ? 11 : 1) {
                let target = ["/section-\(path)/x", "/page-\(path)", "/pattern-\(path)/7"][path % 3]
                let (route, steps) = try site.steps("GET", target, host: "host-\(host).example")
                #expect(route == Int32(host * paths + path))
                most = max(most, steps)
            }
        }
        for target in ["/", "/page-", "/section-0", "/zzz", "/pattern-2/x"] {
            let (route, steps) = try site.steps("GET", target, host: "host-0.example")
            #expect(route == Int32(hosts * paths))
            most = max(most, steps)
        }
        return most
    }

    @Test("a thousand times the routes add the two logarithms of it, whatever their shape")
    func manyRoutes() throws {
        let few = try costMax(hosts: 2, paths: 5)
        for (hosts, paths) in [(1, 10_000), (100, 100), (1000, 10), (10_000, 1)] {
            let many = try costMax(hosts: hosts, paths: paths)
            // Two binary searches (exact paths, prefixes) grow by log2 of the growth in paths; probing for the host
            // may meet a few others.
            let growth = 2 * Int.bitWidth - 2 * (paths / 5).leadingZeroBitCount
            #expect(many <= few + growth + 8, "\(hosts) × \(paths): \(many) steps, \(few) with 10 routes")
        }
    }

    @Test("routes with conditions are not asked when an earlier route is known to match")
    func laterConditions() throws {
        let conditional = (0..<1000).map { _ in route(RouteMatch(methods: ["POST"])) }
        let first = try RoutedSite([route(RouteMatch())] + conditional)
        #expect(try first.steps("POST", "/", host: "a") == (0, 0))
        let last = try RoutedSite(conditional + [route(RouteMatch())])
        #expect(try last.steps("GET", "/", host: "a") == (1000, 1000))
    }

    @Test("patterns with a beginning of their own are not tried on other paths")
    func patterns() throws {
        let site = try RoutedSite((0..<1000).map { route(RouteMatch(path: .regex("/p\($0)/.*"))) })
        // A binary search among a thousand, the prefix found, its one route.
        let (found, steps) = try site.steps("GET", "/p500/x", host: "a")
        #expect(found == 500)
        #expect(steps <= 12)
    }
}
