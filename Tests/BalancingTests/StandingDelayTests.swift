import Balancing
import Testing

@Suite("Standing delay")
struct StandingDelayTests {
    private static let limit: UInt64 = 1000
    private static let interval = StandingDelay.intervalNanoseconds

    @Test("a delay is too long when it has been at the limit for 100 ms", arguments: [(999, false), (1000, true)])
    func limit(delay: UInt64, isOver: Bool) {
        var state = StandingDelay()
        state.observed(delay, limit: StandingDelayTests.limit, now: 1)
        #expect(!state.isOver)
        state.observed(delay, limit: StandingDelayTests.limit, now: StandingDelayTests.interval)
        #expect(!state.isOver)
        state.observed(delay, limit: StandingDelayTests.limit, now: StandingDelayTests.interval + 1)
        #expect(state.isOver == isOver)
    }

    @Test("one observation below the limit starts the time over")
    func burst() {
        var state = StandingDelay()
        for now in stride(from: UInt64(1), to: 10 * StandingDelayTests.interval, by: 10_000_000) {
            let isBelow = now / 10_000_000 % 9 == 8
            state.observed(isBelow ? 999 : 50_000, limit: StandingDelayTests.limit, now: now)
            #expect(!state.isOver)
        }
    }

    @Test("it is over at half of the limit", arguments: [(500, true), (499, false)])
    func recovery(delay: UInt64, isOver: Bool) {
        var state = StandingDelay()
        state.observed(5000, limit: StandingDelayTests.limit, now: 1)
        state.observed(5000, limit: StandingDelayTests.limit, now: 1 + StandingDelayTests.interval)
        #expect(state.isOver)
        state.observed(delay, limit: StandingDelayTests.limit, now: 2 + StandingDelayTests.interval)
        #expect(state.isOver == isOver)
    }

    @Test("with nothing that waits it is over at once, and begins anew")
    func calm() {
        var state = StandingDelay()
        state.observed(5000, limit: StandingDelayTests.limit, now: 1)
        state.observed(5000, limit: StandingDelayTests.limit, now: 1 + StandingDelayTests.interval)
        state.calm()
        #expect(!state.isOver)
        state.observed(5000, limit: StandingDelayTests.limit, now: 2 + StandingDelayTests.interval)
        #expect(!state.isOver)
    }
}
