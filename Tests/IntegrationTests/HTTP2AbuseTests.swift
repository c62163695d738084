import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// Each attack ends its own connection and nothing else.
    @Suite("Abuse of HTTP/2, while another client is served")
    struct HTTP2AbuseTests {
        /// Sends pieces until the proxy ends the connection, or `count` are sent.
        private func attack(_ port: UInt16, count: Int, _ piece: (RawHTTP2, UInt32) -> [UInt8]) throws -> RawHTTP2 {
            let client = try RawHTTP2(port)
            for index in 0..<count {
                // The proxy stops reading and closes: that is what is wanted.
                guard (try? client.send(piece(client, UInt32(index)))) != nil else { break }
            }
            client.waitForClose()
            return client
        }

        /// - Parameter reason: Label of `sluice_http2_abuse_total`; nil for any.
        private func check(_ reason: String?, count: Int, _ piece: (RawHTTP2, UInt32) -> [UInt8]) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http(), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let load = lab.load(port, connections: 2)
                try load.progress()
                let attacker = try attack(port, count: count, piece)
                #expect(attacker.goAway == nil || attacker.goAway == 11, "GOAWAY \(attacker.goAway as Any)")
                try Eventually.holds("the attack is counted") {
                    try site.metric("sluice_http2_abuse_total", reason.map { ["reason": $0] } ?? [:]) == 1
                }
                try load.progress()
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                try Eventually.holds("nothing is left") {
                    try site.metric("sluice_http2_connections") == 0 && site.metric("sluice_http2_streams") == 0
                        && site.metric("sluice_node_buffers") == 0
                }
                #expect(try Curl.get("http://127.0.0.1:\(port)/").text == "app")
            }
        }

        @Test("rapid reset (CVE-2023-44487)")
        func rapidReset() throws {
            try check("resets", count: 5000) { client, index in
                client.get(index * 2 + 1) + client.reset(index * 2 + 1)
            }
        }

        @Test("streams that the server is made to reset (CVE-2025-8671)")
        func madeYouReset() throws {
            // Whether resets or window updates are too many first depends on how many come in one read.
            try check(nil, count: 5000) { client, index in
                client.get(index * 2 + 1) + client.window(index * 2 + 1, 0x7fff_ffff)
            }
        }

        @Test("a header block that doesn't end (CVE-2024-27316)")
        func continuations() throws {
            try check("continuation", count: 5000) { client, index in
                index == 0
                    ? client.frame(1, 1, 1, client.block([(":method", "GET")]))
                    : client.frame(9, 0, 1, client.block([("x", "y")]))
            }
        }

        @Test("a header block that is large only when it is decoded")
        func bomb() throws {
            try check("header-list", count: 2) { client, index in
                guard index == 0 else { return client.ping() }
                var block = client.block([(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")])
                block += [0x40, 1, 0x78, 0x7f, 0x81, 0x17]
                block += [UInt8](repeating: 0x61, count: 3072)
                block += [UInt8](repeating: 0xbe, count: 4000)
                return client.frame(1, 5, 1, block)
            }
        }

        @Test("SETTINGS without end (CVE-2019-9515)")
        func settings() throws { try check("settings", count: 5000) { client, _ in client.frame(4, 0, 0) } }

        @Test("PING without end (CVE-2019-9512)")
        func pings() throws { try check("control-frames", count: 50_000) { client, _ in client.ping() } }

        @Test("empty DATA without end (CVE-2019-9518)")
        func emptyData() throws {
            try check("empty-data", count: 5000) { client, index in
                guard index == 0 else { return client.frame(0, 0, 1) }
                let head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")]
                return client.frame(1, 4, 1, client.block(head))
            }
        }
    }
}
