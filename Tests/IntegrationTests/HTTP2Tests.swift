import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// Clients that are not ours: curl, nghttp, h2load (all on nghttp2), and frames made by hand.
    @Suite("HTTP/2 on plain listeners, by prior knowledge")
    struct HTTP2Tests {
        private let prior = ["--http2-prior-knowledge"]

        private func withSite(
            route: String = "", top: String = "", answer: (@Sendable (ReceivedRequest) throws -> EndpointAnswer)? = nil,
            _ body: (UInt16, HTTPEndpoint, Site) throws -> Void
        ) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http(answer: answer), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 1, route: route, top: top))
                try body(port, app, site)
            }
        }

        @Test("GET, HEAD and POST reach the endpoint as HTTP/1.1")
        func methods() throws {
            try withSite { port, app, site in
                let url = "http://127.0.0.1:\(port)"
                let get = try Curl.request("\(url)/a?b=c", fields: ["X-Test: 1", "Cookie: a=b"], arguments: prior)
                #expect(get.head.startLine.hasPrefix("HTTP/2 200"), "\(get)")
                #expect(get.text == "app")
                let head = try Curl.request("\(url)/h", method: "HEAD", arguments: prior)
                // A body after all would be a protocol error to curl.
                #expect(head.status == 200 && head.exitCode == 0, "\(head)")
                #expect(head.head["content-length"] == "3")
                let sized = try Curl.request("\(url)/p", body: Data("hello".utf8), arguments: prior)
                #expect(sized.status == 200, "\(sized)")
                let received = app.requests
                #expect(
                    received.map(\.head.startLine).prefix(3) == [
                        "GET /a?b=c HTTP/1.1", "HEAD /h HTTP/1.1", "POST /p HTTP/1.1",
                    ])
                #expect(received[0].head["host"] == "127.0.0.1:\(port)")
                #expect(received[0].head["x-test"] == "1" && received[0].head["cookie"] == "a=b")
                #expect(received[0].head["via"] == "2.0 sluice")
                #expect(received[0].head["x-forwarded-for"] == "127.0.0.1")
                #expect(received[2].text == "hello")
                try Eventually.holds("the streams are counted") {
                    try site.metric("sluice_http2_streams_total") == 3 && site.metric("sluice_http2_streams") == 0
                }
            }
        }

        @Test("an unknown route, a refused head and a route's own answer are HTTP/2 answers")
        func ownAnswers() throws {
            try withSite(route: "match: {path: {prefix: /app}}", top: "limits: {head: 4KiB}") { port, _, _ in
                let url = "http://127.0.0.1:\(port)"
                let unknown = try Curl.request("\(url)/x", arguments: prior)
                #expect(unknown.status == 404 && unknown.text.contains("404"), "\(unknown)")
                #expect(unknown.head["connection"] == nil)
                let large = try Curl.request(
                    "\(url)/app", fields: ["X-Large: \(String(repeating: "a", count: 5000))"], arguments: prior)
                #expect(large.status == 431, "\(large)")
                #expect(try Curl.request("\(url)/app", arguments: prior).status == 200)
            }
        }

        @Test("a large body arrives whole, both ways")
        func largeBodies() throws {
            let text = (0..<300_000).map { String(1_000_000_000 + $0) }.joined()
            let large = Data(text.utf8)
            try withSite(answer: { request in
                guard request.head.method == "GET" else {
                    return .response("\(request.body.count) \(request.body == large)")
                }
                return .response(text)
            }) { port, _, _ in
                let url = "http://127.0.0.1:\(port)/"
                let down = try Curl.request(url, arguments: prior)
                #expect(down.exitCode == 0 && down.body == large, "\(down.body.count) bytes, \(down.errors)")
                let up = try Curl.request(url, method: "POST", body: large, arguments: prior)
                #expect(up.text == "3000000 true", "\(up)")
            }
        }

        @Test("trailers pass both ways, and a chunked body has lost its frame")
        func trailers() throws {
            try withSite(answer: { _ in
                .raw(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
                )
            }) { port, app, _ in
                let directory = try TemporaryDirectory()
                try directory.write("hello", to: "body")
                let result = try Command.run([
                    "nghttp", "--verbose", "--no-content-length", "--data", directory.file("body"), "--trailer",
                    "x-mine: 7",
                    "http://127.0.0.1:\(port)/",
                ])
                #expect(result.text.contains("x-sum: 6"), "\(result)")
                #expect(!result.text.contains("transfer-encoding"), "\(result)")
                #expect(app.endpoint.receivedText.lowercased().contains("transfer-encoding: chunked"))
                #expect(
                    app.endpoint.receivedText.contains("5\r\nhello\r\n0\r\nx-mine: 7\r\n\r\n"),
                    "\(app.endpoint.receivedText)")
            }
        }

        @Test("interim responses pass")
        func interim() throws {
            try withSite(answer: { _ in
                .raw("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }) { port, _, _ in
                let result = try Command.run(["nghttp", "--verbose", "http://127.0.0.1:\(port)/"])
                #expect(result.text.contains(":status: 103") && result.text.contains(":status: 200"), "\(result)")
            }
        }

        @Test("ten connections with 32 streams each: every request is answered")
        func load() throws {
            try withSite { port, app, site in
                let text = try Command.succeed(
                    [
                        "h2load", "--requests=4000", "--clients=10", "--max-concurrent-streams=32",
                        "http://127.0.0.1:\(port)/",
                    ], within: .seconds(60))
                #expect(text.contains("4000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(text)")
                #expect(app.requests.count == 4000)
                try Eventually.holds("nothing is left") {
                    try site.metric("sluice_http2_connections") == 0 && site.metric("sluice_node_buffers") == 0
                        && site.metric("sluice_node_connections") == 0
                }
                #expect(try site.metric("sluice_requests_total", ["code": "200"]) == 4000)
            }
        }

        @Test("a client that gives up takes its request away from the endpoint")
        func cancel() throws {
            try Lab.run { lab in
                let ended = Gate()
                let endpoint = try lab.scripted { connection in
                    while try !connection.receive().isEmpty {}
                    ended.open()
                }
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [endpoint.address], nodes: 1))
                let client = try RawHTTP2(port)
                try client.send(client.get(1))
                try Eventually.holds("the request is there") { endpoint.receivedText.contains("\r\n\r\n") }
                try client.send(client.reset(1))
                try ended.wait()
                try Eventually.holds("it is counted") { try site.metric("sluice_requests_total", ["code": "499"]) == 1 }
                // The connection goes on.
                try client.send(client.ping())
                try client.waitForFrame(type: 6)
            }
        }

        @Test("a stream that isn't read holds its endpoint back, and no other stream")
        func backPressure() throws {
            let large = String(repeating: "x", count: 20_000_000)
            try withSite(answer: { request in
                guard request.head.target == "/large" else { return .response("small") }
                return .response(large)
            }) { port, _, site in
                let client = try RawHTTP2(port)
                try client.send(client.get(1, path: "/large"))
                // 65,535 bytes are what it lets the proxy send, of all streams.
                try client.waitForData(65_535)
                try client.send(client.window(0, 1_000_000))
                try client.send(client.get(3, path: "/small"))
                try client.waitForEnd(of: 3)
                #expect(client.dataBytes(1) == 65_535)
                #expect(try site.metric("sluice_bytes_total", ["direction": "out"]) < 100_000)
                #expect(try site.metric("sluice_node_buffers") <= 8)
            }
        }

        @Test("of streams that wait for the connection's window the most urgent goes first (RFC 9218 §10)")
        func urgency() throws {
            // More than is asked for until the deadline: none of them ends.
            let large = String(repeating: "x", count: 20_000_000)
            try withSite(answer: { _ in .response(large) }) { port, _, _ in
                let client = try RawHTTP2(port)
                for (stream, urgency) in [(UInt32(1), 7), (3, 0), (5, 7)] {
                    try client.send(client.get(stream, fields: [("priority", "u=\(urgency)")]))
                    try client.send(client.window(stream, 100_000_000))
                }
                /// Opens the connection's window a little more.
                ///
                /// - Returns: How much of that the urgent stream got.
                func urgentPart() throws -> Int {
                    let (all, urgent) = ([1, 3, 5].map { client.dataBytes($0) }.reduce(0, +), client.dataBytes(3))
                    try client.send(client.window(0, 10_000))
                    try client.waitForData(all + 10_000)
                    return client.dataBytes(3) - urgent
                }
                // 65,535 bytes are open at first, for whoever comes; then all three wait.
                try client.waitForData(65_535)
                try Eventually.holds("the urgent stream to wait, too") { try urgentPart() == 10_000 }
                for _ in 0..<8 { #expect(try urgentPart() == 10_000) }
            }
        }

        @Test("a stream whose window stays closed ends in time, and its connection goes on")
        func windowStall() throws {
            let large = String(repeating: "x", count: 200_000)
            try withSite(top: "limits: {timeout: {write: 1s}}", answer: { _ in .response(large) }) { port, _, site in
                let client = try RawHTTP2(port)
                try client.send(client.get(1))
                try client.waitForData(65_535)
                try client.waitForFrame(type: 3)
                #expect(try site.metric("sluice_limited_total", ["limit": "timeout.write"]) == 1)
                try client.send(client.ping())
                try client.waitForFrame(type: 6)
                try Eventually.holds("nothing of it is left") {
                    try site.metric("sluice_http2_streams") == 0 && site.metric("sluice_node_buffers") == 0
                }
            }
        }

        @Test("WebSocket over a stream (RFC 8441): the endpoint sees an upgrade, then bytes go both ways")
        func webSocket() throws {
            try Lab.run { lab in
                let endpoint = try lab.scripted { connection in
                    let reader = HTTPReader(connection.socket, observe: connection.note)
                    guard try reader.head() != nil else { return }
                    try connection.socket.send(
                        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            + "Sec-WebSocket-Accept: x\r\n\r\nhello")
                    while case let bytes = try connection.socket.receive(), !bytes.isEmpty {
                        try connection.socket.send(bytes)
                    }
                }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [endpoint.address], nodes: 1))
                let client = try RawHTTP2(port)
                let head = [
                    (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/chat"),
                    (":authority", "shop.example"), ("sec-websocket-version", "13"),
                ]
                try client.send(client.frame(1, 4, 1, client.block(head)))
                try client.waitForData(5)
                try client.send(client.frame(0, 0, 1, [UInt8]("ping".utf8)))
                try client.waitForData(9)
                let asked = endpoint.receivedText.lowercased()
                #expect(asked.hasPrefix("get /chat http/1.1\r\n"), "\(asked)")
                #expect(asked.contains("upgrade: websocket\r\n") && asked.contains("sec-websocket-key: "), "\(asked)")
                try client.send(client.frame(0, 1, 1))
                try client.waitForEnd(of: 1)
            }
        }

        @Test("a node that is drained says so: what is under way is finished, and the connection ends")
        func drain() throws {
            let gate = Gate()
            try withSite(answer: { request in
                if request.head.target == "/slow" { try gate.wait() }
                return .response("done")
            }) { port, app, site in
                let client = try RawHTTP2(port)
                try client.send(client.get(1, path: "/slow"))
                try Eventually.holds("the request is there") { app.endpoint.receivedText.contains("/slow") }
                let drained = try site.control.request("POST", "/v1/nodes/proxy-1/drain")
                #expect(drained.status == 200 || drained.status == 202, "\(drained)")
                try client.waitForFrame(type: 7)
                #expect(client.goAway == 0)
                gate.open()
                try client.waitForEnd(of: 1)
                client.waitForClose()
            }
        }

        @Test("the access log names the version")
        func accessLog() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http(), try Ports.unused())
                let directory = try TemporaryDirectory()
                let log = directory.file("access.log")
                _ = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, top: "access_log: {to: \"\(log)\", format: combined}"))
                #expect(try Curl.request("http://127.0.0.1:\(port)/a", arguments: prior).status == 200)
                try Eventually.holds("the line is there") {
                    (try? String(contentsOfFile: log, encoding: .utf8))?.contains("\"GET /a HTTP/2.0\" 200") == true
                }
            }
        }
    }
}
