import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Idle connections, idle processes, starting nodes")
    struct IdleTests {
        private static let connections = 5000
        private static let bytesPerConnectionMax = 1024

        @Test("5,000 idle keep-alive connections: little memory, no processor, and all still answer")
        func idleConnections() throws {
            try #require(Resources.raiseDescriptorLimit() > Self.connections + 1000, "too few descriptors allowed")
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(
                    SiteText.http(port, to: [app.address], top: "limits: {timeout: {idle: 10m, head: 10m}}"))
                try site.control.waitForProxies(2)
                // The first requests fill caches and pools that are no cost of a connection.
                for _ in 0..<200 { _ = try HTTPConnection(to: port).request("/") }
                let nodes = site.nodeProcesses.values.map { $0 }
                let before = try nodes.map { try ProcessStat($0).privateDirtyBytes }.reduce(0, +)

                var clients: [HTTPConnection] = []
                for _ in 0..<Self.connections {
                    let client = try HTTPConnection(to: port)
                    let response = try client.request("/")
                    try #require(response.status == 200)
                    clients.append(client)
                }
                let after = try nodes.map { try ProcessStat($0).privateDirtyBytes }.reduce(0, +)
                let each = (after - before) / Self.connections
                #expect(each <= Self.bytesPerConnectionMax, "\(each) bytes a connection")
                print("idle: \(each) bytes of private memory a connection in forwarder and nodes")

                // The pass of time without work is what is measured here; there is no condition to wait for.
                let everyone = nodes + [try #require(site.controlPlane).pid]
                let start = try everyone.map { try ProcessStat($0) }
                sleep(2)
                let end = try everyone.map { try ProcessStat($0) }
                let used = zip(start, end).map { $1.processorTime - $0.processorTime }
                let ticks = zip(start, end).map { $1.processorTicks - $0.processorTicks }
                print("idle: processor time in 2 s: \(used)")
                // Ticks are 10 ms; a process that wakes for nothing a few times a second would show in the sum.
                #expect(ticks.allSatisfy { $0 == 0 }, "ticks: \(ticks), time: \(used)")
                #expect(used.reduce(.zero, +) < .milliseconds(10), "\(used)")

                var answered = 0
                for client in clients where try client.request("/").status == 200 { answered += 1 }
                #expect(answered == Self.connections)
            }
        }

        @Test("a node serves soon after its start")
        func nodeStart() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                var times: [Duration] = []
                let clock = ContinuousClock()
                for number in 1...5 {
                    let start = clock.now
                    let node = try lab.remoteNode("remote-\(number)", of: site, forwarders: "127.0.0.0/8")
                    let nodePort = try #require(node.address.split(separator: ":").last.flatMap { UInt16($0) })
                    // Ready is: it has its snapshot and answers a request that comes with a PROXY header.
                    try Eventually.holds("an answer of the node", every: .milliseconds(1)) {
                        let client = try HTTPConnection(to: nodePort, timeout: .seconds(2))
                        try client.socket.send(
                            ProxyHeader.version2(
                                source: ("192.0.2.1", 40_000), destination: ("127.0.0.1", port)))
                        return try client.request("/").status == 200
                    }
                    times.append(clock.now - start)
                    node.kill()
                }
                let median = times.sorted()[times.count / 2]
                print("idle: a node serves \(median) after its start (median of \(times.count))")
                // The goal is 50 ms on a quiet machine; a shared one needs room.
                #expect(median < .milliseconds(500), "\(times)")
            }
        }
    }
}
