import Foundation
import Synchronization
import TestKit
import Testing

extension IntegrationTests {
    /// `routes[].hedge`: a second request, and the answer that comes first.
    @Suite("Hedged requests")
    struct HedgeTests {
        private func hedges(_ site: Site) throws -> Int {
            Int(try site.metric("sluice_retries_total", ["pool": "app", "reason": "hedge"]))
        }

        private func won(_ site: Site) throws -> Int { Int(try site.metric("sluice_hedges_won_total")) }

        @Test("a slow endpoint's requests are answered by another one, and its connections end")
        func slow() throws {
            try Lab.run { lab in
                let slow = try lab.counting(holding: true)
                let fast = try lab.http("fast")
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [slow.address, fast.address], nodes: 1, route: "hedge: {after: 50ms}"))
                let client = try HTTPConnection(to: port)
                for _ in 0..<6 {
                    let response = try client.request("/")
                    #expect(response.status == 200 && response.text == "fast")
                }
                let sent = slow.counts.targets.count
                #expect(sent >= 3)
                #expect(try hedges(site) == sent && won(site) == sent)
                #expect(try site.metric("sluice_retries_active") == 0)
                #expect(try site.metric("sluice_endpoint_active") == 0)
                // The request that lost is given up, which HTTP/1.1 can say by a close only.
                slow.hold(false)
                try Eventually.holds("the slow endpoint's connections to be closed") { slow.counts.open == 0 }
            }
        }

        @Test("the first request wins when it is answered first after all")
        func firstWins() throws {
            try Lab.run { lab in
                let apps = try (0..<2).map { _ in try lab.counting(holding: true) }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: apps.map(\.address), nodes: 1, route: "hedge: {after: 500ms}"))
                let client = try HTTPConnection(to: port)
                try client.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                // The rotation begins anywhere.
                try Eventually.holds("one to have the request", every: .milliseconds(1)) {
                    apps.contains { $0.counts.held == 1 }
                }
                let place = try #require(apps.firstIndex { $0.counts.held == 1 })
                let (first, second) = (apps[place], apps[1 - place])
                #expect(second.counts.held == 0)
                try Eventually.holds("both to have the request") { first.counts.held + second.counts.held == 2 }
                first.hold(false)
                #expect(try client.response().status == 200)
                #expect(try hedges(site) == 1)
                #expect(try won(site) == 0)
                #expect(try site.metric("sluice_endpoint_requests_total", ["endpoint": first.address]) == 1)
                second.hold(false)
                try Eventually.holds("the other to be closed") { second.counts.open == 0 }
                #expect(try site.metric("sluice_endpoint_active") == 0)
            }
        }

        @Test("answered in time there is one request")
        func inTime() throws {
            try Lab.run { lab in
                let apps = try (0..<2).map { try lab.http("app\($0)") }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: apps.map(\.address), nodes: 1, route: "hedge: {after: 5s}"))
                let client = try HTTPConnection(to: port)
                for _ in 0..<20 { #expect(try client.request("/").status == 200) }
                #expect(apps.map(\.requests.count).reduce(0, +) == 20)
                #expect(try hedges(site) == 0)
            }
        }

        @Test("what may not be sent twice is not hedged")
        func notIdempotent() throws {
            try Lab.run { lab in
                let delay = Duration.milliseconds(150)
                let app = try lab.counting(delay: delay), other = try lab.counting(delay: delay)
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [app.address, other.address], nodes: 1, route: "hedge: {after: 10ms}"))
                for method in ["POST", "PATCH"] {
                    #expect(try Curl.request("http://127.0.0.1:\(port)/", method: method).status == 200)
                }
                #expect(
                    try Curl.request("http://127.0.0.1:\(port)/", method: "PUT", body: Data("body".utf8)).status == 200)
                #expect(app.counts.targets.count + other.counts.targets.count == 3)
                #expect(try hedges(site) == 0)
            }
        }

        @Test("one that fails leaves the race to the other", arguments: ["first", "second"])
        func oneFails(which: String) throws {
            try Lab.run { lab in
                let gate = Gate(), order = Mutex(0)
                let both = Gate()
                let apps = try (0..<2).map { _ in
                    try lab.scripted { connection in
                        _ = try connection.receive()
                        let place = order.withLock { number in
                            number += 1
                            return number == 1 ? "first" : "second"
                        }
                        if place == "second" { both.open() }
                        if place == which {
                            try both.wait()
                            return  // breaks off
                        }
                        try gate.wait()
                        try connection.socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                        _ = try connection.receive()
                    }
                }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: apps.map(\.address), nodes: 1, route: "hedge: {after: 20ms}"))
                let client = try HTTPConnection(to: port)
                try client.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                try Eventually.holds("one to have failed") { try site.metric("sluice_endpoint_failures_total") == 1 }
                #expect(!client.hasInput)
                gate.open()
                #expect(try client.response().text == "ok")
                #expect(order.withLock { $0 } == 2)
                #expect(try site.metric("sluice_endpoint_active") == 0)
            }
        }

        @Test("an answer that `retry.on` names doesn't win")
        func badAnswer() throws {
            try Lab.run { lab in
                let gate = Gate()
                let slow = try lab.http("slow") { _ in
                    try gate.wait()
                    return .response("slow")
                }
                let bad = try lab.http("bad") { _ in .response("bad", status: "503 Service Unavailable") }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(
                        port, to: [slow.address, bad.address], nodes: 1,
                        route: "hedge: {after: 20ms}, retry: {on: [503]}"))
                let client = try HTTPConnection(to: port)
                try client.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                try Eventually.holds("both to have the request") {
                    slow.requests.count == 1 && bad.requests.count == 1
                }
                gate.open()
                #expect(try client.response().text == "slow")
            }
        }

        @Test("the budget holds for hedges, and nobody waits for it")
        func budget() throws {
            try Lab.run { lab in
                let apps = try (0..<2).map { _ in try lab.counting(holding: true) }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: apps.map(\.address), nodes: 1, route: "hedge: {after: 20ms}"))
                let clients = try (0..<10).map { _ in try HTTPConnection(to: port) }
                for client in clients { try client.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
                try Eventually.holds("ten requests and three hedges") {
                    apps.map(\.counts.held).reduce(0, +) == 13
                }
                try Eventually.holds("seven refused") { try site.metric("sluice_retries_refused_total") == 7 }
                #expect(try site.metric("sluice_retries_active") == 3)
                #expect(apps.map(\.counts.held).reduce(0, +) == 13)
                for app in apps { app.hold(false) }
                for client in clients { #expect(try client.response().status == 200) }
                #expect(try site.metric("sluice_retries_active") == 0)
                #expect(try site.metric("sluice_endpoint_active") == 0)
            }
        }

        @Test("with a percentile the time follows the answers")
        func percentile() throws {
            try Lab.run { lab in
                let slow = try lab.counting(), fast = try lab.http("fast")
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [slow.address, fast.address], nodes: 1, route: "hedge: {after: p95}"))
                let client = try HTTPConnection(to: port)
                for _ in 0..<300 { #expect(try client.request("/").status == 200) }
                let before = try hedges(site)
                slow.hold(true)
                let started = ContinuousClock.now
                for _ in 0..<4 { #expect(try client.request("/").text == "fast") }
                #expect(ContinuousClock.now - started < .seconds(2))
                #expect(try hedges(site) > before)
                slow.hold(false)
            }
        }

        @Test("endpoints die and stall under hedged load: no GET fails, and nothing is left over")
        func load() throws {
            try Lab.run { lab in
                let apps = try (0..<3).map { try lab.nginx("app\($0)") }
                let stalling = try lab.counting(delay: .milliseconds(60))
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: apps.map(\.address) + [stalling.address], workers: 2, route: "hedge: {after: 10ms}"))
                let load = lab.load(port, connections: 48)
                try load.progress(by: 500, within: .seconds(60))
                for app in apps.dropFirst() {
                    app.kill()
                    try load.progress(by: 500, within: .seconds(60))
                    try app.start()
                }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(try hedges(site) > 0 && won(site) > 0)
                try Eventually.holds("nothing to be under way") {
                    try site.metric("sluice_endpoint_active") == 0
                        && site.metric("sluice_retries_active") == 0 && site.metric("sluice_retries_waiting") == 0
                }
            }
        }
    }
}
