import TestKit
import Testing

extension IntegrationTests {
    @Suite("hand_over: never")
    struct HandOverNeverTests {
        @Test("connections are relayed to local nodes, and the endpoint still sees the client's address")
        func relaysLocally() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let site = try lab.site(
                    """
                    forwarder: {hand_over: never}
                    proxy: {nodes: 2, workers: 2}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes: [{to: app}]
                    pools:
                      app: {endpoints: ["\(app.address)"]}
                    """)
                // From another address than the forwarder's, which the node sees as its peer.
                for _ in 0..<20 {
                    let response = try Curl.request(
                        "http://127.0.0.1:\(port)/", arguments: ["--interface", "127.0.0.9"])
                    #expect(response.status == 200, "\(response.errors)")
                }
                #expect(app.requests.map { $0.head["X-Real-IP"] } == [String?](repeating: "127.0.0.9", count: 20))
                let metrics = try site.control.request("GET", "/metrics").text.split(separator: "\n")
                func connections(_ path: String) -> Double {
                    metrics.filter {
                        $0.hasPrefix("sluice_forwarder_connections_total{") && $0.contains("path=\"\(path)\"")
                    }.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
                }
                #expect(connections("relay") == 20)
                #expect(connections("hand_over") == 0)
                #expect(try policies(of: site).allSatisfy { $0 == 0 })
            }
        }

        @Test("a forwarder that only hands over interrupts nobody, and one that relays does")
        func scheduling() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let handsOver = SiteText.http(port, to: [app.address], nodes: 1)
                let site = try lab.site(handsOver)
                let count = try policies(of: site).count
                #expect(count > 0)
                func waitForPolicy(_ policy: Int) throws {
                    try Eventually.holds("policy \(policy)") {
                        try policies(of: site) == [Int](repeating: policy, count: count)
                    }
                }
                try waitForPolicy(3)
                let rawPort = try Ports.unused()
                let raw = "  raw: {address: \"127.0.0.1:\(rawPort)\", protocol: tcp, to: app}\n"
                try site.rewrite(handsOver.replacing("listeners:\n", with: "listeners:\n\(raw)"))
                try site.command.succeed(["apply", site.file])
                try waitForPolicy(0)
                let relayed = try HTTPConnection(to: rawPort)
                #expect(try relayed.request("/").status == 200)
                try site.rewrite(handsOver)
                try site.command.succeed(["apply", site.file])
                // Its listener has gone, and it goes on.
                #expect(try relayed.request("/").status == 200)
                #expect(try policies(of: site).contains(0))
                relayed.socket.close()
                try waitForPolicy(3)
            }
        }

        private func policies(of site: Site) throws -> [Int] {
            let forwarder = try #require(site.nodeProcesses["forwarder"])
            return ProcessStat.schedulingPolicies(of: forwarder, threads: "forwarder-")
        }
    }
}
