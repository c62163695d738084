import Balancing
import Foundation
import NodeLink
import SiteFile
import Testing

@testable import ControlPlane

@Suite("Control plane over fake nodes", .timeLimit(.minutes(1)))
struct ControllerTests {
    @Test("ready once the forwarder knows every proxy; the site is stored as revision 1")
    func starts() async throws {
        let bench = try await ControlBench()
        let line = try await bench.start()
        #expect(line == "ready: site shop revision 1; listening on web http://127.0.0.1:8080; 2 proxy nodes")
        #expect(bench.nodes.memberships.last?.nodes.map(\.id) == ["proxy-1", "proxy-2"])
        let stored = try await bench.store.newest()
        #expect(stored?.number == 1)
        #expect(stored?.text == ControlBench.site)
        #expect(stored?.author == Peer(uid: 1, pid: 2))
        #expect(try await bench.controller.status().nodes == .init(up: 3, total: 3))
    }

    @Test("a forwarder that refuses the first site ends the start, and the nodes with it")
    func startFails() async throws {
        let bench = try await ControlBench()
        bench.nodes.set("forwarder", .init(refusal: "listener web: cannot bind 127.0.0.1:8080 (EADDRINUSE)"))
        let error = await #expect(throws: StartError.self) { _ = try await bench.start() }
        #expect(error?.description.contains("EADDRINUSE") == true)
        #expect(bench.nodes.runningIDs.isEmpty)
        #expect(try await bench.store.newest() == nil)
    }

    @Test("a node that ends again and again before the site is ready ends the start")
    func startGivesUp() async throws {
        let bench = try await ControlBench()
        bench.nodes.set("proxy-2", .init(endsAtOnce: true))
        let error = await #expect(throws: StartError.self) { _ = try await bench.start() }
        #expect(error?.description.contains("proxy-2") == true)
        #expect(bench.nodes.runningIDs.isEmpty)
    }

    @Test("a change goes to the proxies, then to the forwarder, then to the store")
    func applies() async throws {
        let bench = try await ControlBench.started()
        let change = try await bench.apply(ControlBench.changedSite)
        #expect(change.revision == 2)
        for id in ["forwarder", "proxy-1", "proxy-2"] { #expect(bench.nodes.serving(id).revision == 2) }
        let forwarder = try #require(bench.nodes.snapshots(of: "forwarder").last)
        for proxy in ["proxy-1", "proxy-2"] {
            #expect(try #require(bench.nodes.snapshots(of: proxy).last) < forwarder)
        }
        let stored = try await bench.store.newest()
        #expect(stored?.number == 2)
        #expect(stored?.digest == change.digest)
        #expect(stored?.comment == "test")
    }

    @Test("balance: load: a proxy that is busier than the other gets less, and the forwarder is told")
    func followsLoad() async throws {
        let bench = try await ControlBench()
        _ = try await bench.start("forwarder: {balance: load}\n" + ControlBench.site)
        let began = ContinuousClock.now
        try await eventually("other shares") {
            // Of one processor all of it, and a tenth.
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            for (id, share) in [("proxy-1", 1.0), ("proxy-2", 0.1)] {
                bench.nodes.set(id, .init(samples: [Sample("sluice_node_cpu_seconds_total", [], seconds * share)]))
            }
            let members = bench.nodes.memberships.last?.nodes ?? []
            return members.map(\.id) == ["proxy-1", "proxy-2"] && members[0].weight < LoadWeights.base
                && members[1].weight > LoadWeights.base
        }
    }

    @Test("a bad file answers with every diagnostic and reaches no node")
    func refusesBadSites() async throws {
        let bench = try await ControlBench.started()
        let count = bench.nodes.events.count
        let error = await #expect(throws: ControlError.self) {
            _ = try await bench.apply("listeners: {web: {address: nowhere}}\ncolour: red\n")
        }
        guard case .invalid(let message, let diagnostics)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(message.contains("nothing was changed"))
        #expect(diagnostics.count { $0.severity == .error } >= 2)
        #expect(bench.nodes.events.count == count)
        #expect(try await bench.store.newest()?.number == 1)
    }

    @Test("what the forwarder refuses is taken back from the proxies and not stored; the next change works")
    func restores() async throws {
        let bench = try await ControlBench.started()
        let before = bench.nodes.serving("proxy-1").digest
        bench.nodes.set("forwarder", .init(refusal: "listener web: cannot bind"))
        let error = await #expect(throws: ControlError.self) { _ = try await bench.apply(ControlBench.changedSite) }
        #expect(error == .conflict("node forwarder: listener web: cannot bind"))
        for id in ["forwarder", "proxy-1", "proxy-2"] { #expect(bench.nodes.serving(id).digest == before) }
        #expect(bench.nodes.snapshots(of: "proxy-1").count == 3, "the first, the refused and the first again")
        #expect(try await bench.store.newest()?.number == 1)

        bench.nodes.set("forwarder", .init())
        #expect(try await bench.apply(ControlBench.changedSite).revision == 2)
    }

    @Test("a proxy that refuses stops a change before the forwarder sees it")
    func proxyRefuses() async throws {
        let bench = try await ControlBench.started()
        bench.nodes.set("proxy-2", .init(refusal: "out of memory"))
        await #expect(throws: ControlError.conflict("node proxy-2: out of memory")) {
            _ = try await bench.apply(ControlBench.changedSite)
        }
        #expect(bench.nodes.snapshots(of: "forwarder").count == 1)
        #expect(bench.nodes.serving("proxy-1").revision == 1)
    }

