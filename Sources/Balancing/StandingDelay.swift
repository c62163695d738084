/// Whether work waits too long before a worker gets to it, and has for a while: the test of CoDel (RFC 8289).
///
/// A burst makes work wait for a moment and is no overload: only a delay that no observation within 100 ms was below is one.
/// It is over when the delay has fallen to half of the limit: what was turned away until then would come back at once.
package struct StandingDelay: BitwiseCopyable, Sendable {
    /// How long a delay must stand (RFC 8289 §4.3, INTERVAL).
    package static let intervalNanoseconds: UInt64 = 100_000_000

    /// The time of the first observation in a row above the limit; 0 for none.
    private var aboveSince: UInt64 = 0
    package private(set) var isOver = false

    package init() {}

    /// - Parameters:
    ///   - delay: What the work had waited that is done at `now`, nanoseconds.
    ///   - limit: Delays from here on are too long, nanoseconds.
    package mutating func observed(_ delay: UInt64, limit: UInt64, now: UInt64) {
        if delay >= limit {
            if aboveSince == 0 { aboveSince = now }
            if now &- aboveSince >= StandingDelay.intervalNanoseconds { isOver = true }
        } else {
            aboveSince = 0
            if delay < limit / 2 { isOver = false }
        }
    }

    /// Nothing waits.
    package mutating func calm() {
        aboveSince = 0
        isOver = false
    }
}
