import Balancing
import Testing

@Suite("OutlierDetector")
struct OutlierDetectorTests {
    private static let second: UInt64 = 1_000_000_000

    /// Ten endpoints, numbered from 100, that have counted nothing.
    private func detector(_ settings: OutlierSettings, count: Int = 10) -> OutlierDetector {
        OutlierDetector(
            settings, endpoints: (0..<count).map { UInt32(100 + $0) },
            counts: [OutlierCounts](repeating: .init(), count: count), now: 0)
    }

    private func alike(_ requests: UInt64, _ errors: UInt64, count: Int = 10) -> [OutlierCounts] {
        [OutlierCounts](repeating: .init(requests: requests, errors: errors), count: count)
    }

    private func settings(
        failure: OutlierSettings.FailurePercentage = .init(threshold: 0),
        success: OutlierSettings.SuccessRate = .init(deviationsThousandths: 0), ejectedPercentMax: Int = 100
    ) -> OutlierSettings {
        OutlierSettings(ejectedPercentMax: ejectedPercentMax, failurePercentage: failure, successRate: success)
    }

    private func isEjection(_ change: OutlierDetector.Change, _ cause: OutlierCause) -> Bool {
        if case .ejected(cause, _) = change.kind { true } else { false }
    }

    // MARK: consecutive errors

