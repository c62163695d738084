import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// RFC 9110 §7.6 and the table of fields that sluice promises to endpoints.
    @Suite("What the endpoint is told")
    struct ForwardingFieldTests {
        private func endpointView(trust: String = "", route: String = "", fields: [String]) throws -> HTTPHead {
            var seen: HTTPHead?
            try Lab.run { lab in
                let (app, port) = (try lab.http(), try Ports.unused())
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1, route: route, top: trust))
                let response = try HTTPConnection(to: port).request("/path?q=1", host: "shop.example", fields: fields)
                #expect(response.status == 200)
                seen = app.requests.first?.head
            }
            return try #require(seen, "the endpoint got no request")
        }

        @Test("who asked, for which host, over what, through whom")
        func forwardingFields() throws {
            let head = try endpointView(fields: [])
            #expect(head.startLine == "GET /path?q=1 HTTP/1.1")
            #expect(head.all("Host") == ["shop.example"])
            #expect(head.all("X-Forwarded-For") == ["127.0.0.1"])
            #expect(head.all("X-Real-IP") == ["127.0.0.1"])
            #expect(head.all("X-Forwarded-Proto") == ["http"])
            #expect(head.all("X-Forwarded-Host") == ["shop.example"])
            #expect(head.all("Via") == ["1.1 sluice"])
            #expect(head.all("X-Request-Id").count == 1)
            #expect((head["X-Request-Id"] ?? "").count >= 16)
        }

        private static let claims = [
            "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: other.example",
            "X-Real-IP: 192.0.2.7", "X-Request-Id: chosen-by-the-client",
        ]

        @Test(
            "what an untrusted client claims is replaced, whoever else is trusted",
            arguments: ["", "trust: {proxies: [\"10.0.0.0/8\", \"127.0.0.2/32\"]}"])
        func untrusted(trust: String) throws {
            let head = try endpointView(trust: trust, fields: Self.claims)
            #expect(head.all("X-Forwarded-For") == ["127.0.0.1"])
            #expect(head.all("X-Forwarded-Proto") == ["http"])
            #expect(head.all("X-Forwarded-Host") == ["shop.example"])
            #expect(head.all("X-Real-IP") == ["127.0.0.1"])
            #expect(head.all("X-Request-Id").count == 1)
            #expect(head["X-Request-Id"] != "chosen-by-the-client")
        }

        @Test("what a trusted proxy says is kept and appended to")
        func trusted() throws {
            let head = try endpointView(trust: "trust: {proxies: [\"127.0.0.0/8\"]}", fields: Self.claims)
            let chain = head.all("X-Forwarded-For").joined(separator: ", ").replacing(" ", with: "")
            #expect(chain == "192.0.2.7,127.0.0.1")
            #expect(head.all("X-Request-Id") == ["chosen-by-the-client"])
        }

        @Test("behind trusted proxies the client is the last address that isn't one; Forwarded says it on request")
        func trustedChain() throws {
            let head = try endpointView(
                trust: "trust: {proxies: [\"127.0.0.0/8\", \"10.0.0.0/8\"], forwarded: true}",
                route: "request: {set: {X-Client: \"{client_ip} {scheme}\"}}",
                fields: [
                    "X-Forwarded-For: 198.51.100.1, 192.0.2.7", "X-Forwarded-For: 10.1.2.3", "X-Forwarded-Proto: https",
                    "Forwarded: for=192.0.2.7", "X-Request-Id: <script>",
                ])
            #expect(head.all("X-Client") == ["192.0.2.7 https"])
            #expect(head.all("X-Real-IP") == ["192.0.2.7"])
            #expect(head.all("X-Forwarded-For") == ["198.51.100.1, 192.0.2.7, 10.1.2.3, 127.0.0.1"])
            #expect(head.all("X-Forwarded-Proto") == ["https"])
            #expect(head.all("Forwarded") == ["for=192.0.2.7, for=127.0.0.1;proto=http;host=shop.example;by=_sluice"])
            #expect(head.all("X-Request-Id").count == 1)
            #expect(head["X-Request-Id"] != "<script>")
        }

        @Test("Forwarded of an untrusted client doesn't reach the endpoint")
        func untrustedForwarded() throws {
            #expect(try endpointView(fields: ["Forwarded: for=192.0.2.7"]).all("Forwarded").isEmpty)
        }

        @Test("an earlier Via stays before ours")
        func via() throws {
            let head = try endpointView(fields: ["Via: 1.0 edge"])
            #expect(head.all("Via").joined(separator: ", ") == "1.0 edge, 1.1 sluice")
        }

        @Test("hop-by-hop fields and those that Connection names stay with the hop")
        func hopByHop() throws {
            let head = try endpointView(fields: [
                "Connection: keep-alive, X-Hop", "X-Hop: secret", "Keep-Alive: timeout=5",
                "Proxy-Connection: keep-alive",
                "TE: trailers", "Upgrade: h2c", "X-End: kept",
            ])
            for name in ["X-Hop", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade"] {
                #expect(head[name] == nil, "\(name) crossed")
            }
            #expect(head["X-End"] == "kept")
        }

        @Test("hop-by-hop fields of the answer stay with the hop")
        func hopByHopOfResponse() throws {
            try Lab.run { lab in
                let app = try lab.http { _ in
                    .response(
                        "x", fields: ["Connection: X-Hop", "X-Hop: secret", "Keep-Alive: timeout=5", "X-End: kept"])
                }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let head = try HTTPConnection(to: port).request("/").head
                #expect(head["X-Hop"] == nil)
                #expect(head["Keep-Alive"] == nil)
                #expect(head["X-End"] == "kept")
            }
        }

        @Test("each request has an id of its own")
        func requestIds() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http(), try Ports.unused())
                _ = try lab.site(SiteText.http(port, to: [app.address]))
                for _ in 0..<5 {
                    let client = try HTTPConnection(to: port)
                    for _ in 0..<10 { _ = try client.request("/") }
                }
                let ids = app.requests.compactMap { $0.head["X-Request-Id"] }
                #expect(ids.count == 50)
                #expect(Set(ids).count == 50)
            }
        }

        @Test("rules set, add and remove fields of request and answer")
        func headerRules() throws {
            try Lab.run { lab in
                let app = try lab.http { _ in
                    .response("x", fields: ["Server: endpoint/1", "X-Twice: first", "X-Over: theirs"])
                }
                let port = try Ports.unused()
                let rules = """
                    request: {set: {X-Env: prod, X-Over: ours}, add: {X-Twice: second}, remove: [Cookie]}, \
                    response: {set: {X-Over: ours}, add: {X-Twice: second}, remove: [Server]}
                    """
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1, route: rules))
                let response = try HTTPConnection(to: port).request(
                    "/", fields: ["Cookie: a=b", "cookie: c=d", "X-Twice: first", "x-over: theirs", "X-Kept: yes"])
                let request = try #require(app.requests.first).head
                #expect(request.all("X-Env") == ["prod"])
                #expect(request.all("X-Over") == ["ours"])
                #expect(request.all("X-Twice") == ["first", "second"])
                #expect(request.all("Cookie").isEmpty)
                #expect(request.all("X-Kept") == ["yes"])
                #expect(response.head.all("X-Over") == ["ours"])
                #expect(response.head.all("X-Twice") == ["first", "second"])
                #expect(response.head.all("Server").isEmpty)
                #expect(response.text == "x")
            }
        }
    }
}
