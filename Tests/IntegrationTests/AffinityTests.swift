import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Requests that belong to an endpoint")
    struct AffinityTests {
        @Test(
            "the same value goes to the same endpoint, from every node and worker",
            arguments: [
                ("header:X-User", "/", "X-User: %"), ("cookie:session", "/", "Cookie: a=1; session=%; b=2"),
                ("path", "/%?x=1", "X-A: 1"), ("query", "/?u=%", "X-A: 1"), ("query:u", "/?t=9&u=%&v=3", "X-A: 1"),
            ])
        func hash(by: String, target: String, field: String) throws {
            try Lab.run { lab in
                let endpoints = try (0..<4).map { try lab.http("e\($0)") }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(
                        port, to: endpoints.map(\.address), nodes: 2, workers: 2,
                        pool: "balance: hash, hash: {by: \"\(by)\"}"))
                var seen: Set<String> = []
                for value in 0..<16 {
                    func fill(_ text: String) -> String { text.replacing("%", with: "value-\(value)") }
                    var answers: Set<String> = []
                    // Each on a connection of its own: other nodes and workers.
                    for _ in 0..<4 {
                        answers.insert(
                            try Curl.get("http://127.0.0.1:\(port)\(fill(target))", fields: [fill(field)]).text)
                    }
                    #expect(answers.count == 1, "value \(value): \(answers)")
                    seen.formUnion(answers)
                }
                // By chance all 16 meet at one endpoint once in 4¹⁵ runs, at two once in some thousand.
                #expect(seen.count >= 2)
            }
        }

        @Test("a client keeps its address's endpoint; one that is down hands its values over")
        func clientAddress() throws {
            try Lab.run { lab in
                let endpoints = try (0..<3).map { try lab.nginx("e\($0)") }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: endpoints.map(\.address), pool: "balance: hash"))
                for _ in 0..<12 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                #expect(endpoints.map(\.requestCount).sorted() == [0, 0, 12])
                let own = try #require(endpoints.first { $0.requestCount == 12 })
                own.kill()
                for _ in 0..<12 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                #expect(endpoints.filter { $0 !== own }.map(\.requestCount).sorted() == [0, 12])
            }
        }

        @Test("one value with many requests spills over to the next endpoint")
        func bounded() throws {
            try Lab.run { lab in
                let endpoints = try (0..<4).map { _ in try lab.counting(holding: true) }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(
                        port, to: endpoints.map(\.address), nodes: 1, pool: "balance: hash, hash: {by: path}"))
                let sockets = try (0..<64).map { _ -> TCPSocket in
                    let socket = try TCPSocket(connectingTo: port)
                    try socket.send("GET /same HTTP/1.1\r\nHost: a\r\n\r\n")
                    return socket
                }
                try Eventually.holds("64 requests at the endpoints") {
                    endpoints.reduce(0) { $0 + $1.counts.held } == 64
                }
                let held = endpoints.map(\.counts.held)
                // ⌈1.25 · 64 / 4⌉
                #expect(held.max() == 20, "\(held)")
                for endpoint in endpoints { endpoint.hold(false) }
                for socket in sockets { socket.close() }
            }
        }

        private func cookie(_ response: Curl.Response) -> String? {
            response.head.all("Set-Cookie").first { $0.hasPrefix("node=") }
        }

        @Test("a session stays at its endpoint: other nodes, drain, restart; and goes when the endpoint is down")
        func sticky() throws {
            try Lab.run { lab in
                let endpoints = try (0..<3).map { try lab.nginx("e\($0)") }
                let port = try Ports.unused()
                let text = SiteText.http(
                    port, to: endpoints.map(\.address), nodes: 2, workers: 2,
                    pool: "balance: round-robin, sticky: {cookie: node, lifetime: 1h, key: \"a secret of ours\"}")
                let site = try lab.site(text)
                let first = try Curl.get("http://127.0.0.1:\(port)/")
                let line = try #require(cookie(first))
                #expect(line.hasSuffix("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"), "\(line)")
                let value = String(line.prefix { $0 != ";" })
                #expect(value.count == "node=".count + 16)
                let own = try #require(endpoints.first { $0.requestCount == 1 })
                #expect(!value.contains("\(own.port)"))

                func expectOwn(_ count: Int, _ moment: String) throws {
                    let before = own.requestCount
                    for _ in 0..<count {
                        let response = try Curl.get("http://127.0.0.1:\(port)/", fields: ["Cookie: x=1; \(value)"])
                        #expect(response.status == 200)
                        // It has the cookie: it isn't told again.
                        #expect(cookie(response) == nil)
                    }
                    #expect(own.requestCount == before + count, "\(moment)")
                }
                try expectOwn(12, "at other nodes and workers")
                // Others get endpoints in turn, and cookies of their own.
                var others: Set<String> = []
                for _ in 0..<12 { others.insert(try #require(cookie(Curl.get("http://127.0.0.1:\(port)/")))) }
                #expect(others.count == 3)

                _ = try site.command.succeed(["drain", "app/\(own.address)"])
                try Eventually.holds("the endpoint to be drained") {
                    try site.control.endpoint("app", own.address)?["state"]?.text == "draining"
                }
                try expectOwn(6, "while it is drained")
                let before = own.requestCount
                for _ in 0..<6 { _ = try Curl.get("http://127.0.0.1:\(port)/") }
                #expect(own.requestCount == before, "a new session at a draining endpoint")
                _ = try site.command.succeed(["resume", "app/\(own.address)"])

                _ = try site.terminate()
                try site.start()
                try expectOwn(6, "after a restart")

                own.kill()
                let moved = try Curl.get("http://127.0.0.1:\(port)/", fields: ["Cookie: \(value)"])
                #expect(moved.status == 200)
                let other = try #require(cookie(moved))
                #expect(!other.hasPrefix(value))
            }
        }

        @Test("a value that stands for nothing is replaced", arguments: ["", "0123456789abcdef", "127.0.0.1:80"])
        func foreignCookie(value: String) throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1, pool: "sticky: {cookie: node}"))
                let response = try Curl.get("http://127.0.0.1:\(port)/", fields: ["Cookie: node=\(value)"])
                #expect(response.status == 200)
                let line = try #require(cookie(response))
                #expect(!line.hasPrefix("node=\(value);"))
                #expect(line.hasSuffix("; Path=/; HttpOnly; SameSite=Lax"))
            }
        }
    }
}
