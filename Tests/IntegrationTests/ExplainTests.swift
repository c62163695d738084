import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `sluice explain` and `POST /v1/explain`.
    @Suite("Explanations of requests")
    struct ExplainTests {
        private func site(_ lab: Lab, _ app: String, _ next: String) throws -> (site: Site, web: UInt16, other: UInt16)
        {
            let (web, other) = (try Ports.unused(), try Ports.unused())
            let site = try lab.site(
                """
                site: test
                proxy: {nodes: 1}
                listeners:
                  web: {address: "127.0.0.1:\(web)", limits: {headers: 10}}
                  other: {address: "127.0.0.1:\(other)"}
                routes:
                  - name: beta
                    listeners: web
                    match: {host: [shop.example, "*.shop.example"], path: {prefix: /api/}, method: [GET, HEAD], header: {x-beta: "1"}}
                    request: {path: {strip_prefix: /api}, set: {X-Route: "{route}"}, remove: Cookie}
                    response: {set: {X-Route: "{route}"}}
                    to: [{pool: next, weight: 1}, {pool: app, weight: 3}]
                  - name: query
                    match: {path: {regex: "/v[0-9]+/.*"}, query: {v: "2"}}
                    response: {set: {X-Route: "{route}"}}
                    to: next
                    mirror: {pool: app, share: 2.5%}
                  - name: old
                    listeners: web
                    match: {path: /old}
                    response: {set: {X-Route: "{route}"}}
                    redirect: {to: "https://{hostname}/new"}
                  - {name: tunnel, listeners: web, match: {method: CONNECT, host: db.internal}, connect: terminate, to: next}
                  - {name: rest, listeners: web, match: {path: {prefix: /r}}, response: {set: {X-Route: "{route}"}}, to: app}
                pools:
                  app: {endpoints: ["\(app)"]}
                  next: {endpoints: ["\(next)"]}
                """)
            return (site, web, other)
        }

        private struct Case {
            var method = "GET"
            var target: String
            var host: String
            var fields: [String] = []
            var isOther = false
            var line: String { "\(method) \(host)\(target) \(fields)" }
        }

        private static let cases = [
            Case(target: "/api/x?y=1", host: "shop.example", fields: ["X-Beta: 1"]),
            Case(method: "HEAD", target: "/api/../api/%78", host: "a.b.SHOP.example:99", fields: ["x-beta: 1"]),
            Case(target: "/api/x", host: "shop.example", fields: ["X-Beta: 2"]),
            Case(target: "/v12/x?v=2", host: "any"), Case(target: "/v12/x?v=3", host: "any"),
            Case(target: "/v12/x?a=b&v=2", host: "any", isOther: true),
            Case(target: "/old", host: "a.example:80"), Case(target: "//old", host: "a.example"),
            Case(target: "/rest", host: "a"), Case(target: "/rest", host: "a", isOther: true),
            Case(target: "/a%zz", host: "a"), Case(target: "/rest", host: "a b"),
            Case(target: "/rest", host: "a", fields: (0..<10).map { "X-\($0): 1" }),
            Case(target: "/rest", host: "a", fields: (0..<9).map { "X-\($0): 1" }),
            Case(method: "OPTIONS", target: "/rest", host: "a", fields: ["Max-Forwards: 0"]),
            Case(method: "CONNECT", target: "a:1", host: "a:1"),
        ]

        private func explain(_ site: Site, _ question: [String: Any]) throws -> JSON {
            let body = try JSONSerialization.data(withJSONObject: question)
            let answer = try site.control.request("POST", "/v1/explain", body: String(decoding: body, as: UTF8.self))
            try #require(answer.status == 200, "\(answer.text)")
            return try JSON.parse(Data(answer.text.utf8))
        }

        @Test("what is said of a request is what becomes of it")
        func truth() throws {
            try Lab.run { lab in
                let (app, next) = (try lab.http("app"), try lab.http("next"))
                let (site, web, other) = try site(lab, app.address, next.address)
                for request in Self.cases {
                    let fields = request.fields.map { field -> [String: String] in
                        let parts = field.split(separator: ":", maxSplits: 1)
                        return ["name": String(parts[0]), "value": parts[1].trimmingCharacters(in: .whitespaces)]
                    }
                    let said = try explain(
                        site,
                        [
                            "method": request.method, "url": request.target,
                            "listener": request.isOther ? "other" : "web",
                            "headers": [["name": "Host", "value": request.host]] + fields,
                        ])
                    let lines =
                        ["\(request.method) \(request.target) HTTP/1.1", "Host: \(request.host)"] + request.fields
                    let client = try HTTPConnection(to: request.isOther ? other : web)
                    let answer = try client.exchange(
                        lines.joined(separator: "\r\n") + "\r\n\r\n", method: request.method)
                    #expect(said["route"]?.text == answer.head["X-Route"], "\(request.line): \(said)")
                    #expect(said["answer"]?["status"]?.integer ?? 200 == answer.status, "\(request.line): \(said)")
                    #expect(said["answer"]?["location"]?.text == answer.head["Location"], "\(request.line)")
                    guard let forwarded = said["forwarded"], answer.head["X-Route"] != nil else { continue }
                    let got = try #require(
                        (app.requests + next.requests).last { $0.head.startLine == forwarded["request_line"]?.text },
                        "\(request.line): \(said)")
                    let named = Set(forwarded["headers"]?.elements.compactMap { $0["name"]?.text?.lowercased() } ?? [])
                    #expect(named == Set(got.head.fields.map { $0.name.lowercased() }), "\(request.line)")
                }
            }
        }

        @Test("pools with shares and states, the copy, and what other routes ask for")
        func details() throws {
            try Lab.run { lab in
                let (app, next) = (try lab.http("app"), try lab.http("next"))
                let (site, web, _) = try site(lab, app.address, next.address)
                #expect(try site.command.run(["drain", "app/\(app.address)"]).exitCode == 0)
                let beta = try explain(
                    site,
                    [
                        "method": "GET", "url": "http://shop.example:\(web)/api/x",
                        "headers": [["name": "X-Beta", "value": "1"], ["name": "Cookie", "value": "c"]],
                    ])
                #expect(beta["listener"]?.text == "web" && beta["route"]?.text == "beta")
                let pools = try #require(beta["pools"]?.elements)
                #expect(pools.map { $0["name"]?.text } == ["next", "app"])
                #expect(pools.map { $0["share"] } == [.number(25), .number(75)])
                #expect(pools[1]["endpoints"]?.elements[0]["state"]?.text == "draining")
                #expect(pools[1]["endpoints"]?.elements[0]["eligible"] == .bool(false))
                #expect(pools[0]["endpoints"]?.elements[0]["eligible"]?.isTrue == true)
                #expect(beta["forwarded"]?["request_line"]?.text == "GET /x HTTP/1.1")
                #expect(beta["passed_over"]?.elements.isEmpty == true)

                let query = try explain(
                    site, ["method": "POST", "url": "/v1/x?v=2", "listener": "web"])
                #expect(query["route"]?.text == "query")
                #expect(query["mirror"]?["pool"]?.text == "app" && query["mirror"]?["share"] == .number(2.5))
                let passed = try #require(query["passed_over"]?.elements.first)
                #expect(passed["route"]?.text == "beta")
                #expect(passed["reasons"]?.elements.compactMap(\.text) == ["host", "path", "method", "header"])

                let none = try explain(site, ["method": "GET", "url": "/nowhere", "listener": "other"])
                #expect(none["route"] == nil && none["answer"]?["status"]?.integer == 404)
                #expect(
                    none["passed_over"]?.elements.compactMap { $0["reasons"]?.elements.first?.text }
                        == ["listener", "path", "listener", "listener", "listener"])

                let tunnel = try explain(site, ["method": "CONNECT", "url": "db.internal:5432", "listener": "web"])
                #expect(tunnel["route"]?.text == "tunnel" && tunnel["forwarded"] == nil)
            }
        }

        @Test("the command: text, JSON, and questions that can't be answered")
        func command() throws {
            try Lab.run { lab in
                let (app, next) = (try lab.http("app"), try lab.http("next"))
                let (site, web, _) = try site(lab, app.address, next.address)
                let shown = try site.command.run(
                    ["explain", "GET", "http://shop.example:\(web)/api/x", "-H", "X-Beta: 1", "-H", "X-Two: 2"])
                #expect(shown.exitCode == 0)
                for line in [
                    "listener  web (revision 1)", "route     beta", "pool      next (peak-ewma, 25% of the requests)",
                    "            \(next.address) weight 1, ", "sends     GET /x HTTP/1.1", "            X-Two: 2",
                ] { #expect(shown.text.contains(line), "\(line)\n\(shown.text)") }
                let json = try site.command.run(["explain", "GET", "/old", "--listener", "web", "--json"])
                #expect(try JSON.parse(Data(json.text.utf8))["answer"]?["location"]?.text == "https://localhost/new")
                for arguments in [
                    ["GET", "/"], ["GET", "/", "--listener", "nope"],
                    ["GET", "/", "--listener", "web", "--client", "x"],
                ] {
                    let failed = try site.command.run(["explain"] + arguments)
                    #expect(failed.exitCode == 1, "\(arguments): \(failed)")
                }
                #expect(try site.command.run(["explain", "GET", "/", "-H", "nothing"]).exitCode == 2)
            }
        }
    }
}
