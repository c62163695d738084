import Balancing
import EventLoop
import Snapshot
import Testing

@testable import Forwarder

@Suite("Routes of a tls-passthrough listener")
struct HelloTableTests {
    private static func site(_ routes: [Route], pool: Int? = nil) -> Snapshot {
        Snapshot(
            revision: 1, site: "test",
            listeners: [
                Listener(name: "other", addresses: [IPEndpoint(v4: 0, port: 1)], application: .tlsPassthrough),
                Listener(
                    name: "pt", addresses: [IPEndpoint(v4: 0, port: 2)], application: .tlsPassthrough, pool: pool),
            ],
            routes: routes, pools: (0..<3).map { Pool(name: "pool\($0)", endpoints: []) })
    }

    private static func route(
        _ name: String, _ hosts: [HostPattern] = [], alpn: [String] = [], listeners: [Int] = [1]
    ) -> Route {
        Route(
            name: name, listeners: listeners, match: RouteMatch(hosts: hosts, protocols: alpn),
            targets: [WeightedPool(pool: 0)])
    }

    /// The name of the route, or the answer's.
    private static func place(_ table: HelloTable, _ name: String, _ protocols: [String] = []) -> String {
        let offered = HelloBytes.protocolList(protocols)
        switch table.answer(name: Array(name.utf8).span, protocols: offered.span) {
        case .route(let index): return table.routes[index].name
        case .noName: return "!no_name"
        case .unknownName: return "!unknown_name"
        case .unknownProtocol: return "!unknown_protocol"
        }
    }

    @Test("an exact name, a wildcard of one label or more, the first in the file")
    func names() {
        let table = HelloTable(
            Self.site([
                Self.route("elsewhere", listeners: [0]), Self.route("exact", [.exact("a.shop.example")]),
                Self.route("wild", [.suffix("shop.example"), .exact("shop.example")]),
                Self.route("late", [.exact("b.shop.example"), .exact("late.example")]),
            ]), listener: 1)
        #expect(Self.place(table, "a.shop.example") == "exact")
        #expect(Self.place(table, "b.shop.example") == "wild")
        #expect(Self.place(table, "c.b.shop.example") == "wild")
        #expect(Self.place(table, "shop.example") == "wild")
        #expect(Self.place(table, "late.example") == "late")
        for name in ["example", "xshop.example", ".shop.example", "shop.example.", "a.late.example", "."] {
            #expect(Self.place(table, name) == "!unknown_name", "\(name)")
        }
        #expect(Self.place(table, "") == "!no_name")
        #expect(Self.place(table, String(repeating: "a.", count: 121) + "shop.example") == "wild")
        #expect(Self.place(table, String(repeating: "a.", count: 122) + "shop.example") == "!unknown_name")
    }

    @Test("protocols: one of those that are offered is enough")
    func protocols() {
        let table = HelloTable(
            Self.site([
                Self.route("acme", alpn: ["acme-tls/1"]), Self.route("h2", [.exact("a")], alpn: ["h2", "h3"]),
                Self.route("old", [.exact("a")], alpn: ["http/1.1"]), Self.route("b", [.exact("b")]),
            ]), listener: 1)
        #expect(Self.place(table, "a", ["http/1.1", "h2"]) == "h2")
        #expect(Self.place(table, "a", ["http/1.1"]) == "old")
        #expect(Self.place(table, "a", ["h", "h22", "http/1.0"]) == "!unknown_protocol")
        #expect(Self.place(table, "a") == "!unknown_protocol")
        #expect(Self.place(table, "b") == "b")
        #expect(Self.place(table, "b", ["acme-tls/1"]) == "acme")
        // A route for any name asks for a protocol: that is what is missing.
        #expect(Self.place(table, "c", ["h2"]) == "!unknown_protocol")
        #expect(Self.place(table, "", ["acme-tls/1"]) == "acme")
    }

