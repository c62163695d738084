import Balancing
import Testing

@Suite("Quantiles of latencies")
struct LatencyQuantilesTests {
    @Test("none before a hundred latencies")
    func few() {
        var quantiles = LatencyQuantiles()
        defer { quantiles.destroy() }
        for _ in 0..<LatencyQuantiles.answersMin - 1 { quantiles.add(nanoseconds: 1_000_000) }
        #expect(quantiles.quantile(percent: 50) == nil)
        quantiles.add(nanoseconds: 1_000_000)
        #expect(quantiles.quantile(percent: 50) != nil)
    }

    @Test("never below the true quantile, and at most a quarter above it", arguments: 1...20 as ClosedRange<UInt64>)
    func accuracy(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        var quantiles = LatencyQuantiles()
        defer { quantiles.destroy() }
        var latencies: [UInt64] = []
        for _ in 0..<900 {
            // From 100 µs to some 6 s, each power of two alike.
            let latency = (100_000 + UInt64(random.next(below: 100_000))) << UInt64(random.next(below: 16))
            latencies.append(latency)
            quantiles.add(nanoseconds: latency)
        }
        latencies.sort()
        for percent in [1, 50, 90, 95, 99] as [UInt32] {
            let exact = latencies[Int(900 * percent + 99) / 100 - 1]
            let found = try #require(quantiles.quantile(percent: percent))
            let isClose = found > exact && Double(found) <= Double(exact) * 1.25 + 1
            #expect(isClose, "seed \(seed): p\(percent) \(exact) \(found)")
        }
    }

    @Test("what is beyond the buckets is the fastest, or has no quantile")
    func ends() {
        var quantiles = LatencyQuantiles()
        defer { quantiles.destroy() }
        for _ in 0..<50 { quantiles.add(nanoseconds: 0) }
        for _ in 0..<50 { quantiles.add(nanoseconds: .max) }
        #expect(quantiles.quantile(percent: 50) == 81_920)
        #expect(quantiles.quantile(percent: 51) == nil)
    }

    @Test("latencies of before are forgotten")
    func forgets() throws {
        var quantiles = LatencyQuantiles()
        defer { quantiles.destroy() }
        for _ in 0..<5000 { quantiles.add(nanoseconds: 1_000_000_000) }
        for _ in 0..<6000 { quantiles.add(nanoseconds: 1_000_000) }
        #expect(try #require(quantiles.quantile(percent: 95)) < 2_000_000)
    }
}
