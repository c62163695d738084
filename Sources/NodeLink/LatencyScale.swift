/// Buckets of a latency histogram: four to each doubling, from 33 µs to 137 s. What a node counts in, and the control plane
/// reads percentiles from.
///
/// Bucket widths are at most a quarter of their lower bound, so that a bucket's middle is off by 13 % at most.
package enum LatencyScale {
    /// Nanoseconds of one unit, as a shift.
    private static var unitShift: UInt64 { 15 }
    package static var buckets: Int { 84 }

    package static func bucket(nanoseconds: UInt64) -> Int {
        let value = nanoseconds >> unitShift
        if value < 4 { return Int(truncatingIfNeeded: value) }
        let octave = 63 &- value.leadingZeroBitCount
        let quarter = Int(truncatingIfNeeded: value >> UInt64(truncatingIfNeeded: octave &- 2)) & 3
        return min((octave &- 1) &* 4 &+ quarter, buckets &- 1)
    }

    /// Nanoseconds at which a bucket begins.
    package static func lowerBound(of bucket: Int) -> UInt64 {
        if bucket < 4 { return UInt64(bucket) << unitShift }
        let octave = bucket / 4 + 1
        return (UInt64(4 + bucket % 4) << UInt64(octave - 2)) << unitShift
    }

    /// Nanoseconds in the middle of a bucket.
    package static func middle(of bucket: Int) -> UInt64 { (lowerBound(of: bucket) + lowerBound(of: bucket + 1)) / 2 }

    /// - Parameters:
    ///   - counts: By bucket.
    ///   - share: 0.99 for p99.
    /// - Returns: Nanoseconds; nil without anything counted.
    package static func percentile(_ share: Double, of counts: [Int: Double]) -> UInt64? {
        let total = counts.values.reduce(0, +)
        guard total > 0 else { return nil }
        var seen = 0.0
        for bucket in counts.keys.sorted() {
            seen += counts[bucket] ?? 0
            if seen >= total * share { return middle(of: bucket) }
        }
        return nil
    }
}
