import Foundation
import Synchronization
import TestKit
import Testing

/// An endpoint's mood, set by the test and read by its threads.
private final class Mood: Sendable {
    private let value = Mutex(Answer.good)

    enum Answer { case good, error, breaks }

    func set(_ answer: Answer) { value.withLock { $0 = answer } }

    func answer(_ name: String, _ request: ReceivedRequest) -> EndpointAnswer {
        if request.head.target == "/healthz" { return .response("well") }
        switch value.withLock({ $0 }) {
        case .good: return .response(name)
        case .error: return .response("no", status: "500 Internal Server Error")
        case .breaks: return .raw("", closes: true)
        }
    }
}

extension IntegrationTests {
    @Suite("Outliers")
    struct OutlierTests {
        @Test("an endpoint that answers 500 is ejected though its probes pass, and let back in time")
        func consecutiveErrors() throws {
            try Lab.run { lab in
                let mood = Mood()
                let bad = try lab.http("bad") { mood.answer("bad", $0) }
                let good = try lab.http("good") { _ in .response("good") }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [bad.address, good.address], nodes: 1, workers: 2,
                        pool: "health: {path: /healthz, interval: 100ms}, "
                            + "outlier: {consecutive_errors: 3, ejection: 1500ms, max_ejected: 50%}"))
                let load = lab.load(port, connections: 4)
                try load.progress()
                try Eventually.holds("requests at both") { !bad.requests(for: "/").isEmpty && !good.requests.isEmpty }
                #expect(load.report.failed == 0, "\(load.report)")
                mood.set(.error)
                try Eventually.holds("the ejection", every: .milliseconds(30)) {
                    try site.metric("sluice_endpoint_ejected", ["endpoint": bad.address]) == 1
                }
                let failed = load.report.failed
                // What four connections had under way when the third failure came may fail as well.
                #expect((3...3 + 4).contains(failed), "\(load.report)")
                #expect(load.report.failures.keys.allSatisfy { $0 == "status 500" }, "\(load.report)")
                let state = try #require(try site.control.endpoint("app", bad.address))
                #expect(state["state"]?.text == "ejected", "\(state)")
                // Probes go on and pass; they don't bring it back.
                let probes = bad.requests(for: "/healthz").count
                let requests = bad.requests(for: "/").count
                try Eventually.holds("three more probes") { bad.requests(for: "/healthz").count >= probes + 3 }
                #expect(bad.requests(for: "/").count == requests, "an ejected endpoint got requests")
                #expect(load.report.failed == failed, "\(load.report)")
                mood.set(.good)
                try Eventually.holds("requests at the endpoint that is back") {
                    bad.requests(for: "/").count > requests
                }
                try load.progress()
                let report = try load.stop()
                #expect(report.failed == failed, "\(report)")
                #expect(
                    try site.metric(
                        "sluice_endpoint_ejections_total",
                        ["endpoint": bad.address, "reason": "consecutive-errors"]) == 1)
                #expect(site.log.contains("app/\(bad.address) is ejected for 1500 ms: consecutive-errors"))
            }
        }

        @Test("the last one stays: with every endpoint failing no more than max_ejected are ejected, and all are tried")
        func boundedEjections() throws {
            try Lab.run { lab in
                let moods = (0..<4).map { _ in Mood() }
                let apps = try moods.enumerated().map { number, mood in
                    try lab.http("app\(number)") { mood.answer("app\(number)", $0) }
                }
                for mood in moods { mood.set(.error) }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: apps.map(\.address), nodes: 1,
                        pool: "outlier: {consecutive_errors: 2, ejection: 60s, max_ejected: 50%}"))
                for _ in 0..<60 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 500) }
                #expect(try site.metric("sluice_endpoint_ejected") == 2)
                #expect(try site.metric("sluice_endpoint_ejections_held_total") > 0)
                for mood in moods { mood.set(.good) }
                for _ in 0..<20 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
            }
        }

        @Test("an endpoint that fails most requests, but never many in a row, is ejected by percentage")
        func failurePercentage() throws {
            try Lab.run { lab in
                let counter = Mutex(0)
                let bad = try lab.http("bad") { _ in
                    let number = counter.withLock { count in
                        count += 1
                        return count
                    }
                    return number % 4 == 0 ? .response("bad") : .response("no", status: "503 Service Unavailable")
                }
                let good = try (0..<2).map { number in try lab.http("good\(number)") }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [bad.address] + good.map(\.address), nodes: 1,
                        pool: "outlier: {consecutive_errors: 10, interval: 300ms, ejection: 60s, max_ejected: 34%, "
                            + "failure_percentage: {threshold: 70%, minimum_endpoints: 3, minimum_requests: 10}, "
                            + "success_rate: {deviations: 0}}"))
                let load = lab.load(port, connections: 4)
                try Eventually.holds("the ejection", every: .milliseconds(30)) {
                    try site.metric(
                        "sluice_endpoint_ejections_total",
                        ["endpoint": bad.address, "reason": "failure-percentage"]) == 1
                }
                let requests = bad.requests.count
                try load.progress(by: 50)
                // Those under way when it was ejected may have arrived since.
                #expect(bad.requests.count <= requests + 4)
                try load.stop()
                #expect(try site.metric("sluice_endpoint_ejected") == 1)
            }
        }

        @Test("a site that takes `outlier` away lets its endpoints back at once")
        func switchedOff() throws {
            try Lab.run { lab in
                let mood = Mood()
                let bad = try lab.http("bad") { mood.answer("bad", $0) }
                let good = try lab.http("good") { _ in .response("good") }
                let port = try Ports.unused()
                let pool = "outlier: {consecutive_errors: 2, ejection: 1h, max_ejection: 1h, max_ejected: 50%}"
                let site = try lab.site(SiteText.http(port, to: [bad.address, good.address], nodes: 1, pool: pool))
                mood.set(.breaks)
                for _ in 0..<20 { #expect(try Curl.get("http://127.0.0.1:\(port)/").text == "good") }
                #expect(try site.metric("sluice_endpoint_ejected", ["endpoint": bad.address]) == 1)
                mood.set(.good)
                let before = bad.requests.count
                try site.rewrite(SiteText.http(port, to: [bad.address, good.address], nodes: 1))
                try site.command.succeed(["apply", site.file])
                try Eventually.holds("requests at the endpoint") {
                    _ = try Curl.get("http://127.0.0.1:\(port)/")
                    return bad.requests.count > before
                }
            }
        }
    }
}
