import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Rewriting requests and splitting them")
    struct RewritingTests {
        @Test("the endpoint is asked for the rewritten target; rules see the received one")
        func rewriting() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http(), try Ports.unused())
                let route = """
                    request: {path: {strip_prefix: /api, add_prefix: /v2}, query: {remove: [debug], set: {host: "{hostname}"}}, \
                    set: {X-Path: "{method} {path}?{query}", X-UA: "{header.User-Agent}"}}, \
                    response: {set: {X-Status: "{status} {route} {listener}"}}
                    """
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1, route: route))
                let client = try HTTPConnection(to: port)
                let response = try client.request(
                    "/api/x?debug=1&a=b", host: "shop.example:80", fields: ["User-Agent: test/1"])
                #expect(response.head["X-Status"] == "200 main web")
                let head = try #require(app.requests.first).head
                #expect(head.startLine == "GET /v2/x?a=b&host=shop.example HTTP/1.1")
                #expect(head["X-Path"] == "GET /api/x?debug=1&a=b")
                #expect(head["X-UA"] == "test/1")
                _ = try client.request("/api/%2e%2e/%2e%2e/etc/passwd", host: "h")
                _ = try client.request("/apis", host: "h")
                #expect(app.requests.dropFirst().map(\.head.target) == ["/v2/etc/passwd?host=h", "/v2/apis?host=h"])
            }
        }

        @Test("pools share the requests, and one without a usable endpoint leaves its share to the other")
        func split() throws {
            try Lab.run { lab in
                let a = try lab.http("a"), b = try lab.http("b")
                // Serves, whatever its probes say.
                let down = try lab.http("down") {
                    $0.head.target == "/" ? .response(status: "503 Service Unavailable") : .response("down")
                }
                let (port, unused) = (try Ports.unused(), try Ports.unused())
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {name: split, match: {path: /split}, to: [{pool: a, weight: 3}, {pool: b, weight: 1}]}
                      - {name: failing, match: {path: /failing}, to: [{pool: gone, weight: 99}, {pool: b, weight: 1}]}
                      - {name: down, match: {path: /down}, to: [{pool: down, weight: 65535}, {pool: b, weight: 1}]}
                    pools:
                      a: {endpoints: ["\(a.address)"]}
                      b: {endpoints: ["\(b.address)"]}
                      gone: {endpoints: ["127.0.0.1:\(unused)"]}
                      down: {endpoints: ["\(down.address)"], health: {path: /, interval: 100ms}}
                    """)
                let client = try HTTPConnection(to: port)
                let count = 400
                for _ in 0..<count { #expect(try client.request("/split").status == 200) }
                #expect(a.requests.count + b.requests.count == count)
                // Ten standard deviations (8.7) around the share of 100.
                #expect((14...186).contains(b.requests.count))
                // Nothing listens for the first pool: the other answers, at once.
                for _ in 0..<20 { #expect(try client.request("/failing").text == "b") }
                // Below the panic threshold the first pool has candidates, but none that is up.
                try Eventually.holds("probes have found out") { try site.command.succeed(["pools"]).contains("down") }
                for _ in 0..<20 { #expect(try client.request("/down").text == "b") }
                // A drained endpoint takes nothing.
                _ = try site.command.succeed(["drain", "b/\(b.address)"])
                try Eventually.holds("the drain of b to be applied") {
                    let before = b.requests.count
                    let statuses = try Set((0..<20).map { _ in try client.request("/split").status })
                    #expect(statuses == [200])
                    return b.requests.count == before
                }
            }
        }
    }
}
