import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// RFC 9110 §§7.6, 7.8, 9.3, 10.1.4 and RFC 6455: messages that aren't one request with one answer.
    @Suite("Upgrades, tunnels and early answers")
    struct MessageTests {
        private static let upgrade = """
            GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
            """.replacing("\r\r\n", with: "\r\n")

        /// Reads up to the end of a head, and what came behind it.
        private static func head(_ connection: ScriptedConnection) throws -> String {
            var bytes: [UInt8] = []
            while !String(decoding: bytes, as: UTF8.self).contains("\r\n\r\n") {
                let more = try connection.receive()
                guard !more.isEmpty else { throw TestKitError("closed within a head") }
                bytes += more
            }
            return String(decoding: bytes, as: UTF8.self)
        }

        @Test("WebSocket: after 101 the bytes go both ways, until a side closes")
        func webSocket() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    _ = try Self.head(connection)
                    // The first message comes with the answer.
                    try connection.socket.send(
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nfirst")
                    while case let bytes = try connection.receive(), !bytes.isEmpty {
                        try connection.socket.send(bytes)
                    }
                    try connection.socket.send("last")
                }
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try TCPSocket(connectingTo: port)
                try client.send(Self.upgrade)
                var answer = ""
                while !answer.hasSuffix("first") { answer += String(decoding: try client.receive(), as: UTF8.self) }
                let head = HTTPHead(String(answer.dropLast(5)))
                #expect(head.status == 101)
                #expect(head.all("Upgrade") == ["websocket"] && head.all("Connection") == ["Upgrade"])
                #expect(head.all("Sec-WebSocket-Accept") == ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="])
                for message in ["a", String(repeating: "b", count: 200_000), "c"] {
                    let sender = Task.detached { try client.send(message) }
                    #expect(try client.receive(exactly: message.utf8.count) == Array(message.utf8))
                    _ = sender
                }
                client.shutdownWrite()
                #expect(try String(decoding: client.receiveToEnd(), as: UTF8.self) == "last")
                let asked = app.receivedText
                #expect(asked.contains("Connection: Upgrade\r\n") && asked.contains("Upgrade: websocket\r\n"))
                try Eventually.holds("the tunnel to be counted") {
                    try site.metric("sluice_requests_total", ["code": "101"]) == 1
                }
            }
        }

        @Test("h2c and half-made upgrades aren't offered to the endpoint (RFC 9110 §7.8)")
        func otherUpgrades() throws {
            try Lab.run { lab in
                let app = try lab.http { .response($0.head.raw) }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try HTTPConnection(to: port)
                for fields in [
                    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"],
                    ["Connection: Upgrade", "Upgrade: websocket, h2c"], ["Upgrade: websocket"], ["Connection: Upgrade"],
                ] {
                    let response = try client.request("/", fields: fields)
                    #expect(response.status == 200)
                    #expect(!response.text.lowercased().contains("upgrade"), "\(response.text)")
                    #expect(!response.text.contains("HTTP2-Settings"))
                }
            }
        }

        @Test("a 101 that nobody asked for is a broken answer")
        func unaskedSwitch() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    _ = try Self.head(connection)
                    try connection.socket.send(
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
                    _ = try connection.receive()
                }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                #expect(try HTTPConnection(to: port).request("/").status == 502)
            }
        }

        @Test("TE: trailers and trailers pass (RFC 9110 §6.5, §10.1.4); other codings of TE don't")
        func trailers() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    _ = try Self.head(connection)
                    try connection.socket.send(
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                            + "5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")
                    _ = try connection.receive()
                }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try TCPSocket(connectingTo: port)
                try client.send(
                    "GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, close\r\nTE: gzip;q=0.5, Trailers\r\n\r\n")
                let answer = String(decoding: try client.receiveToEnd(), as: UTF8.self)
                #expect(answer.hasSuffix("\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"), "\(answer)")
                let asked = app.receivedText
                #expect(asked.contains("TE: trailers\r\n") && asked.contains("Connection: TE\r\n"))
                #expect(!asked.contains("gzip"))
            }
        }

        @Test("Max-Forwards counts proxies down (RFC 9110 §7.6.2)")
        func maxForwards() throws {
            try Lab.run { lab in
                let app = try lab.http { .response($0.head.raw) }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try HTTPConnection(to: port)
                #expect(try client.request("OPTIONS", "/", fields: ["Max-Forwards: 0"]).status == 200)
                #expect(try client.request("TRACE", "/", fields: ["Max-Forwards: 0"]).status == 405)
                #expect(app.requests.isEmpty)
                let passed = try client.request("OPTIONS", "/", fields: ["max-forwards: 10"])
                #expect(HTTPHead(passed.text).all("Max-Forwards") == ["9"])
                let untouched = try client.request("GET", "/", fields: ["Max-Forwards: 0"])
                #expect(HTTPHead(untouched.text).all("Max-Forwards") == ["0"])
            }
        }

        @Test("a client that goes away takes its request along")
        func clientGone() throws {
            try Lab.run { lab in
                let ended = Gate()
                let app = try lab.scripted { connection in
                    _ = try Self.head(connection)
                    while !(try connection.receive().isEmpty) {}
                    ended.open()
                }
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try TCPSocket(connectingTo: port)
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                try Eventually.holds("the request to arrive") { app.receivedText.hasSuffix("\r\n\r\n") }
                client.close()
                try ended.wait()
                try Eventually.holds("it to be counted") {
                    try site.metric("sluice_requests_total", ["code": "499"]) == 1
                }
            }
        }

        @Test("an answer before the end of the request is passed on, and ends the connection (RFC 9112 §9.6)")
        func earlyAnswer() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    _ = try Self.head(connection)
                    try connection.socket.send(
                        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
                    while !(try connection.receive().isEmpty) {}
                }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try HTTPConnection(to: port)
                let answer = try client.exchange(
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nsome", method: "POST")
                #expect(answer.status == 413 && answer.text == "big")
                #expect(answer.head.all("Connection") == ["close"])
                #expect(try client.isClosedByPeer())
            }
        }

        @Test(
            "what a client sends behind its last request takes nothing of the answer", arguments: [0, 1],
            [false, true])
        func bytesBehindLastRequest(before: Int, isChunked: Bool) throws {
            try Lab.run { lab in
                let isSent = DispatchSemaphore(value: 0)
                let app = try lab.http { request in
                    if request.head.target == "/last" { isSent.wait() }
                    return isChunked ? .chunked(["he", "llo"]) : .response("hello")
                }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try HTTPConnection(to: port)
                for _ in 0..<before { #expect(try client.request("/").text == "hello") }
                try client.socket.send("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                defer { isSent.signal() }
                try Eventually.holds("the last request") { !app.requests(for: "/last").isEmpty }
                try client.socket.send("\r\n\r\n")
                isSent.signal()
                #expect(try client.response().text == "hello")
                #expect(try client.isClosedByPeer())
            }
        }

        struct Answer: CustomTestStringConvertible {
            let bytes: Int
            let isChunked: Bool
            /// The second half comes later: when the client has stopped reading in the first one, say.
            var isHalved = false

            var text: String {
                let body = String(repeating: "x", count: bytes)
                return isChunked
                    ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(bytes, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
                    : "HTTP/1.1 200 OK\r\nContent-Length: \(bytes)\r\n\r\n\(body)"
            }
            var testDescription: String {
                "\(bytes) bytes" + (isChunked ? " in a chunk" : "") + (isHalved ? ", by halves" : "")
            }
        }

        @Test(
            "a slow reader doesn't keep the endpoint's connection, wherever in an answer it stopped",
            arguments: [
                // A socket takes all of a small answer or nothing. Behind a head that waits there is room for these three,
                // and none for the fourth.
                Answer(bytes: 4_500, isChunked: false),
                Answer(bytes: 8_000, isChunked: false),
                Answer(bytes: 8_000, isChunked: true),
                Answer(bytes: 65_000, isChunked: true),
                Answer(bytes: 60_000, isChunked: true, isHalved: true),
                // These go through a pipe.
                Answer(bytes: 40_000, isChunked: false),
                Answer(bytes: 900_000, isChunked: false),
                Answer(bytes: 900_000, isChunked: false, isHalved: true),
            ])
        func slowReader(answer: Answer) throws {
            try Lab.run { lab in
                let text = Array(answer.text.utf8)
                let half = answer.isHalved ? text.count / 2 : text.count
                let app = try lab.scripted { connection in
                    while true {
                        _ = try Self.head(connection)
                        try connection.socket.send(text[..<half])
                        guard answer.isHalved else { continue }
                        usleep(5_000)
                        try connection.socket.send(text[half...])
                    }
                }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let slow = try HTTPConnection(to: port)
                // So many answers that their sockets' buffers are full long before the last one.
                let count = 40_000_000 / answer.bytes
                for _ in 0..<count { try slow.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
                let stops = 6
                for stop in 0..<stops {
                    var served = -1
                    try Eventually.holds("the proxy to be stopped by the client", every: .milliseconds(50)) {
                        let now = app.receivedText.components(separatedBy: "\r\n\r\n").count - 1
                        defer { served = now }
                        return now == served && now > 0
                    }
                    #expect(served < count)
                    let other = try HTTPConnection(to: port)
                    #expect(try other.request("/").body.count == answer.bytes)
                    #expect(app.accepted == 1, "stop \(stop): the second client got the same connection")
                    // And nothing of what the slow one gets is lost; it stops again somewhere else.
                    for _ in 0..<count / 4 / stops { #expect(try slow.response().body.count == answer.bytes) }
                }
                for _ in stops * (count / 4 / stops)..<count {
                    #expect(try slow.response().body.count == answer.bytes)
                }
            }
        }
    }
}
