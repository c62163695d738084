import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// Clients that hold connections by doing almost nothing, made by slowhttptest, while others are served.
    @Suite("Slow clients")
    struct SlowClientTests {
        static let connections = 250

        struct Attack: CustomTestStringConvertible {
            let testDescription: String
            let arguments: [String]
            let target: String
        }

        static let attacks = [
            Attack(
                testDescription: "slowloris: heads that never end", arguments: ["-H", "-i", "1", "-x", "10"],
                target: "/"),
            Attack(
                testDescription: "slow body: a byte now and then",
                arguments: ["-B", "-i", "3", "-s", "8192", "-x", "10"],
                target: "/"),
            Attack(
                testDescription: "slow read: a tiny window that is hardly read",
                arguments: ["-X", "-w", "64", "-y", "128", "-n", "5", "-z", "8"], target: "/large"),
        ]

        @Test("are cut off in time, and others are served meanwhile", arguments: attacks)
        func attack(_ attack: Attack) throws {
            try Lab.run { lab in
                let large = String(repeating: "large", count: 400_000)
                let app = try lab.http { $0.head.target == "/large" ? .response(large) : .response("ok") }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, top: "limits: {timeout: {head: 2s, body_idle: 2s, idle: 5s}}"
                    ))
                let load = lab.load(port, connections: 4, expecting: "ok")
                try load.progress()
                let slow = try ChildProcess(
                    ["slowhttptest", "-c", "\(Self.connections)", "-r", "\(Self.connections)", "-l", "60", "-p", "5"]
                        + attack.arguments + ["-u", "http://127.0.0.1:\(port)\(attack.target)"])
                defer { slow.signal(SIGKILL) }
                try Eventually.holds("the slow connections", within: .seconds(20)) {
                    try nodeConnections(site) >= Self.connections / 2
                }
                try load.progress()
                // All but those of the load and a probe of slowhttptest's own.
                try Eventually.holds(
                    "the slow connections to be cut off", within: .seconds(20), every: .milliseconds(100)
                ) {
                    let left = try nodeConnections(site)
                    if left > 6 { throw TestKitError("\(left) are left") }
                    return true
                }
                slow.signal(SIGKILL)
                try load.progress()
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(report.slowest < .seconds(2), "\(report)")
                try Eventually.holds("no connection left") { try nodeConnections(site) == 0 }
            }
        }

        private func nodeConnections(_ site: Site) throws -> Int {
            let lines = try site.control.request("GET", "/metrics").text.split(separator: "\n")
            let values = lines.filter { $0.hasPrefix("sluice_node_connections") }.compactMap {
                $0.split(separator: " ").last
            }
            return values.reduce(0) { $0 + (Int(Double($1) ?? 0)) }
        }
    }
}
