import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Routes by method, header, query and pattern")
    struct RouteConditionTests {
        @Test("a request takes the first route of which everything holds")
        func conditions() throws {
            try Lab.run { lab in
                let beta = try lab.http("beta"), reads = try lab.http("reads"), report = try lab.http("report")
                let rest = try lab.http("rest")
                let port = try Ports.unused()
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {name: beta, match: {host: shop.example, header: {X-Beta: "1"}}, to: beta}
                      - {name: reads, match: {path: {regex: "/api/v[0-9]+/.*"}, method: [GET, HEAD]}, to: reads}
                      - {name: report, match: {path: /export, query: {name: year end, draft: {present: false}}}, to: report}
                      - {name: cookie, match: {header: {Cookie: {regex: "(.*; )?canary=on(;.*)?"}}}, to: beta}
                      - {name: rest, to: rest}
                    pools:
                      beta: {endpoints: ["\(beta.address)"]}
                      reads: {endpoints: ["\(reads.address)"]}
                      report: {endpoints: ["\(report.address)"]}
                      rest: {endpoints: ["\(rest.address)"]}
                    """)
                let client = try HTTPConnection(to: port)
                let expected: [(method: String, target: String, fields: [String], body: String)] = [
                    ("GET", "/", ["x-beta: 1"], "beta"), ("GET", "/", ["X-Beta: 0", "X-BETA: 1"], "beta"),
                    ("GET", "/", ["X-Beta: 10"], "rest"), ("GET", "/api/v1/x", [], "reads"),
                    ("GET", "/api/v12/", [], "reads"), ("GET", "/x/../api/v1/%78", [], "reads"),
                    ("DELETE", "/api/v1/x", [], "rest"), ("GET", "/api/vx/x", [], "rest"),
                    ("GET", "/api/v1", [], "rest"), ("GET", "/api/v1/../x", [], "rest"),
                    ("GET", "/export?name=year%20end", [], "report"),
                    ("GET", "/export?a&name=year%20%65nd", [], "report"),
                    ("GET", "/export?name=year+end", [], "rest"), ("GET", "/export?name=year%20end&draft", [], "rest"),
                    ("GET", "/export?name=x&name=year%20end", [], "rest"), ("GET", "/export", [], "rest"),
                    ("GET", "/", ["Cookie: a=b; canary=on"], "beta"), ("GET", "/", ["Cookie: a=b; canary=one"], "rest"),
                    ("GET", "/api/v1/x", ["X-Beta: 1", "Cookie: canary=on"], "reads"),
                ]
                for (method, target, fields, body) in expected {
                    // `beta` is for one host; the last request comes to another.
                    let host = fields.contains("Cookie: canary=on") ? "other.example" : "shop.example"
                    let response = try client.request(method, target, host: host, fields: fields)
                    #expect(response.text == body, "\(method) \(target) \(fields)")
                }
                // The endpoint gets the path as the routes saw it.
                #expect(reads.requests.contains { $0.head.target == "/api/v1/x" })

                let text = try site.command.succeed(["routes"])
                for words in ["header x-beta = 1", "regex /api/v[0-9]+/.*", "GET|HEAD", "query draft absent"] {
                    #expect(text.contains(words), "\(text)")
                }
                let routes = try site.command.json(["routes"])["routes"]?.elements ?? []
                #expect(routes.first?["match"]?["header"]?["x-beta"]?.text == "1")
                #expect(routes[1]["match"]?["path"]?["regex"]?.text == "/api/v[0-9]+/.*")
            }
        }

        @Test("a subject made to stall other engines is answered like any other")
        func hostileSubject() throws {
            try Lab.run { lab in
                let app = try lab.http("app"), rest = try lab.http("rest")
                let port = try Ports.unused()
                _ = try lab.site(
                    """
                    proxy: {nodes: 1, workers: 1}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {name: evil, match: {path: {regex: "/(a*)*b"}, header: {x: {regex: "(a|aa)+b"}}}, to: app}
                      - {to: rest}
                    pools:
                      app: {endpoints: ["\(app.address)"]}
                      rest: {endpoints: ["\(rest.address)"]}
                    """)
                let client = try HTTPConnection(to: port)
                let long = String(repeating: "a", count: 8000)
                #expect(try client.request("/\(long)c", fields: ["X: \(long)c"]).text == "rest")
                #expect(try client.request("/\(long)b", fields: ["X: \(long)c"]).text == "rest")
                #expect(try client.request("/\(long)b", fields: ["X: \(long)b"]).text == "app")
            }
        }

        @Test("apply refuses a pattern that cannot be compiled and names its place; what ran goes on")
        func refusedPattern() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                try site.rewrite(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, route: "match: {path: {regex: \"/(a)\\\\1\"}}"))
                let result = try site.command.run(["apply", site.file])
                #expect(result.exitCode == 1)
                #expect("\(result)".contains("site.yaml:7:"), "\(result)")
                #expect("\(result)".contains("back-reference"), "\(result)")
                #expect(try HTTPConnection(to: port).request("/x").text == "app")
            }
        }
    }
}
