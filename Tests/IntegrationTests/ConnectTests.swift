import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `connect` of a route, RFC 9110 §9.3.6.
    @Suite("CONNECT")
    struct ConnectTests {
        /// `CONNECT good.example:…` is a tunnel; `GET` goes to the same pool.
        private func site(
            _ lab: Lab, to endpoints: [String], _ connect: String, top: String = "", route: String = ""
        ) throws -> (site: Site, port: UInt16) {
            let port = try Ports.unused()
            let site = try lab.site(
                """
                site: test
                proxy: {nodes: 1}
                \(top)
                listeners:
                  web: {address: "127.0.0.1:\(port)"}
                routes:
                  - name: tunnel
                    match: {method: CONNECT, host: good.example}
                    connect: \(connect)
                    to: app
                    \(route)
                  - {name: rest, to: app}
                pools:
                  app: {endpoints: [\(SiteText.quoted(endpoints))]}
                """)
            return (site, port)
        }

        private static func connect(_ host: String = "good.example:443", fields: [String] = []) -> String {
            (["CONNECT \(host) HTTP/1.1", "Host: \(host)"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
        }

        /// Answers each line with the same in capitals; after the end of its input with `bye`.
        private static func echo(_ connection: ScriptedConnection) throws {
            while true {
                let bytes = try connection.receive()
                if bytes.isEmpty { break }
                try connection.socket.send(String(decoding: bytes, as: UTF8.self).uppercased())
            }
            try connection.socket.send("bye")
        }

        @Test(
            "without a route that allows it: 405, and no endpoint hears of it", arguments: ["other.example:443", "a:1"])
        func refused(target: String) throws {
            try Lab.run { lab in
                let app = try lab.scripted(serve: Self.echo)
                let (site, port) = try site(lab, to: [app.address], "terminate")
                let client = try HTTPConnection(to: port)
                #expect(try client.exchange(Self.connect(target), method: "CONNECT").status == 405)
                #expect(try client.isClosedByPeer())
                #expect(app.accepted == 0)
                #expect(try site.metric("sluice_requests_total", ["code": "405", "listener": "web"]) == 1)
            }
        }

        @Test(
            "a request with content is refused: it would be both body and tunnel", arguments: ["terminate", "forward"])
        func content(connect: String) throws {
            try Lab.run { lab in
                let app = try lab.scripted(serve: Self.echo)
                let (_, port) = try site(lab, to: [app.address], connect)
                for field in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
                    let client = try HTTPConnection(to: port)
                    let answer = try client.exchange(Self.connect(fields: [field]), method: "CONNECT")
                    #expect(answer.status == 400, "\(field)")
                    #expect(try client.isClosedByPeer())
                }
                #expect(app.accepted == 0)
            }
        }

        @Test("terminate: bytes both ways, those behind the request first, and each side ends on its own")
        func terminate() throws {
            try Lab.run { lab in
                let app = try lab.scripted(serve: Self.echo)
                let (site, port) = try site(
                    lab, to: [app.address], "terminate", route: "response: {set: {X-Tunnel: \"{host}\"}}")
                let client = try TCPSocket(connectingTo: port)
                try client.send(Self.connect() + "first ")
                var text = ""
                func receive(until end: String) throws {
                    while !text.hasSuffix(end) {
                        text += String(decoding: try client.receive(exactly: 1), as: UTF8.self)
                    }
                }
                try receive(until: "\r\n\r\n")
                #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(text.contains("\r\nX-Tunnel: good.example:443\r\n") && text.contains("\r\nX-Request-Id: "))
                for name in ["Content-Length", "Transfer-Encoding", "Connection"] { #expect(!text.contains(name)) }
                text = ""
                try receive(until: "FIRST ")
                #expect(text == "FIRST ")
                // Not HTTP any more: nothing of this is looked at.
                text = ""
                try client.send("get / http/1.1\r\n\r\n")
                try receive(until: "\r\n\r\n")
                #expect(text == "GET / HTTP/1.1\r\n\r\n")
                client.shutdownWrite()
                #expect(String(decoding: try client.receiveToEnd(), as: UTF8.self) == "bye")
                #expect(app.receivedText == "first get / http/1.1\r\n\r\n", "no head, no PROXY header")
                try Eventually.holds("the tunnel to be counted") {
                    try site.metric("sluice_requests_total", ["route": "tunnel", "code": "200"]) == 1
                }
            }
        }

        @Test("terminate: an endpoint that speaks first, and a large transfer each way")
        func banner() throws {
            try Lab.run { lab in
                let size = 5_000_000
                let app = try lab.scripted { connection in
                    try connection.socket.send("220 ready\r\n")
                    let count = try connection.socket.receive(exactly: size).count
                    try connection.socket.send([UInt8](repeating: 0x79, count: count))
                }
                let (_, port) = try site(lab, to: [app.address], "terminate")
                let client = try TCPSocket(connectingTo: port)
                try client.send(Self.connect())
                var head = ""
                while !head.hasSuffix("220 ready\r\n") { head += String(decoding: try client.receive(), as: UTF8.self) }
                #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
                try client.send([UInt8](repeating: 0x78, count: size))
                #expect(try client.receiveToEnd() == [UInt8](repeating: 0x79, count: size))
            }
        }

        @Test("terminate: an endpoint that can't be reached is passed over; with none left, 502")
        func unreachable() throws {
            try Lab.run { lab in
                let app = try lab.scripted(serve: Self.echo)
                let dead = try Ports.unused()
                let (_, port) = try site(lab, to: ["127.0.0.1:\(dead)", app.address], "terminate")
                for _ in 0..<4 {
                    let client = try HTTPConnection(to: port)
                    try client.socket.send(Self.connect())
                    #expect(try client.responseHead().status == 200)
                }
                app.stop()
                let client = try HTTPConnection(to: port)
                #expect(try client.exchange(Self.connect(), method: "GET").status == 502)
                // Nothing has been tunnelled: the connection serves on.
                #expect(try client.exchange(Self.connect("other.example:1"), method: "GET").status == 405)
            }
        }

        @Test("a tunnel on which nothing moves ends after limits.timeout.tunnel, not before")
        func idle() throws {
            try Lab.run { lab in
                let app = try lab.scripted(serve: Self.echo)
                let (_, port) = try site(
                    lab, to: [app.address], "terminate",
                    top: "limits: {timeout: {idle: 100ms, body_idle: 100ms, tunnel: 600ms}}",
                    route: "timeout: {request: 200ms}")
                let client = try HTTPConnection(to: port)
                try client.socket.send(Self.connect())
                #expect(try client.responseHead().status == 200)
                let clock = ContinuousClock()
                let start = clock.now
                #expect(try client.isClosedByPeer())
                #expect(clock.now - start >= .milliseconds(600))
            }
        }

        @Test("forward: the endpoint gets the request, its 2xx opens the tunnel whatever its fields say")
        func forward() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    let reader = HTTPReader(connection.socket) { connection.note($0) }
                    guard let head = try reader.head() else { return }
                    if head["X-Deny"] != nil {
                        try connection.socket.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
                        return
                    }
                    try connection.socket.send("HTTP/1.1 204 Go\r\nContent-Length: 7\r\nX-Kept: 1\r\n\r\nbanner;")
                    try Self.echo(connection)
                }
                let (_, port) = try site(
                    lab, to: [app.address], "forward", route: "request: {set: {X-Rule: \"{hostname}\"}}")
                let client = try HTTPConnection(to: port)
                try client.socket.send(Self.connect(fields: ["Proxy-Connection: keep-alive", "X-Own: 2"]))
                let head = try client.responseHead()
                #expect(head.status == 204 && head["X-Kept"] == "1")
                #expect(head["Content-Length"] == nil && head["Connection"] == nil)
                try client.socket.send("more")
                client.socket.shutdownWrite()
                let held = client.takeBufferedBytes()
                let rest = try client.socket.receiveToEnd()
                #expect(held + rest.count == "banner;MOREbye".utf8.count)
                let request = app.receivedText
                #expect(request.hasPrefix("CONNECT good.example:443 HTTP/1.1\r\n"))
                #expect(request.contains("\r\nHost: good.example:443\r\n"))
                #expect(request.contains("\r\nX-Rule: good.example\r\n") && request.contains("\r\nX-Own: 2\r\n"))
                #expect(!request.contains("Proxy-Connection"))
                #expect(request.hasSuffix("\r\n\r\nmore"))
                // Anything else is a response, with a body, and the connection goes on.
                let denied = try HTTPConnection(to: port)
                let answer = try denied.exchange(Self.connect(fields: ["X-Deny: 1"]), method: "GET")
                #expect(answer.status == 403 && answer.text == "no")
            }
        }
    }
}
