import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Changes of certificates and ticket keys under load and over time")
    struct TLSRotationTests {
        /// What a client that loads a listener over TLS has to say at its end.
        private struct Load {
            let process: ChildProcess

            /// - Parameter seconds: How long it goes on.
            static func h2load(_ port: UInt16, seconds: Int, _ arguments: [String]) throws -> Load {
                Load(
                    process: try ChildProcess(
                        ["h2load", "--duration=\(seconds)", "--clients=8", "--threads=1"] + arguments
                            + ["https://127.0.0.1:\(port)/"]))
            }

            /// Each request on a connection of its own.
            static func hey(_ port: UInt16, seconds: Int) throws -> Load {
                Load(
                    process: try ChildProcess([
                        "hey", "-z", "\(seconds)s", "-c", "4", "-disable-keepalive", "https://127.0.0.1:\(port)/",
                    ]))
            }

            func report() throws -> String {
                let status = try process.waitForExit(within: .seconds(60))
                #expect(status == .exited(0), "\(process.errorText)")
                return process.outputText
            }
        }

        @Test("certificates change again and again under load: no request fails, new clients see the new one")
        func certificates() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("app"), try Ports.unused())
                let (site, authority) = try HTTPSTests.site(
                    lab, port, to: [app.address], tls: "alpn: [h2, http/1.1]", nodes: 2)
                for number in 1...4 {
                    try authority.issue(
                        "shop-\(number)", for: ["number-\(number).example"], number == 2 ? .rsa : .ecdsa)
                }
                func subject() throws -> String {
                    let said = try HTTPSTests.handshake(port, []).text
                    return said.split(separator: "\n").first { $0.hasPrefix("subject=") }.map(String.init) ?? said
                }
                let seconds = 6
                let kept = [
                    try Load.h2load(port, seconds: seconds, ["--max-concurrent-streams=4"]),
                    try Load.h2load(port, seconds: seconds, ["--h1"]),
                ]
                let fresh = try Load.hey(port, seconds: seconds)
                var count = 0.0
                for number in 1...4 {
                    try Eventually.holds("requests and handshakes go on", within: .seconds(20)) {
                        try site.metric("sluice_requests_total", ["code": "200"]) > count + 200
                    }
                    for suffix in ["pem", "key"] {
                        try Command.succeed([
                            "cp", site.directory.file("shop-\(number).\(suffix)"),
                            site.directory.file("shop.\(suffix)"),
                        ])
                    }
                    try site.command.succeed(["apply", site.file])
                    #expect(try subject() == "subject=CN = number-\(number).example")
                    count = try site.metric("sluice_requests_total", ["code": "200"])
                    #expect(kept.allSatisfy { $0.process.exitStatus == nil }, "the load ended before the last change")
                }
                for load in kept {
                    let report = try load.report()
                    #expect(report.contains(" 0 failed, 0 errored, 0 timeout"), "\(report)")
                    #expect(report.contains(" 0 3xx, 0 4xx, 0 5xx"), "\(report)")
                }
                let report = try fresh.report()
                #expect(report.contains("[200]") && !report.contains("Error distribution"), "\(report)")
                #expect(try site.metric("sluice_tls_handshake_failures_total") == 0)
            }
        }

        @Test(
            "a ticket outlives one change of keys and not two, and is renewed on its way",
            arguments: ["tls1_2", "tls1_3"])
        func tickets(version: String) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address], nodes: 2)
                func connect(_ arguments: [String]) throws -> String {
                    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                    return try HTTPSTests.handshake(port, ["-\(version)", "-ign_eof"] + arguments, input: request).text
                }
                let (old, renewed) = (site.directory.file("old"), site.directory.file("renewed"))
                let first = try connect(["-sess_out", old])
                #expect(first.contains("\nNew, "))
                try rotate(site)
                // A ticket of the key before is taken, and another one given for it.
                let said = try connect(["-sess_in", old, "-sess_out", renewed])
                #expect(said.contains("\nReused, ") && said.contains("HTTP/1.1 200"), "\(said)")
                try rotate(site)
                #expect(try connect(["-sess_in", old]).contains("\nNew, "))
                guard version == "tls1_3" else {
                    // s_client doesn't write sessions of TLS 1.2 that were taken up again, but shows their tickets.
                    let names = [first, said].map(ticketName)
                    #expect(!names.contains(nil) && names[0] != names[1])
                    return
                }
                let later = try connect(["-sess_in", renewed])
                #expect(later.contains("\nReused, ") && later.contains("HTTP/1.1 200"), "\(later)")
            }
        }

        /// The name of the key that the ticket is sealed with, as s_client shows it: the first sixteen bytes.
        private func ticketName(_ said: String) -> String? {
            let lines = said.split(separator: "\n")
            guard let title = lines.firstIndex(where: { $0.contains("TLS session ticket:") }) else { return nil }
            return lines[title...].dropFirst().first.map { String($0.prefix(60)) }
        }

        /// Lets the period of the keys in use be over: the control plane finds them so old when it starts, and rotates them.
        private func rotate(_ site: Site) throws {
            let keys = try keys(site)
            try site.killControlPlane()
            let script = """
                import sqlite3, sys
                database = sqlite3.connect(sys.argv[1])
                (text,) = database.execute("SELECT value FROM setting WHERE key = 'ticketKeys'").fetchone()
                time, digits = text.split(" ")
                database.execute(
                    "UPDATE setting SET value = ? WHERE key = 'ticketKeys'", (f"{int(time) - 12 * 3600} {digits}",))
                database.commit()
                """
            try Command.succeed(["python3", "-c", script, "\(site.state)/sluice.db"])
            try site.start()
            // Ready doesn't say that every node has the membership with the new keys.
            try Eventually.holds("the nodes have the new keys") {
                let changed = try self.keys(site)
                return !changed.isEmpty && changed.allSatisfy { !keys.contains($0) }
            }
        }

        /// The membership that each proxy node has stored, which holds the keys.
        private func keys(_ site: Site) throws -> [Data] {
            try ["proxy-1", "proxy-2"].map { id in
                try Data(contentsOf: URL(fileURLWithPath: "\(site.state)/nodes/\(id)/membership"))
            }
        }
    }
}
