import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Limits on what one client may use")
    struct LimitTests {
        private static func limited(_ site: Site, by limit: String) throws -> Int {
            let lines = try site.control.request("GET", "/metrics").text.split(separator: "\n")
            let line = lines.first { $0.hasPrefix("sluice_limited_total{limit=\"\(limit)\"}") }
            return line.flatMap { Int($0.split(separator: " ").last ?? "") } ?? 0
        }

        @Test("connections_per_source: the next one gets 429 and is closed, until one ends")
        func connectionsPerSource() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, top: "limits: {connections_per_source: 3}"))
                var kept = try (0..<3).map { _ in try HTTPConnection(to: port) }
                for client in kept { #expect(try client.request("/").status == 200) }
                let next = try HTTPConnection(to: port)
                let refused = try next.request("/")
                #expect(refused.status == 429)
                #expect(refused.head["Connection"] == "close")
                #expect(try next.isClosedByPeer())
                for client in kept { #expect(try client.request("/").status == 200, "those within the limit go on") }
                #expect(app.requests.count == 6)
                #expect(try Self.limited(site, by: "connections_per_source") == 1)
                kept.removeLast().socket.close()
                try Eventually.holds("room for another connection") {
                    try HTTPConnection(to: port).request("/").status == 200
                }
            }
        }

        @Test("connections_per_source: a connection over the limit that asks for nothing is not kept waiting")
        func silentConnection() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1,
                        top: "limits: {connections_per_source: 1, timeout: {head: 10m}}"))
                let kept = try HTTPConnection(to: port)
                #expect(try kept.request("/").status == 200)
                for bytes in ["", "GET / HT"] {
                    let silent = try HTTPConnection(to: port)
                    try silent.socket.send(bytes)
                    #expect(try silent.response().status == 429)
                    #expect(try silent.isClosedByPeer())
                }
                #expect(try kept.request("/").status == 200)
            }
        }

        @Test("connections_per_source: a trusted proxy stands for many sources")
        func trustedSource() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1,
                        top: "limits: {connections_per_source: 1}\ntrust: {proxies: [127.0.0.1/32]}"))
                let clients = try (0..<3).map { _ in try HTTPConnection(to: port) }
                for client in clients { #expect(try client.request("/").status == 200) }
            }
        }

        @Test("requests_per_connection: the answer to the last one closes the connection", arguments: [1, 2, 3])
        func requestsPerConnection(limit: Int) throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, top: "limits: {requests_per_connection: \(limit)}"))
                let client = try HTTPConnection(to: port)
                for number in 1...limit {
                    let answer = try client.request("/")
                    #expect(answer.status == 200)
                    #expect((answer.head["Connection"] == "close") == (number == limit), "request \(number)")
                }
                #expect(try client.isClosedByPeer())
                // Pipelined ones beyond the last are not answered, and reach no endpoint.
                let pipelining = try HTTPConnection(to: port)
                let request = "GET /pipelined HTTP/1.1\r\nHost: a\r\n\r\n"
                try pipelining.socket.send(String(repeating: request, count: limit + 2))
                for _ in 0..<limit { #expect(try pipelining.response().status == 200) }
                #expect(try pipelining.isClosedByPeer())
                #expect(app.requests(for: "/pipelined").count == limit)
                #expect(try Self.limited(site, by: "requests_per_connection") == 2)
            }
        }

        @Test("timeout.write: a client that takes nothing is cut off, while others are served")
        func writeStall() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    guard try HTTPReader(connection.socket).head() != nil else { return }
                    try connection.socket.send("HTTP/1.1 200 OK\r\n\r\n")
                    let piece = [UInt8](repeating: 0x78, count: 65_536)
                    while true { try connection.socket.send(piece) }
                }
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                let file = folder.file("access.log")
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1,
                        top: "limits: {timeout: {write: 300ms, body_idle: 10m}}\n"
                            + "access_log: {to: \(file), fields: [status, termination]}"))
                let stalled = try HTTPConnection(to: port)
                try stalled.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try stalled.responseHead().status == 200)
                // A reader that goes on is not cut off meanwhile.
                let reading = try HTTPConnection(to: port)
                try reading.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                var total = 0
                let line = #"{"status":200,"termination":"client_timeout"}"#
                try Eventually.holds("the stalled client to be cut off", every: .milliseconds(2)) {
                    total += try reading.socket.receive(upTo: 16_384).count
                    return try String(contentsOfFile: file, encoding: .utf8) == line + "\n"
                }
                #expect(try Self.limited(site, by: "timeout.write") == 1)
                for _ in 0..<100 { #expect(try !reading.socket.receive().isEmpty, "after \(total) bytes") }
            }
        }
    }
}
