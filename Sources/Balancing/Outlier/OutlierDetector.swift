/// Passive health of one pool at one node: which endpoints are ejected for what they do to real requests.
///
/// Envoy's published algorithm. Pure: counts and `now` in, changes out; times are monotonic nanoseconds.
package struct OutlierDetector: Sendable {
    package struct Change: Equatable, Sendable {
        package enum Kind: Equatable, Sendable {
            /// For so many nanoseconds.
            case ejected(OutlierCause, nanoseconds: UInt64)
            /// As many as may be are ejected already: it stays.
            case held(OutlierCause)
            case returned
        }
        /// The endpoint, as in `adopt`.
        package let endpoint: UInt32
        package let kind: Kind

        package init(endpoint: UInt32, kind: Kind) {
            self.endpoint = endpoint
            self.kind = kind
        }
    }

    private struct Subject {
        let endpoint: UInt32
        var state = OutlierState()
        /// What it had counted when the interval began, or when it came back.
        var counted = OutlierCounts()
        /// It was ejected in this interval.
        var wasEjected = false
    }

    package private(set) var settings: OutlierSettings
    private var subjects: [Subject] = []
    private var intervalEndsAt: UInt64

    package init(_ settings: OutlierSettings, endpoints: [UInt32], counts: [OutlierCounts], now: UInt64) {
        self.settings = settings
        intervalEndsAt = now &+ OutlierDetector.nanoseconds(settings.interval)
        adopt(settings, endpoints: endpoints, counts: counts, now: now)
    }

    package func state(of endpoint: UInt32) -> OutlierState? { subjects.first { $0.endpoint == endpoint }?.state }

    package var ejected: [UInt32] { subjects.filter(\.state.isEjected).map(\.endpoint) }

    /// When `review` is due.
    package var deadline: UInt64 {
        subjects.reduce(intervalEndsAt) { earliest, subject in
            guard case .ejected(let until, _) = subject.state.status else { return earliest }
            return min(earliest, until)
        }
    }

    /// Takes the settings and endpoints of a new revision. An endpoint that stays keeps its state.
    package mutating func adopt(
        _ settings: OutlierSettings, endpoints: [UInt32], counts: [OutlierCounts], now: UInt64
    ) {
        precondition(endpoints.count == counts.count, "\(endpoints.count) endpoints, \(counts.count) counts")
        if settings.interval != self.settings.interval {
            intervalEndsAt = now &+ OutlierDetector.nanoseconds(settings.interval)
        }
        self.settings = settings
        let known = Dictionary(subjects.map { ($0.endpoint, $0) }) { first, _ in first }
        subjects = zip(endpoints, counts).map { known[$0] ?? Subject(endpoint: $0, counted: $1) }
    }

    /// An endpoint has failed `consecutiveErrors` requests in a row.
    package mutating func failedInARow(_ endpoint: UInt32, now: UInt64) -> Change? {
        guard settings.consecutiveErrors > 0, let index = subjects.firstIndex(where: { $0.endpoint == endpoint })
        else { return nil }
        return eject(index, .consecutiveErrors, now: now)
    }

    /// Lets endpoints back whose time is over and, when an interval has ended, judges the others.
    ///
    /// - Parameter counts: By endpoint, in the order of `adopt`.
    package mutating func review(counts: [OutlierCounts], now: UInt64) -> [Change] {
        precondition(counts.count == subjects.count, "\(counts.count) counts of \(subjects.count) endpoints")
        var changes: [Change] = []
        for index in subjects.indices where subjects[index].state.returnIfDue(now: now) {
            // What it did before doesn't count against it again.
            subjects[index].counted = counts[index]
            changes.append(Change(endpoint: subjects[index].endpoint, kind: .returned))
        }
        guard intervalEndsAt <= now else { return changes }
        // Counted from now: a late review is followed by a whole interval, not by several at once.
        intervalEndsAt = now &+ OutlierDetector.nanoseconds(settings.interval)
        let window = subjects.indices.map { counts[$0].since(subjects[$0].counted) }
        for index in subjects.indices {
            if !subjects[index].wasEjected { subjects[index].state.forgive() }
            subjects[index].wasEjected = subjects[index].state.isEjected
            subjects[index].counted = counts[index]
        }
        changes += judgeFailurePercentage(window, now: now)
        changes += judgeSuccessRate(window, now: now)
        return changes
    }

    private mutating func judgeFailurePercentage(_ window: [OutlierCounts], now: UInt64) -> [Change] {
        let rule = settings.failurePercentage
        guard rule.threshold > 0 else { return [] }
        let judged = judged(window, requestsMin: rule.requestsMin)
        guard !judged.isEmpty, judged.count >= rule.endpointsMin else { return [] }
        return judged.compactMap { index in
            let (percentage, threshold) = (window[index].errors * 100, UInt64(rule.threshold) * window[index].requests)
            return percentage >= threshold ? eject(index, .failurePercentage, now: now) : nil
        }
    }

    private mutating func judgeSuccessRate(_ window: [OutlierCounts], now: UInt64) -> [Change] {
        let rule = settings.successRate
        guard rule.deviationsThousandths > 0 else { return [] }
        let judged = judged(window, requestsMin: rule.requestsMin)
        guard !judged.isEmpty, judged.count >= rule.endpointsMin else { return [] }
        let rates = judged.map { index in
            1 - Double(min(window[index].errors, window[index].requests)) / Double(window[index].requests)
        }
        let mean = rates.reduce(0, +) / Double(rates.count)
        let variance = rates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rates.count)
        let threshold = mean - variance.squareRoot() * Double(rule.deviationsThousandths) / 1000
        return zip(judged, rates).compactMap { index, rate in
            rate < threshold ? eject(index, .successRate, now: now) : nil
        }
    }

    /// Endpoints with enough requests to be judged; an ejected one isn't judged twice.
    private func judged(_ window: [OutlierCounts], requestsMin: Int) -> [Int] {
        subjects.indices.filter {
            !subjects[$0].state.isEjected && window[$0].requests >= UInt64(max(requestsMin, 1))
        }
    }

    private mutating func eject(_ index: Int, _ cause: OutlierCause, now: UInt64) -> Change? {
        guard !subjects[index].state.isEjected else { return nil }
        let endpoint = subjects[index].endpoint
        let count = subjects.count { $0.state.isEjected }
        guard count == 0 || (count + 1) * 100 <= settings.ejectedPercentMax * subjects.count else {
            return Change(endpoint: endpoint, kind: .held(cause))
        }
        let (base, longest) = (
            OutlierDetector.nanoseconds(settings.ejection), OutlierDetector.nanoseconds(settings.ejectionMax)
        )
        guard
            let duration = subjects[index].state.eject(cause: cause, base: base, longest: longest, now: now)
        else { return nil }
        subjects[index].wasEjected = true
        return Change(endpoint: endpoint, kind: .ejected(cause, nanoseconds: duration))
    }

    private static func nanoseconds(_ duration: Duration) -> UInt64 {
        let (seconds, attoseconds) = duration.components
        return UInt64(max(seconds, 0)) &* 1_000_000_000 &+ UInt64(max(attoseconds, 0)) / 1_000_000_000
    }
}
