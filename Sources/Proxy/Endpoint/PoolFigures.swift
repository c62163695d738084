import Balancing

/// What one worker knows of a pool, by its number; outlives snapshots.
@safe
struct PoolFigures: BitwiseCopyable {
    /// Requests under way at its endpoints, and how many of these are retries.
    var budget = RetryBudget()
    /// Requests that wait until the budget has room.
    var heldBack = 0
    /// In the list of pools to look at before the turn ends.
    var isMarked = false
    /// Requests sent again, by `RetryReason.index`; nil before the first.
    var retries: UnsafeMutablePointer<UInt64>?
    /// Requests that were not, as the budget was spent: at once, or after a wait.
    var retriesRefused: UInt64 = 0

    /// Requests that were let in and have not ended; counted where the pool has a limit.
    var admitted: UInt32 = 0
    /// Requests that were not let in.
    var rejectedMax: UInt64 = 0
    var rejectedAdaptive: UInt64 = 0
    var gradient: GradientLimit
    /// Of its answers; nil before a route with a percentile has had one.
    var latencies: LatencyQuantiles?
    /// Second requests that won, and that were not sent for want of room in the retry budget.
    var hedgesWon: UInt64 = 0

    init(now: UInt64) {
        unsafe retries = nil
        gradient = GradientLimit(now: now)
    }

    mutating func countRetry(_ reason: RetryReason) {
        if unsafe retries == nil {
            unsafe retries = .allocate(capacity: RetryReason.count)
            unsafe retries!.initialize(repeating: 0, count: RetryReason.count)
        }
        unsafe retries![reason.index] &+= 1
    }
}
