import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `limits.overload`: a node that is over its limits turns requests away, and serves health checks.
    @Suite("Load shedding")
    struct OverloadTests {
        private func text(_ port: UInt16, _ app: String, memory: String = "16MiB", overload: String) -> String {
            """
            proxy: {nodes: 1, memory: \(memory)}
            limits: {overload: {\(overload)}}
            listeners:
              web: {address: "127.0.0.1:\(port)"}
            routes:
              - {match: {path: /ping}, respond: {status: 200, body: pong}}
              - {name: health, match: {path: /healthz}, to: app, shed: false}
              - {name: main, to: app}
            pools:
              app: {endpoints: ["\(app)"]}
            """
        }

        @Test("with the allowed part of its memory in use a node answers 503 with Retry-After, but to health checks")
        func memory() throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                // 256 blocks of 64 KiB; a request under way holds one.
                let site = try lab.site(text(port, app.address, overload: "memory: 20%, retry_after: 7s"))
                var clients: [HTTPConnection] = []
                for number in 1...51 {
                    let client = try HTTPConnection(to: port, timeout: .seconds(20))
                    try client.socket.send("GET /\(number) HTTP/1.1\r\nHost: a\r\n\r\n")
                    clients.append(client)
                    try Eventually.holds("request \(number) at the endpoint") { app.counts.held == number }
                }
                let refused = try Curl.get("http://127.0.0.1:\(port)/")
                #expect(refused.status == 503)
                #expect(refused.head["Retry-After"] == "7")
                #expect(app.counts.held == 51)
                #expect(try site.metric("sluice_shed_requests_total", ["reason": "memory"]) == 1)
                #expect(try site.metric("sluice_overloaded") == 1)
                #expect(try Curl.get("http://127.0.0.1:\(port)/ping").text == "pong")
                let check = try HTTPConnection(to: port)
                try check.socket.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                try Eventually.holds("the health check at the endpoint") { app.counts.targets.last == "/healthz" }
                app.hold(false)
                for client in clients + [check] { #expect(try client.response().status == 200) }
                try Eventually.holds("all requests to be taken again") {
                    try Curl.get("http://127.0.0.1:\(port)/").status == 200
                }
                #expect(try site.metric("sluice_overloaded") == 0)
            }
        }

        @Test("when what comes waits too long a node answers 503, and goes on with health checks")
        func delay() throws {
            try Lab.run { lab in
                let app = try lab.nginx("app")
                let port = try Ports.unused()
                let site = try lab.site(text(port, app.address, memory: "1GiB", overload: "delay: 1ms"))
                let checks = lab.load(port, target: "/healthz", connections: 2)
                try checks.progress(by: 50)
                // Far more at a time than one turn of the worker takes, and from so many processes that its share of the
                // processors is the one that doesn't suffice.
                let runs = try (0..<4).map { _ in
                    try Wrk.start("http://127.0.0.1:\(port)/", connections: 400, seconds: 4)
                }
                try Eventually.holds("requests turned away") {
                    try site.metric("sluice_shed_requests_total", ["reason": "delay"]) > 0
                }
                for run in runs {
                    let result = try run.finish()
                    #expect(result.socketErrors == 0, "\(result)")
                }
                try Eventually.holds("all requests to be taken again") {
                    try site.metric("sluice_overloaded") == 0
                }
                let report = try checks.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200)
            }
        }

        @Test("a node that has enough to do, and no more, turns nobody away")
        func busy() throws {
            try Lab.run { lab in
                let app = try lab.nginx("app")
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let result = try Wrk.start("http://127.0.0.1:\(port)/", connections: 400, seconds: 3).finish()
                #expect(result.otherStatuses == 0 && result.socketErrors == 0, "\(result)")
                #expect(try site.metric("sluice_shed_requests_total") == 0)
            }
        }
    }
}
