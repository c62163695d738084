import EventLoop
import NodeAgent
import NodeLink
import Snapshot
import Testing

@Suite("Which endpoints a node probes")
struct ProbePlanTests {
    private let snapshot: Snapshot = {
        func pool(_ name: String, _ port: UInt16, probed: Bool) -> Pool {
            Pool(
                name: name, endpoints: [Endpoint(address: .ip(IPEndpoint(v4: 0x7f00_0001, port: port)))],
                health: probed ? HealthCheck(probe: .tcp) : nil)
        }
        return Snapshot(
            revision: 1, site: "shop",
            listeners: [
                Listener(name: "web", addresses: [IPEndpoint(v4: 0, port: 80)]),
                Listener(name: "pg", addresses: [IPEndpoint(v4: 0, port: 5432)], application: .tcp, pool: 2),
                Listener(
                    name: "pt", addresses: [IPEndpoint(v4: 0, port: 443)], application: .tlsPassthrough, pool: 5),
            ],
            routes: [
                Route(name: "a", listeners: [0], targets: [WeightedPool(pool: 1), WeightedPool(pool: 0)]),
                Route(
                    name: "b", listeners: [0], targets: [WeightedPool(pool: 1)], mirror: .init(pool: 6)),
                Route(name: "c", listeners: [2], targets: [WeightedPool(pool: 4), WeightedPool(pool: 1)]),
            ],
            pools: [
                pool("plain", 1, probed: false), pool("app", 2, probed: true), pool("db", 3, probed: true),
                pool("unused", 4, probed: true), pool("passed", 5, probed: true), pool("rest", 6, probed: true),
                pool("copies", 7, probed: true),
            ])
    }()

    @Test("a proxy those of its routes and of their copies, each once")
    func proxy() {
        #expect(snapshot.pools(usedBy: .proxy) == [0, 1, 6])
        #expect(snapshot.probes(by: .proxy).map(\.key.pool) == ["app", "copies"])
    }

    @Test("a forwarder those of its tcp and tls-passthrough listeners, and of the routes of these")
    func forwarder() {
        #expect(snapshot.pools(usedBy: .forwarder) == [1, 2, 4, 5])
        #expect(snapshot.probes(by: .forwarder).map(\.key.pool) == ["app", "db", "passed", "rest"])
    }
}
