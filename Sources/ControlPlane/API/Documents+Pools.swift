import EventLoop
import Foundation
import NodeLink
import Snapshot

extension PoolsDocument.Endpoint {
    /// One endpoint, from what nodes count and what the site knows of it.
    init(
        _ address: SocketAddress, weight: Int, _ counts: EndpointCounts, state: String, _ view: EndpointLedger.View?,
        clock: WallClock
    ) {
        let failures = counts["sluice_endpoint_failures_total"]
        self.init(
            address: address.description, weight: weight, state: state, reason: view?.reason,
            since: clock.text(view?.since ?? clock.start),
            votes: .init(up: view?.votesUp ?? 0, down: view?.votesDown ?? 0), ejectedBy: view?.ejectedBy ?? [],
            requests: counts["sluice_endpoint_requests_total"], errors: failures + counts.serverErrors,
            ejections: counts["sluice_endpoint_ejections_total"], latencyMs: counts.latency,
            active: counts["sluice_endpoint_active"], failures: failures,
            connections: counts["sluice_endpoint_connections"])
    }
}

/// The time of day of instants, for people.
struct WallClock {
    /// The control plane's.
    let start: ContinuousClock.Instant
    private let now = (instant: ContinuousClock.now, date: Date.now)

    init(start: ContinuousClock.Instant) { self.start = start }

    func text(_ instant: ContinuousClock.Instant) -> String {
        let (seconds, attoseconds) = (now.instant - instant).components
        return now.date.addingTimeInterval(-Double(seconds) - Double(attoseconds) / 1e18).formatted(.iso8601)
    }
}

/// The samples of one endpoint, over all nodes: a site with many endpoints is walked once, not once for each.
struct EndpointCounts {
    private var sums: [String: Double] = [:]
    private var errors = 0.0
    private var buckets: [Int: Double] = [:]

    static func byEndpoint(_ samples: [Sample]) -> [Members.EndpointKey: EndpointCounts] {
        var counts: [Members.EndpointKey: EndpointCounts] = [:]
        for sample in samples {
            guard let pool = sample.label("pool"), let address = sample.label("endpoint").flatMap({ SocketAddress($0) })
            else { continue }
            counts[Members.EndpointKey(pool: pool, address: address), default: EndpointCounts()].add(sample)
        }
        return counts
    }

    private mutating func add(_ sample: Sample) {
        if sample.name == "sluice_endpoint_latency_bucket" {
            if let bucket = sample.label("bucket").flatMap({ Int($0) }) { buckets[bucket, default: 0] += sample.value }
            return
        }
        sums[sample.name, default: 0] += sample.value
        if sample.name == "sluice_endpoint_requests_total", sample.label("code")?.hasPrefix("5") == true {
            errors += sample.value
        }
    }

    subscript(name: String) -> Int { Int((sums[name] ?? 0).rounded()) }

    /// Answers with 5xx.
    var serverErrors: Int { Int(errors.rounded()) }

    /// For `/metrics`.
    static func latencySamples(_ totals: [Sample]) -> [Sample] {
        byEndpoint(totals.filter { $0.name == "sluice_endpoint_latency_bucket" }).flatMap { endpoint, counts in
            [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99)].compactMap { name, share in
                LatencyScale.percentile(share, of: counts.buckets).map { nanoseconds in
                    Sample(
                        "sluice_endpoint_latency_seconds",
                        [
                            .init("pool", endpoint.pool), .init("endpoint", endpoint.address.description),
                            .init("quantile", name),
                        ], Double(nanoseconds) / 1e9)
                }
            }
        }
    }

    var latency: PoolsDocument.Latency {
        func milliseconds(_ share: Double) -> Double? {
            LatencyScale.percentile(share, of: buckets).map { (Double($0) / 10_000).rounded() / 100 }
        }
        return .init(p50: milliseconds(0.5), p90: milliseconds(0.9), p99: milliseconds(0.99))
    }
}

extension Sample {
    fileprivate func label(_ name: String) -> String? { labels.first { $0.name == name }?.value }
}
