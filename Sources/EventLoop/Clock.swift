import Glibc

/// The worker's clock: read once a turn, kept in the worker.
package enum Clock {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    package static func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Nanoseconds since 1970 (`CLOCK_REALTIME`).
    package static func wallNanoseconds() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Whole seconds since 1970 (`CLOCK_REALTIME_COARSE`: exact to a few milliseconds, which is all a date needs).
    package static func wallSeconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return Int64(time.tv_sec)
    }
}
