import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Routes by host and path")
    struct RouteTests {
        @Test("the first route that matches wins; where none does, the answer is 404")
        func routes() throws {
            try Lab.run { lab in
                let api = try lab.http("api"), shop = try lab.http("shop"), wild = try lab.http("wild")
                let port = try Ports.unused()
                _ = try lab.site(
                    """
                    proxy: {nodes: 2}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {name: api, match: {host: shop.example, path: {prefix: /api/}}, to: api}
                      - {name: shop, match: {host: [shop.example, store.example]}, to: shop}
                      - {name: wild, match: {host: "*.wild.example"}, to: wild}
                      - {name: early, match: {host: first.example, path: {prefix: /}}, to: shop}
                      - {name: late, match: {host: first.example, path: {prefix: /api/}}, to: api}
                    pools:
                      api: {endpoints: ["\(api.address)"]}
                      shop: {endpoints: ["\(shop.address)"]}
                      wild: {endpoints: ["\(wild.address)"]}
                    """)
                let client = try HTTPConnection(to: port)
                let expected: [(host: String, target: String, body: String?)] = [
                    ("shop.example", "/api/x", "api"), ("shop.example", "/api/", "api"),
                    ("SHOP.example", "/api/x", "api"),
                    ("shop.example:\(port)", "/api/x", "api"), ("shop.example", "/apix", "shop"),
                    ("shop.example", "/", "shop"), ("store.example", "/api/x", "shop"), ("a.wild.example", "/", "wild"),
                    ("wild.example", "/", nil), ("other.example", "/", nil), ("other.example", "/api/x", nil),
                    // Not the longest prefix: the first.
                    ("first.example", "/api/x", "shop"),
                ]
                for (host, target, body) in expected {
                    let response = try client.request(target, host: host)
                    if let body {
                        #expect(response.status == 200, "\(host)\(target)")
                        #expect(response.text == body, "\(host)\(target)")
                    } else {
                        #expect(response.status == 404, "\(host)\(target)")
                        #expect(
                            response.head["X-Request-Id"] != nil, "answers made by the proxy can be found in its log")
                    }
                }
            }
        }

        @Test(
            "dot segments and escapes don't lead past a route",
            arguments: [
                "/public/../api/x", "/public/%2e%2e/api/x", "/./api/x", "/%61pi/x",
            ])
        func normalised(target: String) throws {
            try Lab.run { lab in
                let api = try lab.http("api"), rest = try lab.http("rest")
                let port = try Ports.unused()
                _ = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {name: api, match: {path: {prefix: /api/}}, to: api}
                      - {to: rest}
                    pools:
                      api: {endpoints: ["\(api.address)"]}
                      rest: {endpoints: ["\(rest.address)"]}
                    """)
                let response = try HTTPConnection(to: port).request(target)
                // Understood as what it means: never sent by a rule meant for another path.
                #expect(response.text == "api", "\(target): \(response.status) \(response.text)")
                #expect(rest.requests.isEmpty)
            }
        }

        @Test("a route belongs to the listeners it names")
        func listeners() throws {
            try Lab.run { lab in
                let a = try lab.http("a"), b = try lab.http("b")
                let (first, second) = (try Ports.unused(), try Ports.unused())
                _ = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      first: {address: "127.0.0.1:\(first)"}
                      second: {address: ["127.0.0.1:\(second)"]}
                    routes:
                      - {listeners: [second], to: b}
                      - {to: a}
                    pools:
                      a: {endpoints: ["\(a.address)"]}
                      b: {endpoints: ["\(b.address)"]}
                    """)
                #expect(try Curl.get("http://127.0.0.1:\(first)/").text == "a")
                #expect(try Curl.get("http://127.0.0.1:\(second)/").text == "b")
            }
        }

        @Test("least-request prefers the endpoint that is not busy")
        func leastRequest() throws {
            try Lab.run { lab in
                let slowGate = Gate(), quickGate = Gate()
                let slow = try lab.http("slow") { _ in
                    try slowGate.wait()
                    return .response("slow")
                }
                let quick = try lab.http("quick") { _ in
                    try quickGate.wait()
                    return .response("quick")
                }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [slow.address, quick.address], nodes: 1, pool: "balance: least-request"))
                // Both hold what they get: the requests spread.
                var open: [HTTPConnection] = []
                try Eventually.holds("three requests at each endpoint") {
                    let client = try HTTPConnection(to: port, timeout: .seconds(3))
                    try client.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    open.append(client)
                    return slow.requests.count >= 3 && quick.requests.count >= 3
                }
                try Eventually.holds("the last of them to arrive") {
                    slow.requests.count + quick.requests.count == open.count
                }
                let held = slow.requests.count
                #expect(abs(held - quick.requests.count) <= 1)
                // One of them finishes its work and is the less busy one from then on.
                quickGate.open()
                try Eventually.holds("the quick endpoint to be done") {
                    open.count { $0.hasInput } == open.count - held
                }
                for _ in 0..<30 {
                    let response = try HTTPConnection(to: port, timeout: .seconds(3)).request("/")
                    #expect(response.text == "quick")
                }
                #expect(slow.requests.count == held)
                slowGate.open()
            }
        }
    }
}
