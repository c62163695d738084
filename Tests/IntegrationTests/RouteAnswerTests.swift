import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Routes that answer themselves")
    struct RouteAnswerTests {
        private func withSite(_ routes: String, top: String = "", _ body: (UInt16, HTTPEndpoint, Site) throws -> Void)
            throws
        {
            try Lab.run { lab in
                let (app, port) = (try lab.http(), try Ports.unused())
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    \(top)
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                    \(routes.split(separator: "\n").map { "  - \($0)" }.joined(separator: "\n"))
                      - {name: app, to: app}
                    pools:
                      app: {endpoints: ["\(app.address)"]}
                    """)
                try body(port, app, site)
            }
        }

        @Test("a redirect names the new place and keeps the connection; no endpoint is asked")
        func redirect() throws {
            try withSite(
                """
                {match: {path: /old}, redirect: {to: "/new?{query}"}}
                {match: {path: {prefix: /tls/}}, redirect: {to: "https://{hostname}{path}", status: 301}}
                {match: {path: {prefix: /evil.example}}, redirect: {to: "{path}"}}
                """
            ) { port, app, _ in
                let client = try HTTPConnection(to: port)
                let old = try client.request("/old?a=1", host: "shop.example")
                #expect(old.status == 308)
                #expect(old.head.startLine == "HTTP/1.1 308 Permanent Redirect")
                #expect(old.head.all("Location") == ["/new?a=1"])
                #expect(old.head.all("X-Request-Id").count == 1)
                #expect(old.head.all("Date").count == 1)
                #expect(try client.request("/old").head.all("Location") == ["/new"])
                let tls = try client.request("/tls/x%20y", host: "shop.example:8080")
                #expect(tls.status == 301)
                #expect(tls.head["Location"] == "https://shop.example/tls/x%20y")
                #expect(try client.request("//evil.example/x").head["Location"] == "/evil.example/x")
                #expect(try client.request("/other").text == "app")
                #expect(app.requests.count == 1)
            }
        }

        @Test("a fixed answer has its status, body, type and fields; HEAD has no body")
        func respond() throws {
            try withSite(
                """
                {match: {path: /ping}, respond: {body: pong}}
                {match: {path: /gone}, respond: {status: 410, body: "<p>", type: text/html, headers: {X-Route: "{route} {status}"}}, response: {add: {X-More: "{path}"}}}
                {match: {path: /none}, respond: {status: 204}}
                """
            ) { port, app, site in
                let client = try HTTPConnection(to: port)
                let ping = try client.request("/ping")
                #expect(ping.status == 200)
                #expect(ping.text == "pong")
                #expect(ping.head["Content-Type"] == "text/plain")
                let head = try client.request("HEAD", "/ping")
                #expect(head.status == 200)
                #expect(head.head["Content-Length"] == "4")
                // Had HEAD a body, the next response would begin with it.
                let gone = try client.request("/gone")
                #expect(gone.status == 410)
                #expect(gone.text == "<p>")
                #expect(gone.head["Content-Type"] == "text/html")
                #expect(gone.head["X-Route"] == "route-2 410")
                #expect(gone.head["X-More"] == "/gone")
                let none = try client.request("/none")
                #expect(none.status == 204)
                #expect(none.head["Content-Length"] == nil)
                #expect(try client.request("/ping").text == "pong")
                #expect(app.requests.isEmpty)
                let metrics = try site.control.request("GET", "/metrics").text
                #expect(metrics.contains(#"sluice_requests_total{code="200",listener="web",route="route-1"} 3"#))
                #expect(metrics.contains(#"sluice_requests_total{code="410",listener="web",route="route-2"} 1"#))
            }
        }

        @Test("a body that came with the head is passed over, and the next request is understood")
        func heldBody() throws {
            try withSite("{match: {path: /ping}, respond: {body: pong}}") { port, _, _ in
                let bodies = [
                    "Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                ]
                for body in bodies {
                    let client = try HTTPConnection(to: port)
                    let request = "POST /ping HTTP/1.1\r\nHost: a\r\n\(body)"
                    let first = try client.exchange(request + request)
                    #expect(first.text == "pong")
                    #expect(first.head["Connection"] == nil)
                    #expect(try client.response().text == "pong")
                    #expect(try client.request("/").text == "app")
                }
            }
        }

        @Test("with a body that is still to come the connection ends after the answer")
        func openBody() throws {
            try withSite("{match: {path: /ping}, respond: {body: pong}}") { port, app, _ in
                for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
                    let client = try HTTPConnection(to: port)
                    let answer = try client.exchange("POST /ping HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n3\r\nabc\r\n")
                    #expect(answer.text == "pong")
                    #expect(answer.head["Connection"] == "close")
                    // RFC 9112 §9.6: what is on its way is read and thrown away. A reset could take the answer along.
                    for _ in 0..<10 { try client.socket.send(String(repeating: "a", count: 1_000)) }
                    try client.socket.send("GET /secret HTTP/1.1\r\nHost: a\r\n\r\n")
                    #expect(try client.isClosedByPeer())
                }
                let malformed = try HTTPConnection(to: port).exchange(
                    "POST /ping HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
                #expect(malformed.status == 400)
                #expect(app.requests.isEmpty)
            }
        }

        @Test("HTTP/1.0: keep-alive is kept when asked for, and a redirect that needs a host refuses one without")
        func oldVersion() throws {
            try withSite(
                """
                {match: {path: /ping}, respond: {body: pong}}
                {match: {path: {prefix: /go/}}, redirect: {to: "https://{host}{path}"}}
                """
            ) { port, _, _ in
                let kept = try HTTPConnection(to: port)
                let answer = try kept.exchange("GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(answer.head["Connection"] == "keep-alive")
                #expect(try kept.exchange("GET /ping HTTP/1.0\r\n\r\n").head["Connection"] == "close")
                #expect(try kept.isClosedByPeer())
                #expect(try HTTPConnection(to: port).exchange("GET /go/evil.example/ HTTP/1.0\r\n\r\n").status == 400)
            }
        }

        @Test("an answer of 32 KiB reaches a slow reader whole")
        func largest() throws {
            let body = String(repeating: "0123456789abcdef", count: 2048)
            try withSite("{match: {path: /big}, respond: {body: \(body)}}") { port, _, _ in
                let client = try HTTPConnection(to: port)
                let request = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"
                // Far more than the socket buffers hold, before the first byte is read.
                let count = 400
                try client.socket.send(String(repeating: request, count: count))
                for _ in 0..<count { #expect(try client.response().text == body) }
            }
        }
    }
}
