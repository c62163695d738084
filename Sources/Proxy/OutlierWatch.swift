import Balancing
import EventLoop
import NodeAgent
import NodeLink
import Snapshot

/// The outlier detectors of a proxy node's pools. On the agent's thread; the workers only count.
@safe
struct OutlierWatch {
    /// What the workers are told.
    struct Verdict: Equatable {
        let endpoint: UInt32
        let isEjected: Bool
    }

    private struct Watched {
        var detector: OutlierDetector
        var numbers: [UInt32]
    }

    private var pools: [String: Watched] = [:]
    /// By endpoint number.
    private var poolNames: [UInt32: String] = [:]
    private let registry: IdentityRegistry
    private let workers: Int
    private var changes: [TrustChange] = []
    private var verdicts: [Verdict] = []
    /// Since the start, by endpoint number and cause.
    private var ejections: [UInt32: [OutlierCause: UInt64]] = [:]
    private var held: [UInt32: [OutlierCause: UInt64]] = [:]

    init(registry: IdentityRegistry, workers: Int) {
        self.registry = registry
        self.workers = workers
    }

    var deadline: UInt64? { pools.values.map(\.detector.deadline).min() }

    var ejected: Set<EndpointKey> {
        Set(pools.values.flatMap(\.detector.ejected).map { registry.endpoints[Int($0)] })
    }

    /// Takes a new snapshot. Endpoints that stay keep their state; those that leave the detection are let back.
    mutating func adopt(_ snapshot: Snapshot, now: UInt64) {
        let before = Set(pools.values.flatMap(\.detector.ejected))
        var next: [String: Watched] = [:]
        poolNames = [:]
        for pool in snapshot.pools {
            guard let settings = pool.outlier else { continue }
            let numbers = pool.endpoints.map { registry.number(of: EndpointKey(pool: pool.name, address: $0.address)) }
            let counts = numbers.map { self.counts(of: $0) }
            for number in numbers { poolNames[number] = pool.name }
            if var watched = pools[pool.name] {
                if watched.detector.settings.consecutiveErrors != settings.consecutiveErrors {
                    // Workers speak when a streak reaches the threshold: one beyond a lower threshold never would.
                    for number in numbers { endStreak(of: number) }
                }
                watched.detector.adopt(settings, endpoints: numbers, counts: counts, now: now)
                watched.numbers = numbers
                next[pool.name] = watched
            } else {
                next[pool.name] = Watched(
                    detector: OutlierDetector(settings, endpoints: numbers, counts: counts, now: now), numbers: numbers)
            }
        }
        pools = next
        let after = Set(pools.values.flatMap(\.detector.ejected))
        for number in before.subtracting(after).sorted() {
            verdicts.append(Verdict(endpoint: number, isEjected: false))
            changes.append(TrustChange(endpoint: registry.endpoints[Int(number)], kind: .returned))
        }
    }

    mutating func failedInARow(_ number: UInt32, now: UInt64) {
        guard let name = poolNames[number] else { return }
        if let change = pools[name]?.detector.failedInARow(number, now: now) { note(change) }
        // Also when nothing came of it: as many failures again ask again.
        endStreak(of: number)
    }

    mutating func review(now: UInt64) {
        for name in pools.keys.sorted() {
            guard let watched = pools[name], watched.detector.deadline <= now else { continue }
            let counts = watched.numbers.map { self.counts(of: $0) }
            let found = pools[name]?.detector.review(counts: counts, now: now) ?? []
            for change in found { note(change) }
        }
    }

    /// What has changed since the last call.
    mutating func take() -> (verdicts: [Verdict], changes: [TrustChange]) {
        defer { (verdicts, changes) = ([], []) }
        return (verdicts, changes)
    }

    private mutating func note(_ change: OutlierDetector.Change) {
        switch change.kind {
        case .ejected(let cause, _):
            ejections[change.endpoint, default: [:]][cause, default: 0] += 1
            verdicts.append(Verdict(endpoint: change.endpoint, isEjected: true))
        case .held(let cause):
            held[change.endpoint, default: [:]][cause, default: 0] += 1
            return
        case .returned:
            // What was under way when it was ejected doesn't count against it now.
            endStreak(of: change.endpoint)
            verdicts.append(Verdict(endpoint: change.endpoint, isEjected: false))
        }
        changes.append(TrustChange(endpoint: registry.endpoints[Int(change.endpoint)], kind: change.kind))
    }

    private func counts(of number: UInt32) -> OutlierCounts {
        unsafe registry.outlierCounters(of: number, workers: workers).pointee.counts
    }

    private func endStreak(of number: UInt32) {
        unsafe registry.outlierCounters(of: number, workers: workers).pointee.endStreak()
    }

    // MARK: reports

    func samples() -> [Sample] {
        var samples: [Sample] = []
        for name in pools.keys.sorted() {
            guard let watched = pools[name] else { continue }
            for number in watched.numbers {
                let labels: [Sample.Label] = [
                    .init("pool", name), .init("endpoint", registry.endpoints[Int(number)].address.description),
                ]
                let isEjected = watched.detector.state(of: number)?.isEjected ?? false
                samples.append(Sample("sluice_endpoint_ejected", labels, isEjected ? 1 : 0))
                for cause in OutlierCause.allCases {
                    let reason = labels + [.init("reason", cause.name)]
                    let count = ejections[number]?[cause] ?? 0
                    samples.append(Sample("sluice_endpoint_ejections_total", reason, Double(count)))
                    guard let count = held[number]?[cause] else { continue }
                    samples.append(Sample("sluice_endpoint_ejections_held_total", reason, Double(count)))
                }
            }
        }
        return samples
    }
}
