import Balancing
import EventLoop
import Glibc
import NodeAgent
import NodeLink
import Snapshot
import Testing

@testable import Forwarder

@Suite("Hand-over to nodes on this host")
struct HandOverTests {
    /// Sends a request, FIN, and reads the answer.
    private func ask(_ forwarder: ForwarderFixture, _ text: String = "hi") throws -> String {
        let client = try forwarder.connect("web")
        try client.send(text)
        client.shutdownWriting()
        return try client.textToEnd()
    }

    private func waitForArrival(at node: FakeNode) {
        var ready = pollfd(fd: node.arrivals.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&ready, 1, CInt(TestSocket.deadlineSeconds * 1000))
    }

    @Test("the node gets the socket itself, with the client's address and the listener's name")
    func handOver() throws {
        let node = try FakeNode("proxy-1")
        defer { node.die() }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.httpSite())
        try forwarder.apply(nodes: [node.member()], version: 1)
        let client = try forwarder.connect("web")
        try client.send("hello")
        client.shutdownWriting()
        #expect(try client.textToEnd() == "proxy-1:hello")
        let connection = try #require(node.connections.first)
        #expect(connection.client == client.localAddress)
        #expect(connection.local == forwarder.role.boundAddress(ofListener: "web"))
        #expect(connection.listener == Hash64.xxh64("web".utf8))
        try forwarder.waitForReport("counted, and our descriptor is closed") { report in
            report["sluice_forwarder_connections_total{node=proxy-1,path=hand_over}"] == 1
                && report["sluice_node_connections"] == 0
        }
    }

    @Test("many clients at once, two workers: each is served")
    func many() throws {
        let nodes = try (1...3).map { try FakeNode("proxy-\($0)") }
        defer { for node in nodes { node.die() } }
        let forwarder = try ForwarderFixture(workers: 2)
        try forwarder.role.apply(ForwarderFixture.httpSite())
        try forwarder.apply(nodes: nodes.map { $0.member() }, version: 1)
        let clients = try (0..<200).map { _ in try forwarder.connect("web") }
        for (index, client) in clients.enumerated() {
            try client.send("\(index)")
            client.shutdownWriting()
        }
        var served: [Substring: Int] = [:]
        for (index, client) in clients.enumerated() {
            let parts = try client.textToEnd().split(separator: ":")
            #expect(parts.last == Substring("\(index)"))
            served[parts.first ?? "", default: 0] += 1
        }
        #expect(served.count == 3)
    }

    @Test("a node that refuses: the next one takes the client")
    func refusal() throws {
        let (full, node) = try (FakeNode("full", .refuse), FakeNode("proxy-1"))
        defer {
            full.die()
            node.die()
        }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.httpSite())
        try forwarder.apply(nodes: [full.member(), node.member()], version: 1)
        for _ in 0..<20 { #expect(try ask(forwarder) == "proxy-1:hi") }
        // About half of them prefer `full`; with 20, none would be one chance in a million.
        #expect(!full.connections.isEmpty)
        let report = try forwarder.report()
        #expect(report["sluice_forwarder_node_refusals_total{node=full}"] == Double(full.connections.count))
    }

    @Test("a node that dies with clients unanswered: they go to the others, no byte lost")
    func death() throws {
        let (doomed, node) = try (FakeNode("doomed", .silent), FakeNode("proxy-1"))
        defer { node.die() }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.httpSite())
        // All go to the doomed one first: nothing else is there.
        try forwarder.apply(nodes: [doomed.member()], version: 1)
        let clients = try (0..<10).map { _ in try forwarder.connect("web") }
        for client in clients {
            try client.send("kept")
            client.shutdownWriting()
        }
        waitForArrival(at: doomed)
        try forwarder.apply(nodes: [doomed.member(), node.member()], version: 2)
        doomed.die()
        for client in clients { #expect(try client.textToEnd() == "proxy-1:kept") }
    }

    @Test("a node that hasn't answered 1,024 clients is full: one more goes elsewhere")
    func unansweredMax() throws {
        let (slow, node) = try (FakeNode("slow", .silent), FakeNode("proxy-1"))
        defer {
            slow.die()
            node.die()
        }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.httpSite())
        try forwarder.apply(nodes: [slow.member()], version: 1)
        let clients = try (0...ForwarderLimits.unansweredMax).map { _ in
            let client = try forwarder.connect("web")
            try client.send("x")
            client.shutdownWriting()
            return client
        }
        try forwarder.waitForReport("all are the forwarder's") { report in
            report["sluice_node_connections"] == Double(clients.count)
                && slow.connections.count == ForwarderLimits.unansweredMax
        }
        try forwarder.apply(nodes: [slow.member(), node.member()], version: 2)
        try forwarder.waitForReport("one has been taken") { report in
            report["sluice_forwarder_connections_total{node=proxy-1,path=hand_over}"] == 1
        }
        #expect(slow.connections.count == ForwarderLimits.unansweredMax)
        #expect(node.connections.count == 1)
    }

    @Test("a node that isn't there yet is found when it comes, and again when it comes back")
    func reconnect() throws {
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.httpSite())
        let prefix = FakeNode.makePrefix()
        let member = NodeMember(id: "proxy-1", reach: .handOver(prefix: prefix, workers: 1))
        try forwarder.apply(nodes: [member], version: 1)
        for name in ["first", "second"] {
            let node = try FakeNode(name, prefix: prefix)
            #expect(try ask(forwarder) == "\(name):hi")
            node.die()
        }
    }

    @Test("a draining node gets no one new, and answers for those it was given still count")
    func drainingNode() throws {
        let (leaving, node) = try (FakeNode("leaving"), FakeNode("proxy-1"))
        defer {
            leaving.die()
            node.die()
        }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.httpSite())
        try forwarder.apply(nodes: [leaving.member(draining: true), node.member()], version: 1)
        for _ in 0..<20 { #expect(try ask(forwarder) == "proxy-1:hi") }
        try forwarder.apply(nodes: [leaving.member()], version: 2)
        #expect(try ask(forwarder) == "leaving:hi")
    }

    @Test("hash: source keeps a client at one node, whatever its port")
    func hashSource() throws {
        let nodes = try (1...3).map { try FakeNode("proxy-\($0)") }
        defer { for node in nodes { node.die() } }
        let forwarder = try ForwarderFixture()
        var site = ForwarderFixture.httpSite()
        site.forwarder.hash = .source
        try forwarder.role.apply(site)
        try forwarder.apply(nodes: nodes.map { $0.member() }, version: 1)
        var answers: Set<String> = []
        for _ in 0..<20 { answers.insert(try ask(forwarder)) }
        #expect(answers.count == 1)
    }

    @Test("clients that come while no node is there wait for one")
    func waiting() throws {
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.httpSite())
        let client = try forwarder.connect("web")
        try client.send("early")
        client.shutdownWriting()
        try forwarder.waitForReport("it waits") { $0["sluice_node_connections"] == 1 }
        let node = try FakeNode("proxy-1")
        defer { node.die() }
        try forwarder.apply(nodes: [node.member()], version: 1)
        #expect(try client.textToEnd() == "proxy-1:early")
    }

    @Test("no node within a second: the client is reset, and it is counted")
    func noNode() throws {
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.httpSite())
        let client = try forwarder.connect("web")
        try client.send("x")
        let failure = #expect(throws: TestSocket.Failure.self) { try client.receiveToEnd() }
        #expect(failure?.code == ECONNRESET)
        let report = try forwarder.report()
        #expect(report["sluice_forwarder_refused_total{reason=no_node}"] == 1)
        #expect(report["sluice_node_connections"] == 0)
    }

    @Test("drain: those in the listener's queue are served, then nobody can connect; resume opens again")
    func drain() throws {
        let node = try FakeNode("proxy-1")
        defer { node.die() }
        let forwarder = try ForwarderFixture()
        let address = try TestEndpoint.refusing()
        try forwarder.role.apply(ForwarderFixture.httpSite(address))
        try forwarder.apply(nodes: [node.member()], version: 1)
        let clients = try (0..<20).map { _ in try forwarder.connect("web") }
        for client in clients {
            try client.send("x")
            client.shutdownWriting()
        }
        forwarder.role.drain()
        for client in clients { #expect(try client.textToEnd() == "proxy-1:x") }
        _ = try forwarder.wait("drained") { message -> Bool? in
            if case .drained = message { true } else { nil }
        }
        let failure = #expect(throws: TestSocket.Failure.self) { try TestSocket(connectedTo: address) }
        #expect(failure?.code == ECONNREFUSED)
        forwarder.role.resume()
        #expect(try ask(forwarder) == "proxy-1:hi")
    }

    @Test("a forwarder that starts again gets its address while nodes still serve clients from before")
    func restart() throws {
        let node = try FakeNode("proxy-1")
        defer { node.die() }
        let address = try TestEndpoint.refusing()
        let old = try ForwarderFixture()
        try old.role.apply(ForwarderFixture.httpSite(address))
        try old.apply(nodes: [node.member()], version: 1)
        let client = try old.connect("web")
        try client.send("before")
        try old.waitForReport("handed over") {
            $0["sluice_forwarder_connections_total{node=proxy-1,path=hand_over}"] == 1
        }
        old.role.drain()
        _ = try old.wait("drained") { message -> Bool? in
            if case .drained = message { true } else { nil }
        }
        let new = try ForwarderFixture()
        try new.role.apply(ForwarderFixture.httpSite(address))
        try new.apply(nodes: [node.member()], version: 1)
        #expect(try ask(new) == "proxy-1:hi")
        client.shutdownWriting()
        #expect(try client.textToEnd() == "proxy-1:before")
    }

    @Test("draining waits for relayed connections")
    func drainWaits() throws {
        let endpoint = try TestEndpoint.echo()
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([endpoint.address]))
        let client = try forwarder.connect("pg")
        try client.send("1")
        #expect(try client.text(exactly: 1) == "1")
        forwarder.role.drain()
        #expect(try forwarder.report()["sluice_node_connections"] == 1)
        try client.send("2")
        #expect(try client.text(exactly: 1) == "2")
        client.shutdownWriting()
        #expect(try client.receiveToEnd().isEmpty)
        _ = try forwarder.wait("drained") { message -> Bool? in
            if case .drained = message { true } else { nil }
        }
    }
}
