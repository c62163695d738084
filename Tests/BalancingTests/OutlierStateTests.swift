import Balancing
import Testing

@Suite("OutlierState")
struct OutlierStateTests {
    private static let second: UInt64 = 1_000_000_000

    /// Every state that the machine can be in, with multipliers from none to the longest.
    private static let states: [OutlierState] = (0...4).flatMap { count -> [OutlierState] in
        var trusted = OutlierState()
        for _ in 0..<count {
            _ = trusted.eject(cause: .successRate, base: second, longest: 3 * second, now: 0)
            _ = trusted.returnIfDue(now: .max)
        }
        var ejected = trusted
        _ = ejected.eject(cause: .consecutiveErrors, base: second, longest: 3 * second, now: 10 * second)
        return [trusted, ejected]
    }

    @Test("eject: a trusted endpoint is ejected, an ejected one stays as it is", arguments: states)
    func eject(before: OutlierState) {
        var state = before
        let duration = state.eject(
            cause: .failurePercentage, base: Self.second, longest: 3 * Self.second, now: 7 * Self.second)
        guard !before.isEjected else {
            #expect(duration == nil)
            #expect(state == before)
            return
        }
        let multiplier = min(before.multiplier + 1, 3)
        #expect(duration == UInt64(multiplier) * Self.second)
        #expect(state.multiplier == multiplier)
        #expect(
            state.status == .ejected(until: (7 + UInt64(multiplier)) * Self.second, cause: .failurePercentage))
    }

    @Test("returnIfDue: at its time, not a nanosecond before; the multiplier stays", arguments: states)
    func returns(before: OutlierState) {
        var state = before
        guard case .ejected(let until, _) = before.status else {
            let returned = state.returnIfDue(now: .max)
            #expect(!returned && state == before)
            return
        }
        let early = state.returnIfDue(now: until - 1)
        #expect(!early && state == before)
        let inTime = state.returnIfDue(now: until)
        #expect(inTime && state.status == .trusted && state.multiplier == before.multiplier)
    }

    @Test("forgive: one ejection of a trusted endpoint, none of an ejected one", arguments: states)
    func forgives(before: OutlierState) {
        var state = before
        state.forgive()
        #expect(state.status == before.status)
        let expected = before.isEjected || before.multiplier == 0 ? before.multiplier : before.multiplier - 1
        #expect(state.multiplier == expected)
    }

    @Test("ejections grow by the first one's length up to the longest, and shrink with each quiet interval")
    func growth() {
        var state = OutlierState()
        var lengths: [UInt64] = []
        for _ in 0..<12 {
            lengths.append(state.eject(cause: .consecutiveErrors, base: 30, longest: 100, now: 0) ?? 0)
            _ = state.returnIfDue(now: 1000)
        }
        #expect(lengths == [30, 60, 90, 100, 100, 100, 100, 100, 100, 100, 100, 100])
        // However often it was ejected, four quiet intervals forgive it all.
        for _ in 0..<4 { state.forgive() }
        #expect(state.eject(cause: .consecutiveErrors, base: 30, longest: 100, now: 0) == 30)
    }

    @Test("an ejection is never shorter than the first one, nor does its length overflow")
    func bounds() {
        var short = OutlierState()
        #expect(short.eject(cause: .successRate, base: 50, longest: 10, now: 0) == 50)
        var long = OutlierState()
        let half = UInt64.max / 2
        for _ in 0..<3 {
            let length = long.eject(cause: .successRate, base: half, longest: half, now: 0)
            #expect(length == half)
            _ = long.returnIfDue(now: .max)
        }
    }
}
