import Glibc
import Testing

@testable import Balancing

@Suite("balance: peak-ewma")
struct PeakEWMATests {
    /// The definition, with the C library's exponential and the clock as it is.
    private struct Reference {
        var cost = 0.0
        var stamp = 0.0

        mutating func observe(_ nanoseconds: Double, at now: Double) {
            let kept = cost == 0 ? 0 : exp(-(now - stamp) / (nanoseconds > cost ? 20e6 : 1e9))
            cost = cost * kept + nanoseconds * (1 - kept)
            stamp = now
        }

        func value(at now: Double) -> Double { cost * exp(-(now - stamp) / 10e9) }
    }

    @Test("the average is that of the definition", arguments: 1...20 as ClosedRange<UInt64>)
    func average(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var load = EndpointLoad()
        var reference = Reference()
        // Steps are whole ticks, so that both see the same times.
        var ticks: UInt64 = 5_000_000
        for _ in 0..<500 {
            ticks += UInt64(random.next(below: 4_000))
            let nanoseconds = UInt64(random.next(below: 300_000_000)) + 1
            load.observe(nanoseconds: nanoseconds, now: ticks << 20)
            reference.observe(Double(nanoseconds), at: Double(ticks << 20))
            let later = (ticks + UInt64(random.next(below: 30_000))) << 20
            let expected = reference.value(at: Double(later))
            #expect(abs(Double(load.latency(at: later)) - expected) <= expected * 0.005 + 1, "seed \(seed)")
        }
    }

    @Test("decay is within a part in two thousand of e^(-t/10 s), and ends at 0")
    func decay() {
        for ticks in stride(from: UInt32(0), through: 400_000, by: 37) {
            let expected = exp(-Double(ticks) * 1_048_576 / 10e9)
            #expect(abs(Double(Decay.kept(afterTicks: Float(ticks))) - expected) <= expected * 0.0005)
        }
        #expect(Decay.kept(afterTicks: 0) == 1)
        #expect(Decay.kept(afterTicks: Float(UInt32.max)) == 0)
    }

    /// What an endpoint that has taken 1 ms for a while is expected to take after such times, one a tick of a millisecond.
    private func latency(after milliseconds: [Double]) -> Double {
        var load = EndpointLoad()
        var tick: UInt64 = 1 << 30
        load.observe(nanoseconds: 1_000_000, now: tick << 20)
        for time in milliseconds {
            tick += 1
            load.observe(nanoseconds: UInt64(time * 1e6), now: tick << 20)
        }
        return Double(load.latency(at: tick << 20)) / 1e6
    }

    @Test(
        "of many answers one bad one says little, 60 ms of bad ones are believed, and good ones after them over a second"
    )
    func frequent() {
        #expect((10...12).contains(latency(after: [200])))
        #expect(latency(after: Array(repeating: 200, count: 60)) > 185)
        #expect(latency(after: Array(repeating: 200, count: 200) + Array(repeating: 1, count: 50)) > 180)
        #expect(latency(after: Array(repeating: 200, count: 200) + Array(repeating: 1, count: 5000)) < 3)
    }

    @Test("of rare answers each bad one is believed, a failure always; silence is forgotten over ten seconds")
    func rare() {
        var load = EndpointLoad()
        let start: UInt64 = 1 << 50
        load.observe(nanoseconds: 1_000_000, now: start)
        load.observe(nanoseconds: 200_000_000, now: start + 200_000_000)
        #expect(load.latency(at: start + 200_000_000) > 199_000_000)
        #expect(load.latency(at: start + 1_000_000_000) > 170_000_000)
        #expect(load.latency(at: start + 30_000_000_000) < 12_000_000)
        load.observe(nanoseconds: 1_000_000, now: start + 30_000_000_000)
        load.observeFailure(nanoseconds: 1_000_000_000, now: start + 30_000_000_000)
        #expect(load.latency(at: start + 30_000_000_000) == 1_000_000_000)
    }

