import EventLoop
import Testing

@Suite("Coalescing")
struct CoalescingTests {
    /// Turns of `busy` of each `cycle` nanoseconds; what is asked to rest is added to the cycle.
    struct Loop {
        var coalescing = Coalescing()
        var now: UInt64 = 1_000_000_000
        var connections = Coalescing.connectionsMin

        /// - Returns: The rest that the turn is followed by, or nil when it isn't measured.
        mutating func turn(busy: UInt64, cycle: UInt64) -> UInt64? {
            defer { now += cycle }
            guard coalescing.isMeasuring(now: now) else { return nil }
            let rest = coalescing.rest(began: now, ended: now + busy, connections: connections)
            now += rest
            return rest
        }

        /// Rests in so many turns.
        mutating func rests(turns: Int, busy: UInt64, cycle: UInt64) -> Int {
            var count = 0
            for _ in 0..<turns where (turn(busy: busy, cycle: cycle) ?? 0) > 0 { count += 1 }
            return count
        }
    }

    @Test("a busy worker with time to spare rests once it has observed itself")
    func busy() {
        var loop = Loop()
        #expect(loop.rests(turns: Coalescing.observedTurns - 1, busy: 30_000, cycle: 40_000) == 0)
        #expect(loop.turn(busy: 30_000, cycle: 40_000) == Coalescing.restNanoseconds)
        #expect(loop.turn(busy: 30_000, cycle: 40_000) == Coalescing.restNanoseconds)
    }

    @Test("a worker without time to spare never rests", arguments: [(91, 0), (89, 1)])
    func saturated(percent: UInt64, restsMin: Int) {
        var loop = Loop()
        let rests = loop.rests(turns: 10 * Coalescing.observedTurns, busy: percent * 400, cycle: 40_000)
        #expect(restsMin == 0 ? rests == 0 : rests >= restsMin)
    }

    @Test("a worker that is idle most of the time never rests", arguments: [(49, 0), (50, 1)])
    func idle(percent: UInt64, restsMin: Int) {
        var loop = Loop()
        let rests = loop.rests(turns: 10 * Coalescing.observedTurns, busy: percent * 600, cycle: 60_000)
        #expect(restsMin == 0 ? rests == 0 : rests >= restsMin)
    }

    @Test("few connections are never made to wait")
    func fewConnections() {
        var loop = Loop()
        loop.connections = Coalescing.connectionsMin - 1
        #expect(loop.rests(turns: 10 * Coalescing.observedTurns, busy: 30_000, cycle: 40_000) == 0)
        loop.connections += 1
        loop.now += Coalescing.periodNanoseconds
        #expect(loop.rests(turns: 2 * Coalescing.observedTurns, busy: 30_000, cycle: 40_000) > 0)
    }

    @Test("a low rate ends the observation, which costs one turn in a period")
    func lowRate() {
        var loop = Loop()
        let slow = Coalescing.observationNanosecondsMax / UInt64(Coalescing.observedTurns) * 2
        var measured = 0
        let turns = 10_000
        for _ in 0..<turns where loop.turn(busy: slow / 2 + 1_000, cycle: slow) != nil { measured += 1 }
        let periods = UInt64(turns) * slow / Coalescing.periodNanoseconds + 1
        #expect(measured <= Int(periods) * (Coalescing.observedTurns / 2 + 1))
    }

    @Test("turns that are long by themselves aren't followed by a rest")
    func longTurns() {
        var loop = Loop()
        #expect(loop.rests(turns: Coalescing.observedTurns, busy: 30_000, cycle: 40_000) == 1)
        #expect(loop.turn(busy: Coalescing.longTurnNanoseconds - 1, cycle: 120_000) == Coalescing.restNanoseconds)
        #expect(loop.turn(busy: Coalescing.longTurnNanoseconds, cycle: 120_000) == 0)
    }

    @Test("rests that gather less work than they take end it for a period")
    func thinTurns() {
        var loop = Loop()
        #expect(loop.rests(turns: Coalescing.observedTurns, busy: 30_000, cycle: 40_000) == 1)
        let thin = Coalescing.restNanoseconds - 1
        #expect(loop.rests(turns: Coalescing.observedTurns, busy: thin, cycle: thin) == Coalescing.observedTurns - 1)
        #expect(loop.turn(busy: thin, cycle: thin) == nil)
    }

    @Test("after a period the worker observes itself again without rests")
    func period() {
        var loop = Loop()
        #expect(loop.rests(turns: Coalescing.observedTurns, busy: 30_000, cycle: 40_000) == 1)
        let start = loop.now
        while (loop.turn(busy: 30_000, cycle: 40_000) ?? 0) > 0 {}
        #expect(loop.now - start >= Coalescing.periodNanoseconds - 200_000)
        #expect(loop.rests(turns: Coalescing.observedTurns - 1, busy: 30_000, cycle: 40_000) == 0)
        #expect(loop.turn(busy: 30_000, cycle: 40_000) == Coalescing.restNanoseconds)
    }
}
