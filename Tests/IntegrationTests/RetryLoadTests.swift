import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// What becomes of the requests when endpoints fail under load: no idempotent one fails, and the budget holds.
    @Suite("Retries under load")
    struct RetryLoadTests {
        /// Far more connections than the budget has room for retries: 96 at two nodes, so that an endpoint that dies takes
        /// some 24 requests along and ten or so may be sent again at a time.
        private static let connections = 96

        private func start(_ lab: Lab, workers: Int, route: String = "") throws -> (
            [NginxEndpoint], UInt16, Site, KeepAliveLoad
        ) {
            let apps = try (0..<4).map { try lab.nginx("app\($0)") }
            let port = try Ports.unused()
            let site = try lab.site(SiteText.http(port, to: apps.map(\.address), workers: workers, route: route))
            let load = lab.load(port, connections: RetryLoadTests.connections)
            try load.progress(by: 1000, within: .seconds(60))
            return (apps, port, site, load)
        }

        @Test("endpoints killed and started in turn: no GET fails", arguments: [1, 2])
        func killed(workers: Int) throws {
            try Lab.run { lab in
                let (apps, _, site, load) = try start(lab, workers: workers)
                for app in apps {
                    app.kill()
                    try load.progress(by: 500, within: .seconds(60))
                    try app.start()
                    let before = app.requestCount
                    try Eventually.holds("requests at \(app.name) again", within: .seconds(30)) {
                        app.requestCount > before
                    }
                }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(try site.metric("sluice_retries_total", ["reason": "reset"]) > 0)
                #expect(try site.metric("sluice_retries_refused_total") == 0)
                #expect(try site.metric("sluice_retries_active") == 0)
                #expect(try site.metric("sluice_retries_waiting") == 0)
            }
        }

        @Test("endpoints drained and resumed in turn: no GET fails")
        func drained() throws {
            try Lab.run { lab in
                let (apps, _, site, load) = try start(lab, workers: 1)
                for app in apps {
                    try site.command.succeed(["drain", "app/\(app.address)"])
                    try load.progress(by: 500, within: .seconds(60))
                    let before = app.requestCount
                    try load.progress(by: 500, within: .seconds(60))
                    #expect(app.requestCount == before, "a draining endpoint got requests")
                    try site.command.succeed(["resume", "app/\(app.address)"])
                }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
            }
        }

        @Test("an endpoint that refuses, and one that breaks every connection off: no GET fails")
        func refusing() throws {
            try Lab.run { lab in
                let breaking = try lab.scripted { connection in _ = try connection.receive() }
                let apps = try (0..<2).map { try lab.nginx("app\($0)") }
                let (refusing, port) = (try Ports.unused(), try Ports.unused())
                let site = try lab.site(
                    SiteText.http(port, to: ["127.0.0.1:\(refusing)", breaking.address] + apps.map(\.address)))
                let load = lab.load(port, connections: RetryLoadTests.connections)
                try load.progress(by: 3000, within: .seconds(60))
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(try site.metric("sluice_retries_total", ["reason": "reset"]) > 100)
                #expect(try site.metric("sluice_retries_total", ["reason": "connect-failure"]) > 0)
            }
        }

        @Test("every endpoint fails: clients get the endpoints' answers, and these a fifth more requests at most")
        func allFail() throws {
            try Lab.run { lab in
                let apps = try (0..<3).map { _ in try lab.counting(failing: true, delay: .milliseconds(20)) }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: apps.map(\.address), nodes: 1, route: "retry: {attempts: 3, on: [503]}"))
                let connections = 60
                let load = lab.load(port, connections: connections)
                try Eventually.holds("a thousand answers", within: .seconds(60)) {
                    // A retry is one of the requests under way: with 60 clients never more than 12 of them.
                    let active = try site.metric("sluice_retries_active")
                    #expect(active <= Double(connections / 5), "\(active)")
                    return load.report.failed >= 1000
                }
                let report = try load.stop()
                #expect(report.failures.keys.allSatisfy { $0 == "status 503" }, "\(report)")
                #expect(try site.metric("sluice_retries_total", ["reason": "503"]) > 0)
                #expect(try site.metric("sluice_retries_refused_total") > 0)
                let sent = apps.map(\.counts.targets.count).reduce(0, +)
                // A fifth of what is under way at any moment; each takes as long as any other request.
                // The last ones of each client were cut off by the end of the load.
                #expect(Double(sent) <= Double(report.failed + connections) * 1.3, "\(sent) for \(report.failed)")
            }
        }
    }
}
