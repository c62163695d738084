import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// Each role on a "host" of its own; between forwarder and node the bytes go by TCP with PROXY protocol v2.
    @Suite("Forwarder and nodes on different hosts", .enabled(if: Network.obstacle == nil, needsNamespaces))
    struct NamespaceTests {
        private struct Setting {
            let network: Network
            let endpoint: NginxEndpoint
            let site: Site
            let nodes: [RemoteNode]
            let url: String

            var client: Network.Host { network["client"] }
        }

        private func withRemoteNodes(_ count: Int, _ body: (Setting) throws -> Void) throws {
            try Lab.run { lab in
                let names = (1...count).map { "node\($0)" }
                let network = try lab.network(["forwarder", "client", "endpoint"] + names)
                let endpoint = try lab.nginx("a", on: network["endpoint"])
                let (front, port) = (network["forwarder"], try Ports.unused())
                let site = try lab.site(
                    """
                    proxy: {nodes: 0}
                    listeners:
                      web: {address: "\(front.address):\(port)"}
                    routes:
                      - to: app
                    pools:
                      app: {endpoints: ["\(endpoint.address)"]}
                    """, on: front, start: false)
                try site.start(ready: false)
                let nodes = try names.enumerated().map { index, name in
                    try lab.remoteNode("remote-\(index + 1)", of: site, on: network[name])
                }
                try site.waitUntilReady()
                try site.control.waitForProxies(count)
                try body(
                    Setting(
                        network: network, endpoint: endpoint, site: site, nodes: nodes,
                        url: "http://\(front.address):\(port)/"))
            }
        }

        @Test("the client's address arrives at the endpoint, through PROXY v2")
        func clientAddress() throws {
            try withRemoteNodes(1) { setting in
                for _ in 0..<3 { #expect(try Curl.get(setting.url, on: setting.client).text == "a") }
                let accesses = setting.endpoint.accesses
                #expect(accesses.count == 3)
                for access in accesses {
                    #expect(access.forwardedFor == setting.client.address)
                    #expect(access.realIP == setting.client.address)
                    #expect(access.peer == setting.network["node1"].address, "the node dials the endpoint")
                }
                let node = try #require(try setting.site.control.node("remote-1"))
                #expect(node["local"] == .bool(false))
                #expect(node["address"]?.text == setting.nodes[0].address)
            }
        }

        @Test("bulk crosses the relay with the same checksum")
        func bulk() throws {
            try withRemoteNodes(1) { setting in
                let file = try BigFile(mebibytes: 64, at: setting.endpoint.file("big"))
                let command =
                    setting.client.prefix + [
                        "sh", "-c",
                        "curl --silent --fail --max-time 60 \(setting.url)files/big | openssl dgst -sha256 -r",
                    ]
                #expect(try Command.succeed(command, within: .seconds(70)).hasPrefix(file.digest))
            }
        }

        @Test("with the only node dead, clients are told so at once; a second one takes over")
        func takeover() throws {
            try Lab.run { lab in
                try withRemoteNodes(1) { setting in
                    #expect(try Curl.get(setting.url, on: setting.client).status == 200)
                    setting.nodes[0].kill()
                    let response = try Curl.request(setting.url, on: setting.client, within: .seconds(5))
                    // 7 refused, 52 closed without an answer, 56 reset. 28 would be a client left hanging.
                    #expect([7, 52, 56].contains(response.exitCode) || response.status == 503, "\(response)")
                    // An operator starts another on the same host.
                    _ = try lab.remoteNode("remote-2", of: setting.site, on: setting.network["node1"])
                    try Eventually.holds("service by the second node") {
                        try Curl.get(setting.url, on: setting.client, within: .seconds(2)).status == 200
                    }
                }
            }
        }

        @Test("one of two nodes killed under load: new connections go to the other")
        func killOneOfTwo() throws {
            try withRemoteNodes(2) { setting in
                // hey runs on the client host; each worker keeps a connection, and dials again when it breaks.
                let connections = 16
                let load = try ChildProcess(
                    setting.client.prefix + ["hey", "-z", "4s", "-c", String(connections), "-t", "3", setting.url])
                try Eventually.holds("load at both nodes") {
                    Set(setting.endpoint.accesses.map(\.peer)).count == 2
                }
                setting.nodes[0].kill()
                for _ in 0..<10 {
                    let response = try Curl.request(setting.url, on: setting.client, within: .seconds(3))
                    #expect(response.status == 200, "\(response)")
                }
                #expect(try load.waitForExit(within: .seconds(30)) == .exited(0))
                let report = load.outputText
                let errors = report.components(separatedBy: "Error distribution:").dropFirst().joined()
                    .split(separator: "\n").compactMap { Int($0.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" }) }
                #expect(errors.reduce(0, +) <= connections, "at most one request per connection:\n\(report)")
                let statuses = report.split(separator: "\n").filter { $0.hasSuffix("responses") }
                #expect(statuses.count == 1 && statuses[0].contains("[200]"), "other answers than 200:\n\(report)")
            }
        }

        @Test("a node closes what brings no PROXY header")
        func noHeader() throws {
            try withRemoteNodes(1) { setting in
                // The client is in the block of the forwarders here; who isn't is `RemoteNodeTests`' business.
                let response = try Curl.request(
                    "http://\(setting.nodes[0].address)/", on: setting.client, within: .seconds(12))
                // 52 closed without an answer, 56 reset.
                #expect([52, 56].contains(response.exitCode), "\(response)")
                #expect(setting.endpoint.accesses.isEmpty)
            }
        }
    }
}
