import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Timeouts of routes")
    struct RouteTimeoutTests {
        @Test("a request without a response in time is answered with 504, and counted")
        func noResponse() throws {
            try Lab.run { lab in
                let gate = Gate()
                let app = try lab.http { request in
                    if request.head.target == "/slow" { try gate.wait() }
                    return .response("x")
                }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, route: "timeout: {request: 300ms, response: 20s}"))
                let client = try HTTPConnection(to: port)
                #expect(try client.request("/").status == 200)
                let started = ContinuousClock.now
                #expect(try client.request("/slow").status == 504)
                let waited = ContinuousClock.now - started
                #expect(waited >= .milliseconds(290) && waited < .seconds(10), "\(waited)")
                #expect(try client.request("/").status == 200)
                #expect(
                    try site.control.request("GET", "/metrics").text.contains(
                        #"sluice_requests_timed_out_total{listener="web",route="main"} 1"#))
                gate.open()
            }
        }

        @Test("the next request on the connection has a time of its own")
        func nextRequest() throws {
            try Lab.run { lab in
                let gate = Gate(), never = Gate()
                let app = try lab.http { request in
                    try (request.head.target == "/held" ? gate : never).wait()
                    return .response("held")
                }
                let port = try Ports.unused()
                _ = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {name: held, match: {path: /held}, to: app}
                      - {name: slow, to: app, timeout: {request: 200ms}}
                    pools:
                      app: {endpoints: ["\(app.address)"]}
                    """)
                let client = try HTTPConnection(to: port)
                #expect(try client.request("/slow").status == 504)
                try client.socket.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
                // While it waits, the time that was another request's passes, twice.
                for _ in 0..<2 { #expect(try HTTPConnection(to: port).request("/slow").status == 504) }
                #expect(!client.hasInput)
                gate.open()
                #expect(try client.response().text == "held")
                never.open()
            }
        }

        @Test("a switch to another protocol ends the bound")
        func webSocket() throws {
            try Lab.run { lab in
                let never = Gate()
                let app = try lab.scripted { connection in
                    let request = String(decoding: try connection.receive(), as: UTF8.self)
                    guard request.hasPrefix("GET /socket") else { return try never.wait() }
                    try connection.socket.send(
                        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                    while case let bytes = try connection.receive(), !bytes.isEmpty {
                        try connection.socket.send(bytes)
                    }
                }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, route: "timeout: {request: 200ms}"))
                let client = try HTTPConnection(to: port)
                try client.socket.send(
                    "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
                #expect(try client.responseHead().status == 101)
                for _ in 0..<2 { #expect(try HTTPConnection(to: port).request("/").status == 504) }
                try client.socket.send("still here")
                #expect(try client.socket.receive(exactly: 10) == Array("still here".utf8))
                never.open()
            }
        }

        @Test("a response that has begun is cut off")
        func cutOff() throws {
            try Lab.run { lab in
                let gate = Gate()
                let app = try lab.scripted { connection in
                    _ = try connection.receive()
                    try connection.socket.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                    try gate.wait()
                }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, route: "timeout: {request: 300ms}"))
                let client = try HTTPConnection(to: port)
                try client.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.responseHead().status == 200)
                #expect(try client.isCutOff())
                gate.open()
            }
        }

        @Test("a body that keeps moving doesn't extend the time")
        func movingBody() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    _ = try connection.receive()
                    try connection.socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    while true {
                        try connection.socket.send("1\r\nx\r\n")
                        usleep(20_000)  // the endpoint's pace: a body that never stops and never ends
                    }
                }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, route: "timeout: {request: 500ms}"))
                let client = try HTTPConnection(to: port)
                try client.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.responseHead().status == 200)
                #expect(try client.isCutOff())
            }
        }
    }
}

extension HTTPConnection {
    /// Whether the peer ends the stream inside a body within ten seconds, whatever it sends until then.
    ///
    /// - Throws: `SystemCallError` with `EAGAIN` when it stays silent to the socket's time limit.
    fileprivate func isCutOff() throws -> Bool {
        _ = takeBufferedBytes()
        let deadline = ContinuousClock.now + .seconds(10)
        do {
            while try !socket.receive().isEmpty {
                if ContinuousClock.now > deadline { return false }
            }
            return true
        } catch let error as SystemCallError where error.errno == ECONNRESET {
            return true
        }
    }
}