    private func pool(_ milliseconds: [Double], active: [UInt32]? = nil, weights: [UInt16]? = nil) -> TestPool {
        let pool = TestPool(weights: weights ?? milliseconds.map { _ in 1 }, .peakEWMA)
        for index in milliseconds.indices {
            if milliseconds[index] > 0 {
                pool[index].observe(nanoseconds: UInt64(milliseconds[index] * 1e6), now: pool.now)
            }
            pool[index].active = active?[index] ?? 0
        }
        return pool
    }

    @Test("the slow one gets nothing as long as the others have less than its latency in hand")
    func slow() {
        #expect(pool([1, 1, 1, 200]).picked() == [0, 1, 2])
        #expect(pool([1, 1, 1, 200], active: [70, 70, 70, 0]).picked() == [0, 1, 2])
        #expect(pool([1, 1, 1, 200], active: [130, 130, 130, 0]).picked() == [3])
    }

    @Test("what a scheduler may add is no difference")
    func noise() {
        #expect(pool([0.1, 0.3, 0.2, 0.15]).picked() == [0, 1, 2, 3])
        #expect(pool([5, 20]).picked() == [0])
    }

    @Test("an endpoint that never answered gets a request at first, and no second one before it has answered")
    func unknown() {
        #expect(pool([3, 0]).picked() == [1])
        #expect(pool([3, 0], active: [0, 1]).picked() == [0])
        #expect(pool([0, 0], active: [1, 2]).picked() == [0])
    }

    @Test("an idle pool is shared by weight, small or large", arguments: [2, 8, 9, 60])
    func idleByWeight(count: Int) {
        let weights = (0..<count).map { UInt16($0 % 3 + 1) }
        let tally = pool(weights.map { _ in 2 }, weights: weights).tally(60_000)
        #expect(isSpread(tally, by: weights), "\(tally)")
    }

    @Test("requests that stay follow weights where latencies are equal", arguments: [6, 30])
    func levels(count: Int) {
        let weights = (0..<count).map { UInt16($0 % 3 + 1) }
        let pool = pool(weights.map { _ in 50 }, weights: weights)
        for _ in 0..<(200 * count) { pool[pool.pick()!].active += 1 }
        for (index, weight) in weights.enumerated() {
            // 100 for each unit of weight, within the band that counts as equal.
            #expect(abs(Int(pool[index].active) - 100 * Int(weight)) <= 35 * Int(weight), "\(pool[index].active)")
        }
    }

    @Test("a small pool: the cheapest, as a plain search finds it", arguments: 1...30 as ClosedRange<UInt64>)
    func naive(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let latencies = (0..<6).map { _ in Double(random.next(below: 100)) + 1 }
        let active = (0..<6).map { _ in random.next(below: 4) }
        let costs = zip(latencies, active).map { ($0 + 1) * (1 + Double($1)) }
        let limit = costs.min()! * 1.25
        // Those at the very edge may fall on either side.
        let sure = Set(costs.indices.filter { costs[$0] < limit * 0.999 })
        let possible = Set(costs.indices.filter { costs[$0] < limit * 1.001 })
        let picked = pool(latencies, active: active).picked(2_000)
        #expect(picked.isSuperset(of: sure) && picked.isSubset(of: possible), "seed \(seed): \(costs) \(picked)")
    }

    @Test("a slow endpoint is tried again some time")
    func recovers() {
        let pool = pool([1, 200])
        var seconds = 0
        while pool.pick() == 0 && seconds < 120 {
            seconds += 1
            pool.now += 1_000_000_000
            pool[0].observe(nanoseconds: 1_000_000, now: pool.now)
        }
        // 200 ms is 1.25 times (1 + 1) ms less 1 ms after 10 s · ln 133.
        #expect((30...60).contains(seconds), "\(seconds) s")
    }
}
