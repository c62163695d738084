import NodeLink

/// How long one endpoint has taken lately, as one worker sees it: two histograms, of this minute and the one before.
@safe
struct EndpointLatency {
    private static let windowNanoseconds: UInt64 = 60_000_000_000

    private let buckets: UnsafeMutablePointer<UInt32>
    /// Which half of `buckets` is this minute's: 0 or 1.
    private var half = 0
    private var halfEndsAt: UInt64

    init(now: UInt64) {
        unsafe buckets = .allocate(capacity: 2 * LatencyScale.buckets)
        unsafe buckets.initialize(repeating: 0, count: 2 * LatencyScale.buckets)
        halfEndsAt = now &+ EndpointLatency.windowNanoseconds
    }

    mutating func note(nanoseconds: UInt64, now: UInt64) {
        if now >= halfEndsAt { turn(now: now) }
        let bucket = LatencyScale.bucket(nanoseconds: nanoseconds)
        unsafe buckets[half &* LatencyScale.buckets &+ bucket] &+= 1
    }

    /// A new minute, or more than one since anything came.
    private mutating func turn(now: UInt64) {
        if now >= halfEndsAt &+ EndpointLatency.windowNanoseconds { clear(half) }
        half = 1 - half
        clear(half)
        halfEndsAt = now &+ EndpointLatency.windowNanoseconds
    }

    private func clear(_ half: Int) {
        unsafe (buckets + half * LatencyScale.buckets).update(repeating: 0, count: LatencyScale.buckets)
    }

    /// Buckets with anything in them.
    mutating func samples(_ labels: [Sample.Label], now: UInt64) -> [Sample] {
        if now >= halfEndsAt { turn(now: now) }
        return (0..<LatencyScale.buckets).compactMap { bucket in
            let count = unsafe buckets[bucket] &+ buckets[LatencyScale.buckets + bucket]
            guard count > 0 else { return nil }
            return Sample("sluice_endpoint_latency_bucket", labels + [.init("bucket", "\(bucket)")], Double(count))
        }
    }
}

extension ProxyWorker {
    /// The head of an endpoint's answer has come.
    mutating func noteLatency(of number: UInt32, since began: UInt64) {
        if unsafe endpoints[Int(number)].latency == nil { makeLatency(number) }
        unsafe endpoints[Int(number)].latency!.pointee.note(nanoseconds: now &- began, now: now)
    }

    @inline(never)
    private func makeLatency(_ number: UInt32) {
        let latency = UnsafeMutablePointer<EndpointLatency>.allocate(capacity: 1)
        unsafe latency.initialize(to: EndpointLatency(now: now))
        unsafe endpoints[Int(number)].latency = unsafe latency
    }
}
