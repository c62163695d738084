import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `pools.*.requests`: max, adaptive.
    @Suite("Limits of requests under way")
    struct RequestLimitTests {
        private func begin(_ port: UInt16, _ target: String = "/") throws -> HTTPConnection {
            let connection = try HTTPConnection(to: port, timeout: .seconds(20))
            try connection.socket.send("GET \(target) HTTP/1.1\r\nHost: test.example\r\n\r\n")
            return connection
        }

        private func rejected(_ site: Site, _ reason: String) throws -> Int {
            Int(try site.metric("sluice_pool_requests_rejected_total", ["pool": "app", "reason": reason]))
        }

        @Test("a node has as many requests under way as `max` says, whichever worker they come to", arguments: [1, 2])
        func max(workers: Int) throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, workers: workers, pool: "requests: {max: 5}"))
                let clients = try (0..<5).map { _ in try begin(port) }
                try Eventually.holds("five requests") { app.counts.held == 5 }
                #expect(try site.metric("sluice_pool_requests") == 5)
                for _ in 0..<8 {
                    let refused = try Curl.get("http://127.0.0.1:\(port)/")
                    #expect(refused.status == 503)
                    #expect(refused.head["Retry-After"] == "1")
                    #expect(refused.head["X-Request-Id"] != nil)
                }
                #expect(try rejected(site, "max") == 8)
                #expect(app.counts.held == 5)
                // One that leaves makes room for one.
                clients[0].socket.close()
                try Eventually.holds("room for another request") {
                    try site.metric("sluice_pool_requests") == 4
                }
                let another = try begin(port)
                try Eventually.holds("it to be let in") { app.counts.targets.count == 6 }
                #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 503)
                app.hold(false)
                for client in clients.dropFirst() + [another] { #expect(try client.response().status == 200) }
                #expect(try site.metric("sluice_pool_requests") == 0)
            }
        }

        @Test("a request keeps its place through its retries, and gives it back once")
        func retries() throws {
            try Lab.run { lab in
                let bad = try lab.http("bad") { _ in .response("no", status: "503 Service Unavailable") }
                let good = try lab.http("good")
                let (refusing, port) = (try Ports.unused(), try Ports.unused())
                let site = try lab.site(
                    SiteText.http(
                        port, to: [bad.address, "127.0.0.1:\(refusing)", good.address], nodes: 1,
                        pool: "requests: {max: 1}", route: "retry: {on: [503, connect-failure]}"))
                let client = try HTTPConnection(to: port)
                for _ in 0..<30 { #expect(try client.request("/").text == "good") }
                #expect(try site.metric("sluice_retries_total", ["reason": "503"]) > 0)
                #expect(try site.metric("sluice_pool_requests") == 0)
                #expect(try rejected(site, "max") == 0)
            }
        }

        @Test("those that wait in the pool's queue count")
        func queued() throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1,
                        pool: "connections: {max: 2, queue_timeout: 20s}, requests: {max: 4}"))
                let clients = try (0..<4).map { _ in try begin(port) }
                try Eventually.holds("two that wait") { try site.metric("sluice_pool_queue") == 2 }
                #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 503)
                #expect(try rejected(site, "max") == 1)
                app.hold(false)
                for client in clients { #expect(try client.response().status == 200) }
            }
        }

        @Test("a limit that a new revision sets or takes away holds at once, and counts go on")
        func apply() throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                func text(_ pool: String) -> String { SiteText.http(port, to: [app.address], nodes: 1, pool: pool) }
                let site = try lab.site(text("requests: {max: 2}"))
                let clients = try (0..<2).map { _ in try begin(port) }
                try Eventually.holds("two requests") { app.counts.held == 2 }
                #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 503)
                try site.rewrite(text("requests: {max: 3}"))
                try site.command.succeed(["apply", site.file])
                let third = try begin(port)
                try Eventually.holds("the third") { app.counts.held == 3 }
                #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 503)
                try site.rewrite(text(""))
                try site.command.succeed(["apply", site.file])
                let fourth = try begin(port)
                try Eventually.holds("the fourth") { app.counts.held == 4 }
                app.hold(false)
                for client in clients + [third, fourth] { #expect(try client.response().status == 200) }
                try site.rewrite(text("requests: {max: 1}"))
                try site.command.succeed(["apply", site.file])
                #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200)
                #expect(try site.metric("sluice_pool_requests") == 0)
            }
        }

        @Test("the adaptive limit refuses what makes answers slow, and lets through what the endpoint can do")
        func adaptive() throws {
            try Lab.run { lab in
                // One request at a time, 5 ms each: more under way are only slower.
                let app = try lab.nginx("app")
                let slow = try lab.serial(.milliseconds(5))
                let port = try Ports.unused()
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {match: {path: /fast}, to: fast}
                      - {to: app}
                    pools:
                      fast: {endpoints: ["\(app.address)"], requests: {adaptive: true}}
                      app: {endpoints: ["\(slow.address)"], requests: {adaptive: true, min: 2}}
                    """)
                // The latency without load is measured with the endpoint to itself.
                let calm = lab.load(port, connections: 1)
                try calm.progress(by: 200)
                try calm.stop()
                #expect(try rejected(site, "adaptive") == 0)
                #expect(calm.report.failed == 0, "\(calm.report)")
                let load = lab.load(port, connections: 40)
                try Eventually.holds("the limit to fall", within: .seconds(30)) {
                    try site.metric("sluice_pool_requests_limit", ["pool": "app"]) <= 12
                }
                let before = load.report.completed
                try load.progress(by: 200, within: .seconds(30))
                #expect(load.report.completed > before)
                try load.stop()
                #expect(try rejected(site, "adaptive") > 0)
                #expect(load.report.failures.keys.allSatisfy { $0 == "status 503" }, "\(load.report)")
                // The other pool's limit is its own.
                #expect(try Curl.get("http://127.0.0.1:\(port)/fast").status == 200)
                #expect(try site.metric("sluice_pool_requests_limit", ["pool": "fast"]) == 4)
            }
        }
    }
}
