import Balancing
import Testing

@Suite("Backoff")
struct BackoffTests {
    /// Upper ends of the draws for 100 ms to 1 s: 2 · min, then doubled, then the longest wait for ever.
    static let ceilings: [UInt64] = [200, 400, 800, 1000, 1000, 1000]

    @Test("waits stay between the shortest and a doubling ceiling", arguments: 0..<200 as Range<UInt64>)
    func bounds(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var backoff = Backoff(min: .milliseconds(100), max: .seconds(1))
        for ceiling in Self.ceilings {
            let wait = backoff.next(random: &random)
            #expect(wait >= .milliseconds(100), "seed \(seed)")
            #expect(wait <= .milliseconds(Int64(ceiling)), "seed \(seed)")
        }
    }

    @Test("the draws reach over the whole range, evenly")
    func jitter() {
        var random = RandomSource(seed: 3)
        for (attempt, ceiling) in Self.ceilings.enumerated() {
            let width = (ceiling - 100) * 1_000_000 + 1
            var quarters = [0, 0, 0, 0]
            for _ in 0..<4000 {
                var backoff = Backoff(min: .milliseconds(100), max: .seconds(1))
                for _ in 0..<attempt { _ = backoff.nextNanoseconds(random: &random) }
                let wait = backoff.nextNanoseconds(random: &random)
                let place = (wait - 100_000_000) * 4 / width
                quarters[Int(place)] += 1
            }
            // Mean 1000, standard deviation 27: seven of them either way.
            #expect(quarters.allSatisfy { abs($0 - 1000) < 192 }, "attempt \(attempt): \(quarters)")
        }
    }

    @Test("reset starts over")
    func reset() {
        var random = RandomSource(seed: 4)
        var backoff = Backoff(min: .seconds(1), max: .seconds(3600))
        for _ in 0..<100 {
            for _ in 0..<12 { _ = backoff.next(random: &random) }
            backoff.reset()
            #expect(backoff.next(random: &random) <= .seconds(2))
            backoff.reset()
        }
    }

    @Test("the same seed gives the same waits, in both units")
    func deterministic() {
        var first = RandomSource(seed: 5)
        var second = first
        var durations = Backoff(min: .milliseconds(10), max: .seconds(5))
        var nanoseconds = Backoff(nanosecondsMin: 10_000_000, nanosecondsMax: 5_000_000_000)
        for _ in 0..<20 {
            let wait = durations.next(random: &first)
            #expect(wait == .nanoseconds(Int64(nanoseconds.nextNanoseconds(random: &second))))
        }
    }

    @Test("equal bounds wait exactly that long")
    func equalBounds() {
        var random = RandomSource(seed: 6)
        var backoff = Backoff(min: .seconds(2), max: .seconds(2))
        for _ in 0..<5 { #expect(backoff.next(random: &random) == .seconds(2)) }
    }

    @Test("the widest range neither overflows nor leaves its bounds")
    func widest() {
        var random = RandomSource(seed: 7)
        var backoff = Backoff(nanosecondsMin: 1, nanosecondsMax: UInt64(Int64.max))
        for _ in 0..<200 {
            let wait = backoff.nextNanoseconds(random: &random)
            #expect(wait >= 1 && wait <= UInt64(Int64.max))
        }
        #expect(backoff.next(random: &random) > .zero)
    }
}
