import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `listeners.NAME.limits`, and `limits.buffer`.
    @Suite("Limits of a listener")
    struct ListenerLimitTests {
        private func site(
            _ lab: Lab, own: String, top: String = "", app: String, forwarder: String = ""
        ) throws -> (own: UInt16, other: UInt16, site: Site) {
            let (first, second) = (try Ports.unused(), try Ports.unused())
            let site = try lab.site(
                """
                site: test
                proxy: {nodes: 1}
                \(forwarder)
                \(top)
                listeners:
                  own: {address: "127.0.0.1:\(first)", limits: {\(own)}}
                  other: {address: "127.0.0.1:\(second)"}
                routes:
                  - {name: main, to: app}
                pools:
                  app: {endpoints: ["\(app)"]}
                """)
            return (first, second, site)
        }

        @Test("head, headers and requests_per_connection are the listener's; another one has those of the site")
        func requests() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let (own, other, _) = try site(
                    lab, own: "head: 2KiB, headers: 5, requests_per_connection: 2", app: app.address)
                let long = "X-Long: " + String(repeating: "x", count: 3000)
                let many = (0..<6).map { "X-\($0): 1" }
                for (fields, status) in [([long], 431), (many, 431), ([], 200)] {
                    #expect(try HTTPConnection(to: own).request("/", fields: fields).status == status, "\(fields)")
                    #expect(try HTTPConnection(to: other).request("/", fields: fields).status == 200)
                }
                // Host is one of the five.
                #expect(try HTTPConnection(to: own).request("/", fields: Array(many[..<4])).status == 200)
                let client = try HTTPConnection(to: own)
                #expect(try client.request("/").head["Connection"] == nil)
                #expect(try client.request("/").head["Connection"] == "close")
                let free = try HTTPConnection(to: other)
                for _ in 0..<3 { #expect(try free.request("/").head["Connection"] == nil) }
            }
        }

        @Test("timeout.head, idle and body_idle are the listener's")
        func timeouts() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let (own, other, _) = try site(
                    lab, own: "timeout: {head: 200ms, idle: 300ms, body_idle: 250ms}", app: app.address)
                let patient = try [other, other, other].map { try HTTPConnection(to: $0) }
                #expect(try patient[0].request("/").status == 200)
                try patient[1].socket.send("GET / HT")
                try patient[2].socket.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
                let half = try HTTPConnection(to: own)
                try half.socket.send("GET / HT")
                #expect(try half.response().status == 408)
                let idle = try HTTPConnection(to: own)
                #expect(try idle.request("/").status == 200)
                #expect(try idle.isClosedByPeer())
                let body = try HTTPConnection(to: own)
                try body.socket.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
                #expect(try body.response().status == 408)
                // Those of the other listener, which are older, go on.
                #expect(try patient[0].request("/").status == 200)
                try patient[1].socket.send("TP/1.1\r\nHost: a\r\n\r\n")
                #expect(try patient[1].response().status == 200)
                try patient[2].socket.send("cde")
                #expect(try patient[2].response().status == 200)
            }
        }

        @Test("connections_per_source of a listener counts its own connections only")
        func sources() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let (own, other, site) = try site(
                    lab, own: "connections_per_source: 1", top: "limits: {connections_per_source: 2}",
                    app: app.address)
                let kept = try [other, own, other].map { try HTTPConnection(to: $0) }
                for client in kept { #expect(try client.request("/").status == 200) }
                #expect(try HTTPConnection(to: own).request("/").status == 429)
                #expect(try HTTPConnection(to: other).request("/").status == 429)
                #expect(try site.metric("sluice_limited_total", ["limit": "connections_per_source"]) == 2)
                kept[1].socket.close()
                try Eventually.holds("room at the listener") {
                    try HTTPConnection(to: own).request("/").status == 200
                }
                #expect(try HTTPConnection(to: other).request("/").status == 429, "its connections are still open")
            }
        }

        @Test("connections of a listener: one more waits for a while and is reset; another listener goes on")
        func connections() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let (own, other, site) = try site(lab, own: "connections: 2", app: app.address)
                let kept = try (0..<2).map { _ in try HTTPConnection(to: own) }
                for client in kept { #expect(try client.request("/").status == 200) }
                #expect(try HTTPConnection(to: other).request("/").status == 200)
                let next = try HTTPConnection(to: own)
                try next.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try next.isClosedByPeer())
                #expect(app.requests.count == 3)
                #expect(try site.metric("sluice_connections", ["role": "proxy", "listener": "own"]) == 2)
                // One that waits gets the place that another one leaves.
                let waiting = try HTTPConnection(to: own)
                try waiting.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                kept[0].socket.close()
                #expect(try waiting.response().status == 200)
            }
        }

        @Test("connections of a site: a tcp listener takes one more when one has left")
        func relayed() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    while case let bytes = try connection.receive(), !bytes.isEmpty {
                        try connection.socket.send(bytes)
                    }
                }
                let port = try Ports.unused()
                let site = try lab.site("limits: {connections: 2}\n" + SiteText.tcp(port, to: [app.address]))
                let kept = try (0..<2).map { _ in try TCPSocket(connectingTo: port) }
                for client in kept {
                    try client.send("x")
                    #expect(try client.receive(exactly: 1) == [0x78])
                }
                let next = try TCPSocket(connectingTo: port)
                try next.send("y")
                try Eventually.holds("the listener to rest") {
                    try site.metric("sluice_forwarder_pauses_total", ["reason": "limit"]) > 0
                }
                #expect(app.accepted == 2)
                kept[0].close()
                #expect(try next.receive(exactly: 1) == [0x79])
            }
        }

        struct Answer: CustomTestStringConvertible {
            let bytes: Int
            let buffer: String
            /// The endpoint's connection serves others while a client reads slowly.
            let isReleased: Bool
            var testDescription: String { "\(bytes) bytes in chunks, buffer: \(buffer)" }
        }

        @Test(
            "buffer: an answer whose rest fits frees its endpoint, a larger one keeps it",
            arguments: [
                Answer(bytes: 60_000, buffer: "64KiB", isReleased: true),
                Answer(bytes: 60_000, buffer: "0", isReleased: false),
                Answer(bytes: 24_000_000, buffer: "64KiB", isReleased: false),
                Answer(bytes: 24_000_000, buffer: "1MiB", isReleased: false),
                Answer(bytes: 300_000, buffer: "512KiB", isReleased: true),
            ])
        func buffer(_ answer: Answer) throws {
            try Lab.run { lab in
                // In many chunks, so that what is held is more than one piece.
                let chunk = "1000\r\n" + String(repeating: "x", count: 4096) + "\r\n"
                let chunks = answer.bytes / 4096
                let bytes =
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + String(repeating: chunk, count: chunks) + "0\r\n\r\n"
                let app = try lab.scripted { connection in
                    let reader = HTTPReader(connection.socket) { connection.note($0) }
                    while try reader.head() != nil { try connection.socket.send(bytes) }
                }
                let (own, other, _) = try site(lab, own: "buffer: \(answer.buffer)", app: app.address)
                let slow = try HTTPConnection(to: own)
                // So many answers, or one so long, that the sockets' buffers are full long before the end.
                let count = 24_000_000 / answer.bytes
                for _ in 0..<count { try slow.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
                var served = -1
                try Eventually.holds("the proxy to be stopped by the client", every: .milliseconds(100)) {
                    let now = app.receivedText.components(separatedBy: "\r\n\r\n").count - 1
                    defer { served = now }
                    return now == served && now > 0
                }
                #expect(served < count || count == 1)
                #expect(try HTTPConnection(to: other).request("/").body.count == chunks * 4096)
                #expect(app.accepted == (answer.isReleased ? 1 : 2))
                for _ in 0..<count { #expect(try slow.response().body.count == chunks * 4096) }
            }
        }
    }
}
