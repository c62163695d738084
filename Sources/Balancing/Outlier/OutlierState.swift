/// What real requests have found out about one endpoint, at one node.
///
///     trusted ──outlier──▶ ejected(until) ──time──▶ trusted
///
/// An ejection lasts `ejection` × `multiplier`, at most `ejectionMax`. The multiplier grows by one with each ejection and
/// shrinks by one with each interval that the endpoint ends trusted, so one that comes back healthy is soon
/// forgiven. A probe that passes changes nothing here: an endpoint may well answer `/healthz` and fail requests.
package struct OutlierState: Equatable, BitwiseCopyable, Sendable {
    package enum Status: Equatable, BitwiseCopyable, Sendable {
        case trusted
        /// Monotonic nanoseconds.
        case ejected(until: UInt64, cause: OutlierCause)
    }

    package private(set) var status: Status = .trusted
    /// Ejections not yet forgiven.
    package private(set) var multiplier: UInt32 = 0

    package init() {}

    package var isEjected: Bool { status != .trusted }

    /// - Parameters:
    ///   - base: `ejection`, nanoseconds.
    ///   - longest: `ejectionMax`, nanoseconds; a shorter one than `base` is taken as `base`.
    /// - Returns: How long, nanoseconds; nil when it is ejected already: requests that were under way then tell nothing new.
    package mutating func eject(cause: OutlierCause, base: UInt64, longest: UInt64, now: UInt64) -> UInt64? {
        guard case .trusted = status else { return nil }
        let longest = max(base, longest)
        // Beyond the longest ejection the multiplier would only take longer to shrink.
        let (next, overflow) = base.multipliedReportingOverflow(by: UInt64(multiplier) + 1)
        if !overflow && next < longest &+ base { multiplier += 1 }
        let time = base.multipliedReportingOverflow(by: UInt64(max(multiplier, 1)))
        let duration = time.overflow ? longest : min(time.partialValue, longest)
        status = .ejected(until: now &+ duration, cause: cause)
        return duration
    }

    /// - Returns: Whether its time was over.
    package mutating func returnIfDue(now: UInt64) -> Bool {
        guard case .ejected(let until, _) = status, until <= now else { return false }
        status = .trusted
        return true
    }

    /// An interval has passed that ends with the endpoint trusted, and in which it wasn't ejected.
    package mutating func forgive() {
        if status == .trusted && multiplier > 0 { multiplier -= 1 }
    }
}
