import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `pools.*.connections`: max, queue, queue_timeout, lifetime.
    @Suite("Bounded connections to endpoints")
    struct ConnectionBoundTests {
        private func metric(_ name: String, _ labels: [String] = [], of site: Site) throws -> Double {
            let text = try site.control.request("GET", "/metrics").text
            return text.split(separator: "\n").reduce(0) { sum, line in
                guard line.hasPrefix("\(name){") || line.hasPrefix("\(name) "), labels.allSatisfy(line.contains) else {
                    return sum
                }
                return sum + (line.split(separator: " ").last.flatMap { Double($0) } ?? 0)
            }
        }

        private func waiting(_ site: Site) throws -> Int { Int(try metric("sluice_pool_queue", of: site)) }

        private func rejected(_ reason: String, _ site: Site) throws -> Int {
            Int(try metric("sluice_pool_queue_rejected_total", ["reason=\"\(reason)\""], of: site))
        }

        /// A request that is sent now and answered later.
        private func begin(_ port: UInt16, _ target: String) throws -> HTTPConnection {
            let connection = try HTTPConnection(to: port)
            try connection.socket.send("GET \(target) HTTP/1.1\r\nHost: test.example\r\n\r\n")
            return connection
        }

        @Test(
            "under ten times the load an endpoint never has more than max, and every request is served",
            arguments: [1, 2])
        func neverMore(workers: Int) throws {
            try Lab.run { lab in
                let app = try lab.counting(delay: .milliseconds(2))
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, workers: workers,
                        pool: "connections: {max: 4, queue_timeout: 20s}"
                    ))
                let load = lab.load(port, connections: 40)
                try load.progress(by: 2000, within: .seconds(40))
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                let counts = app.counts
                #expect(counts.openMax == 4, "\(counts.openMax)")
                #expect(app.accepted == 4, "freed connections are passed on, not closed")
                #expect(try waiting(site) == 0)
                #expect(try rejected("full", site) == 0)
                #expect(try rejected("timeout", site) == 0)
                let shown = try #require(try site.control.endpoint("app", app.address)?["connections"]?.integer)
                #expect(shown == 4)
                #expect(try metric("sluice_endpoint_connections", ["state=\"idle\""], of: site) == 4)
            }
        }

        @Test("one connection for two workers: nobody starves while the other is busy with it")
        func oneForTwoWorkers() throws {
            try Lab.run { lab in
                let app = try lab.counting(delay: .milliseconds(1))
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, workers: 2, pool: "connections: {max: 1, queue_timeout: 5s}")
                )
                // Connections are spread over the workers by their hash: 32 of them all on one has a chance of 2⁻³¹.
                let load = lab.load(port, connections: 32)
                try load.progress(by: 1500, within: .seconds(40))
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(app.counts.openMax == 1)
                #expect(app.accepted == 1, "the connection moved between the workers")
                // In turn, a request waits for the 31 others.
                #expect(report.slowest < .seconds(1), "\(report)")
            }
        }

        @Test("an idle connection of one worker serves the requests of the other")
        func takenOver() throws {
            try Lab.run { lab in
                let app = try lab.counting()
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, workers: 2, pool: "connections: {max: 1}"))
                // One request at a time: the connection is idle each time the next one comes, often at the other worker.
                for number in 0..<32 {
                    let response = try Curl.get("http://127.0.0.1:\(port)/\(number)", within: .seconds(3))
                    #expect(response.status == 200)
                }
                #expect(app.accepted == 1)
            }
        }

        @Test("a full endpoint is passed over while another one has room")
        func fullIsSkipped() throws {
            try Lab.run { lab in
                let full = try lab.counting(holding: true), free = try lab.counting()
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [full.address, free.address], nodes: 1, pool: "connections: {max: 1}"))
                var held: [HTTPConnection] = []
                while full.counts.held == 0 {
                    held.append(try begin(port, "/held"))
                    try Eventually.holds("the request at an endpoint") {
                        full.counts.targets.count + free.counts.targets.count == held.count
                    }
                }
                for _ in 0..<10 {
                    #expect(try Curl.get("http://127.0.0.1:\(port)/", within: .seconds(2)).status == 200)
                }
                #expect(try waiting(site) == 0)
                #expect(full.counts.openMax == 1)
                full.hold(false)
                #expect(try held.last!.response().status == 200)
            }
        }

        @Test("the queue takes N requests, in order, and refuses the next at once")
        func queueBounds() throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1,
                        pool: "connections: {max: 1, queue: 3, queue_timeout: 60s}"))
                var clients = [try begin(port, "/0")]
                try Eventually.holds("the first request at the endpoint") { app.counts.held == 1 }
                for number in 1...3 {
                    clients.append(try begin(port, "/\(number)"))
                    try Eventually.holds("request \(number) to wait") { try waiting(site) == number }
                }
                let refused = try Curl.get("http://127.0.0.1:\(port)/4", within: .seconds(5))
                #expect(refused.status == 503)
                #expect(refused.elapsed < .seconds(2))
                #expect(try rejected("full", site) == 1)
                #expect(try waiting(site) == 3)
                let pool = try site.command.json(["pools"])["pools"]?.elements.first
                #expect(pool?["queued"]?.integer == 3)
                app.hold(false)
                for client in clients { #expect(try client.response().status == 200) }
                #expect(app.counts.targets == ["/0", "/1", "/2", "/3"])
                #expect(app.counts.openMax == 1)
            }
        }

        @Test("queue: 0 refuses whatever has no connection at once")
        func noQueue() throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, pool: "connections: {max: 1, queue: 0}"))
                let first = try begin(port, "/0")
                try Eventually.holds("the first request at the endpoint") { app.counts.held == 1 }
                #expect(try Curl.get("http://127.0.0.1:\(port)/1", within: .seconds(5)).status == 503)
                #expect(try rejected("full", site) == 1)
                app.hold(false)
                #expect(try first.response().status == 200)
            }
        }

        @Test("who waits longer than queue_timeout gets 503; those who wait on are served")
        func queueTimeout() throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, pool: "connections: {max: 1, queue_timeout: 600ms}"))
                let first = try begin(port, "/first")
                try Eventually.holds("the first request at the endpoint") { app.counts.held == 1 }
                let late = try Curl.get("http://127.0.0.1:\(port)/late", within: .seconds(10))
                #expect(late.status == 503)
                #expect(late.elapsed >= .milliseconds(550) && late.elapsed < .seconds(3), "\(late.elapsed)")
                #expect(try rejected("timeout", site) == 1)
                let next = try begin(port, "/next")
                try Eventually.holds("the next request to wait") { try waiting(site) == 1 }
                app.hold(false)
                #expect(try first.response().status == 200)
                #expect(try next.response().status == 200)
                #expect(app.counts.targets == ["/first", "/next"], "a request that was given up is not sent")
            }
        }

        @Test("a client that goes away leaves the queue, by FIN or by RST", arguments: [false, true])
        func clientLeaves(resets: Bool) throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, pool: "connections: {max: 1, queue_timeout: 60s}"))
                let first = try begin(port, "/first")
                try Eventually.holds("the first request at the endpoint") { app.counts.held == 1 }
                let leaving = try begin(port, "/leaving")
                try Eventually.holds("one to wait") { try waiting(site) == 1 }
                let staying = try begin(port, "/staying")
                try Eventually.holds("two to wait") { try waiting(site) == 2 }
                if resets { leaving.socket.reset() } else { leaving.socket.close() }
                try Eventually.holds("one to have left") { try waiting(site) == 1 }
                app.hold(false)
                #expect(try first.response().status == 200)
                #expect(try staying.response().status == 200)
                #expect(app.counts.targets == ["/first", "/staying"])
            }
        }

        @Test("an endpoint that goes away while requests wait: they get an answer, and later ones are served again")
        func endpointDies() throws {
            try Lab.run { lab in
                let app = try lab.nginx("a")
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, workers: 2, pool: "connections: {max: 1}"))
                let load = lab.load(port, connections: 16)
                try load.progress(by: 100)
                app.kill()
                try Eventually.holds("failures") { load.report.failed > 10 }
                #expect(
                    load.report.failures.keys.allSatisfy { ["status 502", "status 503"].contains($0) }, "\(load.report)"
                )
                try app.start()
                try load.progress(by: 300)
                _ = try load.stop()
                #expect(try waiting(site) == 0)
            }
        }

        @Test("a new revision that raises max lets those go on who wait; one that takes it away, too")
        func reload() throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                func text(_ connections: String) -> String {
                    SiteText.http(port, to: [app.address], nodes: 1, workers: 2, pool: "connections: {\(connections)}")
                }
                let site = try lab.site(text("max: 1, queue_timeout: 60s"))
                var clients = [try begin(port, "/0")]
                try Eventually.holds("the first request at the endpoint") { app.counts.held == 1 }
                for number in 1...3 { clients.append(try begin(port, "/\(number)")) }
                try Eventually.holds("three to wait") { try waiting(site) == 3 }
                try site.rewrite(text("max: 3, queue_timeout: 60s"))
                try site.command.succeed(["apply", site.file])
                try Eventually.holds("two of them at the endpoint") { app.counts.held == 3 }
                try Eventually.holds("one to wait") { try waiting(site) == 1 }
                try site.rewrite(text("idle: 60s"))
                try site.command.succeed(["apply", site.file])
                for number in 4...6 { clients.append(try begin(port, "/\(number)")) }
                try Eventually.holds("new requests to be free of the bound") { app.counts.held >= 6 }
                app.hold(false)
                for client in clients { #expect(try client.response().status == 200) }
            }
        }

        @Test("a connection older than its lifetime serves no further request")
        func lifetime() throws {
            try Lab.run { lab in
                let app = try lab.counting()
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, pool: "connections: {lifetime: 400ms}"))
                let load = lab.load(port, connections: 1)
                try Eventually.holds("the third connection", within: .seconds(10)) { app.accepted >= 3 }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(app.counts.targets.count > 10 * app.accepted, "most requests use a connection again")
            }
        }
    }
}