    @Test("the listener's own `to` takes what no route does")
    func standard() {
        let table = HelloTable(Self.site([Self.route("a", [.exact("a")], alpn: ["h2"])], pool: 2), listener: 1)
        #expect(Self.place(table, "a", ["h2"]) == "a")
        for name in ["a", "b", ""] {
            guard case .route(let index) = table.answer(name: Array(name.utf8).span, protocols: [UInt8]().span) else {
                Issue.record("\(name) has no place")
                continue
            }
            #expect(table.routes[index].name == "" && table.routes[index].pools == ["pool2"])
        }
    }

    @Test("no route at all: no client is known")
    func empty() {
        let table = HelloTable(Self.site([]), listener: 1)
        #expect(Self.place(table, "a") == "!unknown_name")
        #expect(Self.place(table, "") == "!no_name")
    }

    /// The site file's words, taken one route after the other.
    private static func slowPlace(_ routes: [Route], _ name: String, _ protocols: [String]) -> String? {
        routes.first { route in
            let isHost =
                route.match.hosts.isEmpty
                || route.match.hosts.contains { pattern in
                    switch pattern {
                    case .exact(let text): name == text
                    case .suffix(let text): name.hasSuffix("." + text) && name.utf8.count > text.utf8.count + 1
                    }
                }
            return route.listeners.contains(1) && isHost
                && (route.match.protocols.isEmpty || protocols.contains(where: route.match.protocols.contains))
        }?.name
    }

    @Test("random sites agree with a walk through the file", arguments: 0..<100)
    func random(seed: UInt64) {
        var random = HelloRandom(seed: seed)
        let names = ["a", "b.a", "c.b.a", "d.c.b.a", "b", "x.b", ""]
        let hosts: [HostPattern] = ["a", "b.a", "c.b.a", "b", "x.b"].flatMap { [.exact($0), .suffix($0)] }
        let words = ["h2", "http/1.1", "x"]
        func pick<Element>(_ all: [Element]) -> [Element] { all.filter { _ in random.next(4) == 0 } }
        let routes = (0..<random.next(12)).map { index in
            Self.route(
                "r\(index)", pick(hosts), alpn: random.next(2) == 0 ? [] : pick(words),
                listeners: [[1], [0], [0, 1]][random.next(3)])
        }
        let table = HelloTable(Self.site(routes), listener: 1)
        for name in names {
            for protocols in [[], ["h2"], ["http/1.1", "x"], words] {
                let place = Self.place(table, name, protocols)
                let expected = Self.slowPlace(routes, name, protocols)
                #expect(
                    place == expected || (expected == nil && place.hasPrefix("!")), "seed \(seed): \(name) \(protocols)"
                )
            }
        }
    }

    @Test("of 20,000 names each finds its own")
    func many() {
        let routes = (0..<20_000).map { Self.route("r\($0)", [.exact("host-\($0).example")]) }
        let table = HelloTable(Self.site(routes), listener: 1)
        for index in stride(from: 0, to: 20_000, by: 7) {
            #expect(Self.place(table, "host-\(index).example") == "r\(index)")
        }
        #expect(Self.place(table, "host-20000.example") == "!unknown_name")
    }

    @Test("pools are drawn by their shares; one without a usable endpoint leaves its share")
    func shares() {
        let place = HelloPlaces.Place(counters: 0, pools: [4, 5, 6], weights: [1, 3, 0x1_0000])
        var random = RandomSource(seed: 1)
        var counts: [Int32: Int] = [:]
        for _ in 0..<4000 { counts[HelloPlaces.choose(place, [true, true, false], &random), default: 0] += 1 }
        #expect(counts[6] == nil)
        #expect((800...1200).contains(counts[4] ?? 0))
        #expect(HelloPlaces.choose(place, [false, true, false], &random) == 5)
        // With none, any of them: endpoints that failed lately are better than nothing.
        #expect([4, 5, 6].contains(HelloPlaces.choose(place, [false, false, false], &random)))
    }
}
