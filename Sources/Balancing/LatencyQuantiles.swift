/// Quantiles of the last thousand or two latencies, from counts in buckets that are at most a fifth wide.
///
/// Four buckets to each power of two, from 65 µs to 68 s. Every thousand latencies all counts are halved, so that what was
/// counts less and less. Memory is the caller's: see `destroy`.
@safe
package struct LatencyQuantiles: BitwiseCopyable {
    /// Before so many latencies there is no quantile.
    package static var answersMin: UInt32 { 100 }
    static var answersMax: UInt32 { 1000 }
    private static var lowest: Int { 16 }
    private static var highest: Int { 36 }
    private static var buckets: Int { (highest - lowest) * 4 + 1 }

    private let counts: UnsafeMutablePointer<UInt32>
    private var total: UInt32 = 0

    package init() {
        unsafe counts = .allocate(capacity: LatencyQuantiles.buckets)
        unsafe counts.initialize(repeating: 0, count: LatencyQuantiles.buckets)
    }

    /// The value must not be used afterwards.
    package func destroy() { unsafe counts.deallocate() }

    package mutating func add(nanoseconds: UInt64) {
        unsafe counts[LatencyQuantiles.bucket(nanoseconds)] += 1
        total += 1
        if total >= LatencyQuantiles.answersMax { halve() }
    }

    /// The upper end of the bucket that the quantile lies in, nanoseconds; nil before `answersMin` latencies, or beyond 68 s.
    ///
    /// - Parameter percent: 1…99.
    package func quantile(percent: UInt32) -> UInt64? {
        guard total >= LatencyQuantiles.answersMin else { return nil }
        let rank = (total * percent + 99) / 100
        var sum: UInt32 = 0
        for bucket in 0..<LatencyQuantiles.buckets - 1 {
            unsafe sum += counts[bucket]
            if sum >= rank { return LatencyQuantiles.upperEnd(bucket) }
        }
        return nil
    }

    private mutating func halve() {
        total = 0
        for bucket in 0..<LatencyQuantiles.buckets {
            unsafe counts[bucket] /= 2
            unsafe total += counts[bucket]
        }
    }

    private static func bucket(_ nanoseconds: UInt64) -> Int {
        let power = 63 - nanoseconds.leadingZeroBitCount
        if power < lowest { return 0 }
        if power >= highest { return buckets - 1 }
        return (power - lowest) * 4 + Int(nanoseconds >> UInt64(power - 2) & 3)
    }

    /// The first latency of the next bucket.
    private static func upperEnd(_ bucket: Int) -> UInt64 {
        UInt64(4 + bucket % 4 + 1) << UInt64(lowest + bucket / 4 - 2)
    }
}
