import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// What clients lose, counted, when an endpoint fails in each of the ways in which endpoints do. Killed: see
    /// `EndpointFailureTests`; answering 500: see `OutlierTests`.
    @Suite("Loss when an endpoint fails")
    struct EndpointLossTests {
        private let health = "health: {path: /healthz, interval: 200ms, timeout: 200ms, rise: 2, fall: 2}"

        @Test("stopped (SIGSTOP), attempts with a time limit of their own: few GETs fail, soon; it is found down")
        func stopped() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [a.address, b.address], pool: health,
                        route: "timeout: {response: 10s}, retry: {on: [connect-failure, reset, 504], "
                            + "per_try_timeout: 300ms, budget: 100%}"))
                try waitForState("up", of: a, in: site)
                let load = lab.load(port, connections: 8)
                try load.progress()
                a.pause()
                try waitForState("down", of: a, in: site)
                try load.progress()
                a.unpause()
                try waitForState("up", of: a, in: site)
                try load.progress()
                let report = try load.stop()
                // What was at the endpoint when it stopped: the retry budget may refuse some of that.
                #expect(report.failed <= 8, "\(report)")
                #expect(report.slowest < .seconds(3), "\(report)")
            }
        }

        @Test("stopped (SIGSTOP), without that limit: each connection loses the request it had there, and no more")
        func stoppedWithoutLimit() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [a.address, b.address], pool: health, route: "timeout: {response: 1500ms}"))
                try waitForState("up", of: a, in: site)
                let load = lab.load(port, connections: 8)
                try load.progress()
                a.pause()
                try waitForState("down", of: a, in: site)
                try load.progress(by: 2000)
                a.unpause()
                let report = try load.stop()
                #expect(report.failed <= 8, "\(report)")
                #expect(report.failures.keys.allSatisfy { $0 == "status 504" }, "\(report)")
            }
        }

        @Test("answering slowly: nothing fails, and requests at the others don't wait for it")
        func slow() throws {
            try Lab.run { lab in
                let slow = try lab.counting(delay: .milliseconds(200))
                let quick = try lab.nginx("quick")
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [slow.address, quick.address], pool: "balance: least-request"))
                let load = lab.load(port, connections: 8)
                try load.progress(by: 500)
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(quick.requestCount >= 400, "\(quick.requestCount) of \(report.completed)")
            }
        }

        @Test("refusing: nothing fails from the first request on")
        func refusing() throws {
            try Lab.run { lab in
                let app = try lab.nginx("a")
                let (refusing, port) = (try Ports.unused(), try Ports.unused())
                _ = try lab.site(SiteText.http(port, to: ["127.0.0.1:\(refusing)", app.address]))
                let load = lab.load(port, connections: 8)
                try load.progress(by: 1000)
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
            }
        }

        @Test("drained and resumed by an operator: nothing fails, and it gets nothing meanwhile")
        func drained() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [a.address, b.address], pool: health))
                let load = lab.load(port, connections: 8)
                try load.progress()
                for _ in 0..<3 {
                    try site.command.succeed(["drain", "app/\(a.address)"])
                    try waitForState("draining", of: a, in: site)
                    // What had been picked before may still arrive.
                    try load.progress(by: 100)
                    let before = a.requestCount
                    try load.progress()
                    #expect(a.requestCount == before)
                    try site.command.succeed(["resume", "app/\(a.address)"])
                    try Eventually.holds("requests at the resumed endpoint") { a.requestCount > before }
                }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
            }
        }

        private func waitForState(_ state: String, of endpoint: NginxEndpoint, in site: Site) throws {
            try Eventually.holds("endpoint \(endpoint.name) to be \(state)", every: .milliseconds(30)) {
                try site.control.endpoint("app", endpoint.address)?["state"]?.text == state
            }
        }
    }
}
