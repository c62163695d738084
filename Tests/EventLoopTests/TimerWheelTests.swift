import EventLoop
import Testing

/// A stream of numbers for one seed (splitmix64, Steele, Lea and Flood 2014).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

@Suite("TimerWheel")
struct TimerWheelTests {
    private static let tick: UInt64 = 1 << TimerWheel.tickShift
    /// 63 of the 64 top slots of 64³ ticks: what the wheel promises at least, less the part of a slot that has gone.
    private static let reach: UInt64 = 62 << 18

    /// Everything that fires at a time, in the order given.
    private func expired(_ wheel: inout TimerWheel, at now: UInt64) -> [UInt32] {
        var fired: [UInt32] = []
        while let id = wheel.popExpired(now: now) { fired.append(id) }
        return fired
    }

    /// Sets, moves, cancels and lets time pass at random, against a plain table of deadlines.
    @Test("nothing fires early, nothing later than a tick, nothing twice", arguments: 0..<40 as Range<UInt64>)
    func againstTable(seed: UInt64) {
        var numbers = SeededNumbers(seed: seed)
        var now = UInt64.random(in: 0...1 << 50, using: &numbers)
        var wheel = TimerWheel(now: now)
        var deadlines: [UInt32: UInt64] = [:]
        let ids: UInt32 = seed % 2 == 0 ? 8 : 700
        // Spans from below a tick to hours, so that every level is used.
        func span() -> UInt64 {
            let magnitude = UInt64.random(in: 1...46, using: &numbers)
            return UInt64.random(in: 0..<1 << magnitude, using: &numbers)
        }
        for step in 0..<4000 {
            let id = UInt32.random(in: 0..<ids, using: &numbers)
            switch Int.random(in: 0..<10, using: &numbers) {
            case 0..<5:
                // Now and then a deadline that has passed: as good as one that passes now.
                let isPast = Int.random(in: 0..<20, using: &numbers) == 0
                let deadline = isPast ? now - min(now, span()) : now + span()
                wheel.set(id, at: deadline)
                deadlines[id] = max(deadline, now)
            case 5..<7:
                wheel.cancel(id)
                deadlines[id] = nil
            default:
                now += span()
                for id in expired(&wheel, at: now) {
                    guard let deadline = deadlines.removeValue(forKey: id) else {
                        Issue.record("seed \(seed), step \(step): \(id) fired without a deadline")
                        return
                    }
                    #expect(deadline <= now, "seed \(seed), step \(step): \(id) fired early")
                }
                for (id, deadline) in deadlines where deadline + Self.tick <= now {
                    Issue.record("seed \(seed), step \(step): \(id) of \(deadline) has not fired at \(now)")
                    return
                }
            }
        }
    }

    /// Follows the advice of `millisecondsUntilNext`, as a loop does.
    @Test("sleeping as long as the wheel says fires everything in time", arguments: 0..<20 as Range<UInt64>)
    func sleeps(seed: UInt64) {
        var numbers = SeededNumbers(seed: seed)
        var now = UInt64.random(in: 0...1 << 40, using: &numbers)
        var wheel = TimerWheel(now: now)
        var deadlines: [UInt32: UInt64] = [:]
        for id in 0..<200 as Range<UInt32> {
            let magnitude = UInt64.random(in: 20...44, using: &numbers)
            let deadline = now + UInt64.random(in: 1..<1 << magnitude, using: &numbers)
            wheel.set(id, at: deadline)
            deadlines[id] = deadline
        }
        var turns = 0
        while !deadlines.isEmpty {
            let wait = wheel.millisecondsUntilNext(now: now)
            guard wait >= 0, turns < 10_000 else {
                Issue.record("seed \(seed): \(deadlines.count) deadlines left after \(turns) turns, wait \(wait)")
                return
            }
            turns += 1
            now += UInt64(wait) * 1_000_000
            for id in expired(&wheel, at: now) {
                let deadline = deadlines.removeValue(forKey: id)
                // A tick of rounding, and a millisecond of the sleep's own.
                #expect(deadline.map { $0 <= now && now <= $0 + Self.tick + 1_000_000 } == true, "seed \(seed): \(id)")
            }
        }
        #expect(wheel.millisecondsUntilNext(now: now) == -1)
        // Each level is opened at most once for an id: few turns do nothing.
        #expect(turns <= 200 * 4, "seed \(seed): \(turns) turns")
    }