    @Test("failures in a row eject for the first time's length")
    func consecutive() {
        var detector = detector(settings())
        let change = detector.failedInARow(103, now: 5)
        #expect(
            change == .init(endpoint: 103, kind: .ejected(.consecutiveErrors, nanoseconds: 30 * Self.second)))
        #expect(detector.ejected == [103])
        // Requests that were under way fail too, and change nothing.
        #expect(detector.failedInARow(103, now: 6) == nil)
        #expect(detector.failedInARow(99, now: 6) == nil, "an endpoint that isn't the pool's")
    }

    @Test("0 switches the rule off")
    func consecutiveOff() {
        var settings = settings()
        settings.consecutiveErrors = 0
        var detector = detector(settings)
        #expect(detector.failedInARow(103, now: 5) == nil)
    }

    // MARK: max_ejected

    @Test(
        "at most so many percent are ejected, but always one",
        arguments: [(0, 1), (9, 1), (10, 1), (19, 1), (20, 2), (29, 2), (30, 3), (99, 9), (100, 10)])
    func bounded(percent: Int, most: Int) {
        var detector = detector(settings(ejectedPercentMax: percent))
        for number in 0..<10 {
            let change = detector.failedInARow(UInt32(100 + number), now: 5)
            #expect(change.map { isEjection($0, .consecutiveErrors) } == (number < most))
            if number >= most { #expect(change?.kind == .held(.consecutiveErrors)) }
        }
        #expect(detector.ejected.count == most)
    }

    @Test("one that is back makes room for another")
    func roomAgain() {
        var detector = detector(settings(ejectedPercentMax: 10))
        _ = detector.failedInARow(100, now: 0)
        #expect(detector.failedInARow(101, now: 1)?.kind == .held(.consecutiveErrors))
        let changes = detector.review(counts: alike(0, 0), now: 30 * Self.second)
        #expect(changes.contains(.init(endpoint: 100, kind: .returned)))
        #expect(
            detector.failedInARow(101, now: 30 * Self.second + 1).map { isEjection($0, .consecutiveErrors) } == true)
    }

    // MARK: time

    @Test("the deadline is the interval's end or the first return, whichever comes first")
    func deadlines() {
        var settings = settings()
        settings.ejection = .seconds(3)
        var detector = detector(settings)
        #expect(detector.deadline == 10 * Self.second)
        _ = detector.failedInARow(100, now: 2 * Self.second)
        #expect(detector.deadline == 5 * Self.second)
        #expect(detector.review(counts: alike(0, 0), now: 5 * Self.second - 1) == [])
        #expect(
            detector.review(counts: alike(0, 0), now: 5 * Self.second) == [.init(endpoint: 100, kind: .returned)])
        #expect(detector.deadline == 10 * Self.second)
        _ = detector.review(counts: alike(0, 0), now: 12 * Self.second)
        #expect(detector.deadline == 22 * Self.second, "a whole interval after a late review")
    }

    @Test("ejected again and again, longer each time; quiet intervals forgive")
    func growingAndShrinking() {
        var settings = settings()
        settings.ejection = .seconds(1)
        settings.ejectionMax = .seconds(3)
        settings.interval = .seconds(10)
        var detector = detector(settings)
        var now: UInt64 = 0
        func length(_ change: OutlierDetector.Change?) -> UInt64? {
            if case .ejected(_, let nanoseconds) = change?.kind { nanoseconds / Self.second } else { nil }
        }
        var lengths: [UInt64?] = []
        for _ in 0..<4 {
            lengths.append(length(detector.failedInARow(100, now: now)))
            now += 3 * Self.second
            _ = detector.review(counts: alike(0, 0), now: now)
        }
        #expect(lengths == [1, 2, 3, 3])
        // The interval with the ejections forgives none of them; the next two forgive one each.
        now = 20 * Self.second
        _ = detector.review(counts: alike(0, 0), now: now)
        #expect(detector.state(of: 100)?.multiplier == 3)
        for expected in [2, 1] as [UInt32] {
            now += 10 * Self.second
            _ = detector.review(counts: alike(0, 0), now: now)
            #expect(detector.state(of: 100)?.multiplier == expected)
        }
        #expect(length(detector.failedInARow(100, now: now)) == 2)
    }

    // MARK: failure percentage

    @Test(
        "at the threshold, not below it",
        arguments: [(84, false), (85, true), (100, true)] as [(UInt64, Bool)])
    func failurePercentage(errors: UInt64, isEjected: Bool) {
        var detector = detector(settings(failure: .init()))
        var counts = alike(100, 0)
        counts[4].errors = errors
        let changes = detector.review(counts: counts, now: 10 * Self.second)
        #expect(changes.count == (isEjected ? 1 : 0))
        #expect(changes.allSatisfy { $0.endpoint == 104 && isEjection($0, .failurePercentage) })
    }

    @Test("an endpoint with too few requests isn't judged", arguments: [(49, false), (50, true)] as [(UInt64, Bool)])
    func failureVolume(requests: UInt64, isEjected: Bool) {
        var detector = detector(settings(failure: .init()))
        var counts = alike(100, 0)
        counts[4] = OutlierCounts(requests: requests, errors: requests)
        #expect(detector.review(counts: counts, now: 10 * Self.second).isEmpty != isEjected)
    }

    @Test("with too few endpoints that have requests nobody is judged", arguments: [(4, false), (5, true)])
    func failureHosts(busy: Int, isEjected: Bool) {
        var detector = detector(settings(failure: .init()))
        var counts = alike(0, 0)
        for index in 0..<busy { counts[index] = OutlierCounts(requests: 50, errors: index == 0 ? 50 : 0) }
        #expect(detector.review(counts: counts, now: 10 * Self.second).isEmpty != isEjected)
    }

    @Test("each interval is judged by its own requests")
    func windows() {
        var detector = detector(settings(failure: .init()))
        var counts = alike(1000, 0)
        counts[4].errors = 840
        #expect(detector.review(counts: counts, now: 10 * Self.second) == [])
        // 50 more, all failed: 89 % of all would be over the threshold as well, 50 of 60 would not.
        counts = alike(1060, 0)
        counts[4] = OutlierCounts(requests: 1060, errors: 890)
        #expect(detector.review(counts: counts, now: 20 * Self.second) == [])
        counts = alike(1120, 0)
        counts[4] = OutlierCounts(requests: 1120, errors: 941)
        #expect(detector.review(counts: counts, now: 30 * Self.second).map(\.endpoint) == [104])
    }

    @Test("what happened while it was ejected doesn't count when it is back")
    func cleanReturn() {
        var settings = settings(failure: .init())
        settings.ejection = .seconds(1)
        var detector = detector(settings)
        _ = detector.failedInARow(104, now: 9 * Self.second)
        var counts = alike(100, 0)
        counts[4].errors = 100
        #expect(detector.review(counts: counts, now: 10 * Self.second) == [.init(endpoint: 104, kind: .returned)])
        #expect(detector.ejected == [])
        counts = alike(200, 0)
        counts[4] = OutlierCounts(requests: 200, errors: 100)
        #expect(detector.review(counts: counts, now: 20 * Self.second) == [], "the errors are from before")
    }

    // MARK: success rate

    /// A second implementation: sums instead of arrays, integers where they are exact.
    private func naiveOutliers(_ counts: [OutlierCounts], _ rule: OutlierSettings.SuccessRate) -> [UInt32] {
        let busy = counts.indices.filter { counts[$0].requests >= UInt64(rule.requestsMin) }
        guard busy.count >= rule.endpointsMin else { return [] }
        let rates = busy.map { Double(counts[$0].requests - counts[$0].errors) * 100 / Double(counts[$0].requests) }
        let sum = rates.reduce(0, +), squares = rates.map { $0 * $0 }.reduce(0, +), n = Double(busy.count)
        let deviation = max(squares / n - (sum / n) * (sum / n), 0).squareRoot()
        let bound = sum / n - deviation * Double(rule.deviationsThousandths) / 1000
        // A rate within rounding of the bound may fall on either side: such samples are left out by the caller.
        return zip(busy, rates).filter { $1 < bound - 1e-7 }.map { UInt32(100 + $0.0) }
    }

    @Test("the same endpoints as a naive implementation finds", arguments: 0..<200 as Range<UInt64>)
    func successRate(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let rule = OutlierSettings.SuccessRate(
            deviationsThousandths: 500 + Int(random.next(below: 2500)), endpointsMin: 3, requestsMin: 100)
        let count = 2 + Int(random.next(below: 12))
        var detector = detector(settings(success: rule), count: count)
        let counts = (0..<count).map { _ in
            let requests = 50 + UInt64(random.next(below: 400))
            let worst = random.next(below: 5) == 0 ? UInt32(requests) : UInt32(requests / 20)
            return OutlierCounts(requests: requests, errors: UInt64(random.next(below: worst + 1)))
        }
        let changes = detector.review(counts: counts, now: 10 * Self.second)
        #expect(changes.map(\.endpoint) == naiveOutliers(counts, rule), "seed \(seed)")
        #expect(changes.allSatisfy { isEjection($0, .successRate) })
    }

    @Test("endpoints that are all equally bad are no outliers")
    func alikeAreNoOutliers() {
        var detector = detector(settings(success: .init()))
        #expect(detector.review(counts: alike(1000, 900), now: 10 * Self.second) == [])
    }

    // MARK: revisions

    @Test("an endpoint that stays keeps its ejection, a new one begins trusted with what it had counted")
    func adopts() {
        var detector = detector(settings(failure: .init(endpointsMin: 1)))
        _ = detector.failedInARow(101, now: 0)
        detector.adopt(
            settings(failure: .init(endpointsMin: 1)), endpoints: [101, 200],
            counts: [.init(), .init(requests: 500, errors: 500)], now: 1)
        #expect(detector.ejected == [101])
        #expect(
            detector.review(counts: [.init(), .init(requests: 500, errors: 500)], now: 10 * Self.second) == [],
            "what 200 counted before it came is no failure of now")
        detector.adopt(settings(), endpoints: [200], counts: [.init()], now: 1)
        #expect(detector.ejected == [])
    }

    // MARK: invariants

    @Test("whatever happens: ejections stay bounded, and each ends in time", arguments: 0..<50 as Range<UInt64>)
    func invariants(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let count = 1 + Int(random.next(below: 20))
        var settings = OutlierSettings(
            consecutiveErrors: 5, interval: .seconds(1 + Int64(random.next(below: 10))),
            ejection: .seconds(1 + Int64(random.next(below: 30))), ejectionMax: .seconds(60),
            ejectedPercentMax: Int(random.next(below: 101)))
        settings.failurePercentage.requestsMin = 5
        settings.successRate.requestsMin = 5
        settings.successRate.endpointsMin = 2
        var detector = detector(settings, count: count)
        let most = max(1, settings.ejectedPercentMax * count / 100)
        var counts = alike(0, 0, count: count)
        var since: [UInt32: UInt64] = [:]
        var now: UInt64 = 0
        for _ in 0..<500 {
            now += UInt64(random.next(below: 2_000_000_000))
            var changes: [OutlierDetector.Change] = []
            for index in 0..<count {
                let requests = UInt64(random.next(below: 20))
                counts[index].requests += requests
                counts[index].errors += UInt64(random.next(below: UInt32(requests) + 1))
                if random.next(below: 30) == 0, let change = detector.failedInARow(UInt32(100 + index), now: now) {
                    if case .held = change.kind { #expect(detector.ejected.count >= most, "seed \(seed)") }
                    changes.append(change)
                }
            }
            if detector.deadline <= now { changes += detector.review(counts: counts, now: now) }
            for change in changes {
                switch change.kind {
                case .ejected(_, let nanoseconds):
                    #expect(since[change.endpoint] == nil, "seed \(seed): ejected twice")
                    #expect(nanoseconds <= 60 * Self.second)
                    since[change.endpoint] = now + nanoseconds
                case .returned:
                    #expect(since.removeValue(forKey: change.endpoint).map { $0 <= now } == true, "seed \(seed)")
                case .held: break
                }
            }
            #expect(detector.ejected.count <= most, "seed \(seed)")
            #expect(Set(detector.ejected) == Set(since.keys), "seed \(seed)")
            #expect(since.values.allSatisfy { $0 > now }, "seed \(seed): an ejection outlasts its time")
        }
    }
}