    @Test("changes are made one after another")
    func serialises() async throws {
        let bench = try await ControlBench.started()
        let revisions = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for port in 9010..<9018 {
                group.addTask {
                    try await bench.apply(ControlBench.site.replacingOccurrences(of: "9002", with: "\(port)")).revision
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(revisions.sorted() == Array(2...9))
        let newest = try await bench.store.newest()
        let status = try await bench.controller.status()
        #expect(newest?.digest == status.digest)
        #expect(bench.nodes.serving("forwarder").revision == 9)
    }

    @Test("a check changes nothing")
    func checks() async throws {
        let bench = try await ControlBench.started()
        let count = bench.nodes.events.count
        let change = try await bench.controller.check(.init(text: ControlBench.changedSite, file: "site.yaml"))
        #expect(change.isDryRun)
        #expect(change.revision == 2)
        #expect(bench.nodes.events.count == count)
        #expect(try await bench.store.newest()?.number == 1)
    }

    @Test("a killed node is left out, started again, and given the current revision")
    func restarts() async throws {
        let bench = try await ControlBench.started()
        let versions = bench.nodes.memberships.count
        bench.nodes.node("proxy-1")?.signal(SIGKILL)
        try await eventually("the node is a member again") {
            bench.nodes.memberships.count >= versions + 2 && bench.nodes.memberships.last?.nodes.count == 2
        }
        #expect(bench.nodes.memberships[versions].nodes.map(\.id) == ["proxy-2"])
        let node = await bench.controller.nodesDocument().nodes.first { $0.id == "proxy-1" }
        #expect(node?.restarts == 1)
        #expect(node?.state == "up")
    }

    @Test("scale up waits for the nodes; scale down drains before it stops")
    func scales() async throws {
        let bench = try await ControlBench.started()
        try await bench.controller.scale(to: 4, by: nil)
        #expect(bench.nodes.memberships.last?.nodes.map(\.id) == ["proxy-1", "proxy-2", "proxy-3", "proxy-4"])
        try await bench.controller.scale(to: 1, by: nil)
        try await eventually("three nodes are gone") { bench.nodes.runningIDs == ["forwarder", "proxy-1"] }
        try await eventually("the forwarder knows") { bench.nodes.memberships.last?.nodes.map(\.id) == ["proxy-1"] }
        let events = bench.nodes.events
        for id in ["proxy-2", "proxy-3", "proxy-4"] {
            let announced = events.firstIndex { event in
                guard event.id == "forwarder", case .received(.membership(let membership)) = event.kind else {
                    return false
                }
                return membership.nodes.contains { $0.id == id && $0.draining }
            }
            let stopped = events.firstIndex { event in
                if event.id == id, case .received(.stop) = event.kind { true } else { false }
            }
            #expect(try #require(announced) < #require(stopped))
        }
    }

    @Test("scale holds over a restart until the site file states another number", arguments: [nil, 3])
    func remembersScale(stated: Int?) async throws {
        let first = try await ControlBench.started()
        try await first.controller.scale(to: 1, by: nil)
        await first.controller.stop()
        await first.kill()
        let second = try await ControlBench(after: first)
        let site = stated.map { ControlBench.site.replacingOccurrences(of: "nodes: 2", with: "nodes: \($0)") }
        let line = try await second.start(site)
        #expect(line.hasSuffix(stated == nil ? "; 1 proxy node" : "; 3 proxy nodes"))
    }

    @Test("a new control plane takes over running nodes and sends no membership that lacks one of them")
    func adopts() async throws {
        let first = try await ControlBench.started()
        let pids = await first.controller.nodesDocument().nodes.map(\.pid)
        let count = first.nodes.memberships.count
        // The forwarder links first, a proxy late.
        first.nodes.node("proxy-2")?.breakLink(mayLinkAgain: false)
        await first.kill()
        let second = try await ControlBench(after: first)
        async let ready = second.start()
        try await eventually("the others are linked") { await second.controller.links.count == 2 }
        #expect(second.nodes.memberships.count == count)
        first.nodes.node("proxy-2")?.allowLink()
        _ = try await ready
        #expect(second.nodes.memberships.dropFirst(count).allSatisfy { $0.nodes.count == 2 })
        #expect(second.nodes.memberships.last.map { $0.version > first.nodes.memberships[count - 1].version } == true)
        #expect(await second.controller.nodesDocument().nodes.map(\.pid) == pids)
        #expect(try await second.store.newest()?.number == 1)
    }

    @Test("a new control plane with another site applies it to the running nodes")
    func adoptsAndApplies() async throws {
        let first = try await ControlBench.started()
        await first.kill()
        let second = try await ControlBench(after: first)
        let line = try await second.start(ControlBench.changedSite)
        #expect(line.contains("revision 2;"))
        #expect(second.nodes.serving("proxy-1").revision == 2)
        #expect(
            second.nodes.events.count { if case .started = $0.kind { true } else { false } } == 3, "no node was started"
        )
    }

    @Test("without a site the newest stored revision is run")
    func runsStored() async throws {
        let first = try await ControlBench.started()
        _ = try await first.apply(ControlBench.changedSite)
        await first.kill()
        let second = try await ControlBench(after: first)
        #expect(try await second.start(nil).contains("revision 2;"))
        let third = try await ControlBench()
        await #expect(throws: StartError.self) { _ = try await third.start(nil) }
    }

    @Test("drains of endpoints reach every node and hold over a restart")
    func drainsEndpoints() async throws {
        let first = try await ControlBench.started()
        try await first.controller.setDrained(pool: "app", endpoint: "127.0.0.1:9001", true, by: nil)
        func drained(_ frames: [FakeNodes.Event], _ id: String) -> [String]? {
            frames.compactMap { event -> [String]? in
                guard event.id == id, case .received(.membership(let membership)) = event.kind else { return nil }
                return membership.endpoints.map { "\($0.pool)/\($0.address)" }
            }.last
        }
        for id in ["forwarder", "proxy-1", "proxy-2"] {
            try await eventually("\(id) knows") { drained(first.nodes.events, id) == ["app/127.0.0.1:9001"] }
        }
        #expect(try await first.controller.poolsDocument().pools[0].endpoints.map(\.state) == ["draining", "unknown"])
        await first.kill()
        let second = try await ControlBench(after: first)
        _ = try await second.start()
        #expect(second.nodes.memberships.last?.endpoints.map(\.pool) == ["app"])
        try await second.controller.setDrained(pool: "app", endpoint: "127.0.0.1:9001", false, by: nil)
        try await eventually("it is taken back") { second.nodes.memberships.last?.endpoints.isEmpty == true }
    }

    @Test("a node that doesn't answer is left out of the figures and named")
    func leavesOutTheSilent() async throws {
        let bench = try await ControlBench.started()
        let requests = [Sample("sluice_requests_total", [.init("route", "route-1")], 5)]
        bench.nodes.set("proxy-1", .init(samples: requests))
        bench.nodes.set("proxy-2", .init(isSilent: true, samples: requests))
        let document = await bench.controller.nodesDocument()
        #expect(document.unanswered == ["proxy-2"])
        #expect(document.nodes.map(\.requests) == [0, 5, nil])
        #expect(try await bench.controller.routesDocument().routes.map(\.requests) == [5])
        let text = await bench.controller.metrics()
        #expect(text.contains("sluice_requests_total{route=\"route-1\"} 5\n"))
        #expect(text.contains("sluice_node_reported{node=\"proxy-2\"} 0\n"))
        #expect(text.contains("sluice_revision{node=\"forwarder\"} 1\n"))
    }

    @Test("a peer that takes a local node's name is disconnected")
    func disconnectsImpostors() async throws {
        let bench = try await ControlBench.started()
        let socket = try UnixSocket(connectingTo: bench.nodes.linkSocket)
        socket.write(
            Frame.hello(
                Hello(
                    role: .proxy, id: "proxy-1", pid: 1, workers: 1, reach: nil, revision: 1, digest: 1,
                    draining: false, uptimeSeconds: 0)
            ).encoded())
        #expect(await socket.readToEnd().isEmpty)
        #expect(try await bench.controller.status().nodes.up == 3)
    }

    @Test("a peer that sends no frames is disconnected")
    func disconnectsGarbage() async throws {
        let bench = try await ControlBench.started()
        let socket = try UnixSocket(connectingTo: bench.nodes.linkSocket)
        socket.write([0, 0, 0, 0, 0, 0, 0, 0])
        #expect(await socket.readToEnd().isEmpty)
    }

    @Test("stop: the forwarder leaves before any proxy is told to")
    func stops() async throws {
        let bench = try await ControlBench.started()
        let count = bench.nodes.events.count
        await bench.controller.stop()
        #expect(bench.nodes.runningIDs.isEmpty)
        let stops = bench.nodes.events.dropFirst(count).compactMap { event -> String? in
            if case .received(.stop) = event.kind { event.id } else { nil }
        }
        #expect(stops.first == "forwarder")
        #expect(Set(stops) == ["forwarder", "proxy-1", "proxy-2"])
        await #expect(throws: ControlError.self) { _ = try await bench.apply(ControlBench.changedSite) }
    }
}
