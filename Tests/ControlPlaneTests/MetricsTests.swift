import NodeLink
import Testing

@testable import ControlPlane

private func sample(_ name: String, _ labels: [(String, String)], _ value: Double) -> Sample {
    Sample(name, labels.map { Sample.Label($0.0, $0.1) }, value)
}

@Suite("Totals over nodes")
struct ReportLedgerTests {
    private let requests = [("listener", "web"), ("code", "200")]

    @Test("equal samples are added whatever the order of their labels; an endpoint is up if one node says so")
    func adds() {
        var ledger = ReportLedger()
        ledger.record(
            Report(samples: [sample("sluice_requests_total", requests, 3), sample("sluice_endpoint_up", [], 0)]),
            of: "a")
        ledger.record(
            Report(samples: [
                sample("sluice_requests_total", requests.reversed(), 4), sample("sluice_endpoint_up", [], 1),
            ]), of: "b")
        let totals = ledger.totals(answered: ["a", "b"])
        #expect(totals.count == 2)
        #expect(totals.sum("sluice_requests_total", ["code": "200"]) == 7)
        #expect(totals.sum("sluice_endpoint_up") == 1)
    }

    @Test("counters of a node that ended stay; its gauges go")
    func keepsCountersOfTheDead() {
        var ledger = ReportLedger()
        let report = Report(samples: [
            sample("sluice_requests_total", requests, 3), sample("sluice_connections", [], 9),
            sample("sluice_request_duration_seconds_bucket", [("le", "0.1")], 2),
        ])
        ledger.record(report, of: "a")
        ledger.ended("a")
        ledger.record(report, of: "a")
        let totals = ledger.totals(answered: ["a"])
        #expect(totals.sum("sluice_requests_total") == 6)
        #expect(totals.sum("sluice_request_duration_seconds_bucket") == 4)
        #expect(totals.sum("sluice_connections") == 9)
    }

    @Test("of a silent node the last counters count, its gauges don't")
    func keepsCountersOfTheSilent() {
        var ledger = ReportLedger()
        ledger.record(
            Report(samples: [sample("sluice_requests_total", [], 3), sample("sluice_connections", [], 9)]), of: "a")
        let totals = ledger.totals(answered: [])
        #expect(totals.sum("sluice_requests_total") == 3)
        #expect(totals.sum("sluice_connections") == 0)
    }
}

@Suite("Prometheus text format")
struct PrometheusTextTests {
    @Test("a family has its help and type once; histogram buckets are in the order of their bounds")
    func renders() {
        let text = PrometheusText.render([
            sample("sluice_request_duration_seconds_sum", [("route", "a")], 0.75),
            sample("sluice_request_duration_seconds_bucket", [("route", "a"), ("le", "+Inf")], 3),
            sample("sluice_request_duration_seconds_bucket", [("route", "a"), ("le", "10")], 2),
            sample("sluice_request_duration_seconds_bucket", [("route", "a"), ("le", "0.5")], 1),
            sample("sluice_request_duration_seconds_count", [("route", "a")], 3),
            sample("sluice_requests_total", [("route", "b")], 2), sample("sluice_requests_total", [("route", "a")], 1),
        ])
        #expect(
            text == """
                # HELP sluice_requests_total Requests answered, by listener, route and status code.
                # TYPE sluice_requests_total counter
                sluice_requests_total{route="a"} 1
                sluice_requests_total{route="b"} 2
                # HELP sluice_request_duration_seconds From the first byte of a request to the end of its answer.
                # TYPE sluice_request_duration_seconds histogram
                sluice_request_duration_seconds_bucket{route="a",le="0.5"} 1
                sluice_request_duration_seconds_bucket{route="a",le="10"} 2
                sluice_request_duration_seconds_bucket{route="a",le="+Inf"} 3
                sluice_request_duration_seconds_count{route="a"} 3
                sluice_request_duration_seconds_sum{route="a"} 0.75

                """)
    }

    @Test("what would break a label's quotes is escaped")
    func escapes() {
        let text = PrometheusText.render([sample("x_total", [("a", "q\"b\\n\nz")], 1)])
        #expect(text.contains(#"x_total{a="q\"b\\n\nz"} 1"#))
    }

    @Test(
        "values as Prometheus reads them",
        arguments: [
            (0, "0"), (1, "1"), (-2, "-2"), (0.1, "0.1"), (1e15, "1000000000000000.0"), (.infinity, "+Inf"),
            (.nan, "NaN"),
        ]
            as [(Double, String)])
    func values(value: Double, text: String) { #expect(PrometheusText.text(of: value) == text) }
}
