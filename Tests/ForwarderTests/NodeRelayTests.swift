import EventLoop
import Glibc
import NodeLink
import Snapshot
import Testing

@testable import Forwarder

@Suite("Relay to nodes on other hosts")
struct NodeRelayTests {
    @Test("the PROXY header comes first, with the addresses as they were accepted, then the client's bytes")
    func header() throws {
        let received = Mailbox<[UInt8]>()
        let node = try TestEndpoint { client in
            received.post(try client.receiveToEnd())
            try client.send("answer")
        }
        let forwarder = try ForwarderFixture()
        // On all addresses: the destination in the header is the one that was dialled.
        try forwarder.role.apply(ForwarderFixture.httpSite(IPEndpoint(v4: 0, port: 0)))
        try forwarder.apply(nodes: [NodeMember(id: "far", reach: .relay(node.address))], version: 1)
        let port = try #require(forwarder.role.boundAddress(ofListener: "web")).port
        let dialled = IPEndpoint(v4: 0x7f00_0002, port: port)
        let client = try TestSocket(connectedTo: dialled)
        try client.send("GET / HTTP/1.1\r\n")
        client.shutdownWriting()
        #expect(try client.textToEnd() == "answer")
        let source = try #require(client.localAddress)
        let header = [UInt8](unsafeUninitializedCapacity: ProxyProtocolHeader.bytesMax) { buffer, count in
            count = ProxyProtocolHeader.write(source: source, destination: dialled, to: buffer.baseAddress!)
        }
        #expect(received.takeAll() == [header + Array("GET / HTTP/1.1\r\n".utf8)])
        try forwarder.waitForReport("counted") { report in
            report["sluice_forwarder_connections_total{node=far,path=relay}"] == 1
                && report["sluice_bytes_total{direction=in}"] == 16
        }
    }

    @Test("what is idle at a node is the node's to end, up to limits.timeout.tunnel")
    func idle() throws {
        let node = try TestEndpoint { client in
            while true {
                let bytes = try client.receive()
                if bytes.isEmpty { return }
                try client.send(bytes)
            }
        }
        let forwarder = try ForwarderFixture()
        var snapshot = ForwarderFixture.httpSite()
        snapshot.limits.idleTimeout = .milliseconds(100)
        snapshot.limits.tunnelTimeout = .milliseconds(700)
        try forwarder.role.apply(snapshot)
        try forwarder.apply(nodes: [NodeMember(id: "far", reach: .relay(node.address))], version: 1)
        let client = try forwarder.connect("web")
        let start = Clock.monotonicNanoseconds()
        try client.send("x")
        // The header, then what was sent; then silence until the forwarder ends it.
        #expect(try client.receiveToEnd().last == 0x78)
        #expect(Clock.monotonicNanoseconds() - start >= 700_000_000)
    }

    @Test("a node that refuses the connect: the next one, and the client's bytes arrive there")
    func refused() throws {
        let node = try TestEndpoint { client in
            _ = try client.receive(exactly: 28)
            try client.send(try client.receive())
        }
        let dead = try TestEndpoint.refusing()
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.httpSite())
        try forwarder.apply(
            nodes: [
                NodeMember(id: "dead", reach: .relay(dead)), NodeMember(id: "far", reach: .relay(node.address)),
            ], version: 1)
        let failures = "sluice_forwarder_node_failures_total{node=dead}"
        var clients = 0
        var refusedAt: UInt64 = 0
        while refusedAt == 0 || clients < 40 {
            let client = try forwarder.connect("web")
            try client.send("x")
            #expect(try client.textToEnd() == "x")
            clients += 1
            if refusedAt == 0, try forwarder.report()[failures] == 1 { refusedAt = Clock.monotonicNanoseconds() }
        }
        let report = try forwarder.report()
        #expect(report["sluice_forwarder_connections_total{node=far,path=relay}"] == Double(clients))
        // The first refused connect takes the node out at once: no other client is sent there before its rest is over.
        if Clock.monotonicNanoseconds() - refusedAt < ForwarderLimits.outNanoseconds / 2 {
            #expect(report[failures] == 1)
        }
    }
}
