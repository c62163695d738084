/// How long to wait before the next try of something that keeps failing: a reconnection, a dead node's restart.
///
/// "Full jitter" (Brooker, AWS Architecture Blog, 2015): each wait is drawn evenly from `min` to a ceiling that starts at
/// twice `min` and doubles with every failure up to `max`. The draw over the whole range keeps many that fail
/// together from coming back together; `min` keeps one that fails at once from spinning.
package struct Backoff: BitwiseCopyable, Sendable {
    /// Shortest wait, nanoseconds.
    private let nanosecondsMin: UInt64
    /// Longest wait, nanoseconds.
    private let nanosecondsMax: UInt64
    /// Upper end of the next draw, nanoseconds; from `nanosecondsMin` to `nanosecondsMax`.
    private var ceiling: UInt64

    /// - Parameters:
    ///   - min: Shortest wait, at least 1 ns.
    ///   - max: Longest wait, at least `min`, at most 292 years (2⁶³ ns).
    package init(min: Duration, max: Duration) {
        self.init(nanosecondsMin: Self.nanoseconds(min), nanosecondsMax: Self.nanoseconds(max))
    }

    /// The same with both bounds in nanoseconds, `1 ... 2⁶³ - 1`.
    package init(nanosecondsMin: UInt64, nanosecondsMax: UInt64) {
        precondition(
            nanosecondsMin >= 1 && nanosecondsMin <= nanosecondsMax && nanosecondsMax <= UInt64(Int64.max),
            "back-off from \(nanosecondsMin) ns to \(nanosecondsMax) ns")
        self.nanosecondsMin = nanosecondsMin
        self.nanosecondsMax = nanosecondsMax
        ceiling = Self.doubled(nanosecondsMin, limit: nanosecondsMax)
    }

    /// The wait before the next try, nanoseconds. Call once per failure.
    package mutating func nextNanoseconds(random: inout RandomSource) -> UInt64 {
        // `width` is at most 2⁶³ - 1, so one more cannot overflow.
        let width = ceiling - nanosecondsMin
        let wait = nanosecondsMin + random.next().multipliedFullWidth(by: width + 1).high
        ceiling = Self.doubled(ceiling, limit: nanosecondsMax)
        return wait
    }

    /// The wait before the next try. Call once per failure.
    package mutating func next(random: inout RandomSource) -> Duration {
        .nanoseconds(Int64(nextNanoseconds(random: &random)))
    }

    /// Starts over: the last try worked.
    package mutating func reset() {
        ceiling = Self.doubled(nanosecondsMin, limit: nanosecondsMax)
    }

    private static func doubled(_ value: UInt64, limit: UInt64) -> UInt64 {
        value > limit / 2 ? limit : value * 2
    }

    private static func nanoseconds(_ duration: Duration) -> UInt64 {
        let parts = duration.components
        precondition(parts.seconds >= 0 && parts.attoseconds >= 0, "negative back-off \(duration)")
        return UInt64(parts.seconds) * 1_000_000_000 + UInt64(parts.attoseconds / 1_000_000_000)
    }
}