    @Test("an empty wheel sleeps for ever")
    func empty() {
        var wheel = TimerWheel(now: 5)
        #expect(wheel.millisecondsUntilNext(now: 5) == -1)
        #expect(wheel.popExpired(now: .max >> 1) == nil)
        wheel.set(3, at: .max >> 1)
        wheel.cancel(3)
        wheel.cancel(3)
        wheel.cancel(1_000_000)
        #expect(wheel.millisecondsUntilNext(now: 5) == -1)
    }

    @Test(
        "an id fires at its deadline's tick, not before",
        arguments: [0, 1, 62, 63, 64, 65, 4095, 4096, 262_143, 262_144])
    func edges(ticks: UInt64) {
        for start in [0, 1, 63, 64, 4095] as [UInt64] {
            let now = start * Self.tick
            var wheel = TimerWheel(now: now)
            let deadline = now + ticks * Self.tick + 1
            wheel.set(0, at: deadline)
            #expect(wheel.popExpired(now: deadline - 1) == nil, "from tick \(start)")
            #expect(wheel.popExpired(now: deadline + Self.tick) == 0, "from tick \(start)")
            #expect(wheel.popExpired(now: deadline + Self.tick) == nil)
        }
    }

    @Test("an id cancelled or moved inside a batch doesn't fire in it")
    func insideBatch() {
        var wheel = TimerWheel(now: 0)
        for id in 0..<4 as Range<UInt32> { wheel.set(id, at: 10) }
        let later = 2 * Self.tick
        guard let first = wheel.popExpired(now: later) else {
            Issue.record("nothing fired")
            return
        }
        let others = (0..<4 as Range<UInt32>).filter { $0 != first }
        wheel.cancel(others[0])
        wheel.set(others[1], at: later + 5 * Self.tick)
        // The id that has just fired may be set again at once.
        wheel.set(first, at: later + 5 * Self.tick)
        #expect(wheel.millisecondsUntilNext(now: later) == 0)
        #expect(expired(&wheel, at: later) == [others[2]])
        #expect(expired(&wheel, at: later + 4 * Self.tick) == [])
        #expect(Set(expired(&wheel, at: later + 6 * Self.tick)) == [first, others[1]])
    }

    @Test("an id set to a time that has passed fires with the next tick, not in an endless batch")
    func past() {
        var wheel = TimerWheel(now: 100 * Self.tick)
        wheel.set(1, at: 0)
        #expect(wheel.popExpired(now: 100 * Self.tick) == nil)
        #expect(wheel.popExpired(now: 101 * Self.tick) == 1)
        wheel.set(1, at: 0)
        #expect(wheel.popExpired(now: 101 * Self.tick) == nil)
    }

    @Test("a deadline beyond the reach fires at the reach and can be set again")
    func beyondReach() {
        let start: UInt64 = 12_345 * Self.tick
        let deadline = start + 3 * Self.reach * Self.tick
        var wheel = TimerWheel(now: start)
        wheel.set(7, at: deadline)
        var now = start
        var rounds = 0
        while now < deadline {
            #expect(wheel.popExpired(now: now) == nil)
            now += UInt64(wheel.millisecondsUntilNext(now: now)) * 1_000_000
            if wheel.popExpired(now: now) == 7 {
                rounds += 1
                if now < deadline { wheel.set(7, at: deadline) }
            }
            guard rounds < 10 else { break }
        }
        #expect((2...4).contains(rounds))
        #expect(now >= deadline && now <= deadline + Self.tick + 1_000_000)
    }

    @Test("a long sleep across every level fires all of it at once")
    func longSleep() {
        var wheel = TimerWheel(now: 0)
        for id in 0..<1000 as Range<UInt32> { wheel.set(id, at: UInt64(id) * UInt64(id) * Self.tick / 4) }
        #expect(Set(expired(&wheel, at: 1_000_000 * Self.tick)) == Set(0..<1000))
        #expect(wheel.millisecondsUntilNext(now: 1_000_000 * Self.tick) == -1)
    }
}
