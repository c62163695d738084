import Glibc
import TestKit
import Testing

extension IntegrationTests {
    @Suite("A storm of handshakes")
    struct HandshakeStormTests {
        @Test("its worker interrupts nobody as long as it lasts, and serves the others meanwhile")
        func scheduling() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                // A signature with RSA is the longest part of a handshake: clients get through few a second.
                let (site, _) = try HTTPSTests.site(
                    lab, port, to: [app.address], top: "forwarder: {workers: 1}",
                    certificates: { authority in
                        try authority.issue("shop", for: ["shop.example"], .rsa)
                        return ["shop"]
                    })
                let node = try #require(site.nodeProcesses["proxy-1"])
                func policies() -> Set<Int> { Set(ProcessStat.schedulingPolicies(of: node, threads: "proxy-")) }
                func request() throws -> Int {
                    try Curl.request("https://127.0.0.1:\(port)/", arguments: ["--insecure"]).status
                }
                #expect(try request() == 200)
                #expect(policies() == [0])
                let storm = try (0..<8).map { _ in
                    try ChildProcess(["openssl", "s_time", "-connect", "127.0.0.1:\(port)", "-new", "-time", "60"])
                }
                try Eventually.holds("the worker yields", within: .seconds(30)) { policies().contains(3) }
                #expect(try request() == 200)
                #expect(storm.allSatisfy { $0.exitStatus == nil })
                for client in storm { client.signal(SIGKILL) }
                // A worker looks at itself when it has something to do.
                try Eventually.holds("the worker is scheduled as before") {
                    try request() == 200 && policies() == [0]
                }
            }
        }
    }
}
