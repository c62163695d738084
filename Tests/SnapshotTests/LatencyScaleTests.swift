import NodeLink
import Testing

@Suite("LatencyScale")
struct LatencyScaleTests {
    @Test("each bucket begins where it says, and the one before ends a nanosecond earlier")
    func bounds() {
        for bucket in 1..<LatencyScale.buckets {
            let bound = LatencyScale.lowerBound(of: bucket)
            #expect(LatencyScale.bucket(nanoseconds: bound) == bucket)
            #expect(LatencyScale.bucket(nanoseconds: bound - 1) == bucket - 1)
        }
        #expect(LatencyScale.bucket(nanoseconds: 0) == 0)
        #expect(LatencyScale.bucket(nanoseconds: .max) == LatencyScale.buckets - 1)
    }

    @Test("a bucket's middle is off by 13 % at most, from 131 µs on")
    func accuracy() {
        for bucket in 4..<LatencyScale.buckets {
            let (low, high) = (LatencyScale.lowerBound(of: bucket), LatencyScale.lowerBound(of: bucket + 1))
            let middle = Double(LatencyScale.middle(of: bucket))
            #expect(
                abs(middle - Double(low)) <= 0.13 * Double(low) && abs(Double(high) - middle) <= 0.13 * Double(high))
        }
    }

    @Test("percentiles")
    func percentiles() {
        #expect(LatencyScale.percentile(0.5, of: [:]) == nil)
        let counts: [Int: Double] = [10: 50, 20: 49, 30: 1]
        #expect(LatencyScale.percentile(0.5, of: counts) == LatencyScale.middle(of: 10))
        #expect(LatencyScale.percentile(0.51, of: counts) == LatencyScale.middle(of: 20))
        #expect(LatencyScale.percentile(0.99, of: counts) == LatencyScale.middle(of: 20))
        #expect(LatencyScale.percentile(1, of: counts) == LatencyScale.middle(of: 30))
    }
}
