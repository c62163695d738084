/// How many requests of a pool may be sent again at a time (Envoy's retry budget): a share of those under way, and a few in
/// any case, so that a pool with little traffic can retry at all.
///
/// Endpoints that are overloaded fail requests. Sending every one of them again, some twice, is what keeps endpoints
/// overloaded; with the budget they get a fifth more than their clients ask for, and not three times as much.
@usableFromInline
package struct RetryBudget: BitwiseCopyable, Sendable {
    /// Retries that always have room (Envoy's `min_retry_concurrency`).
    package static let retriesMin: UInt32 = 3

    /// Requests under way at the pool's endpoints, retries included.
    @usableFromInline package private(set) var active: UInt32 = 0
    /// Retries that were let through and have not ended.
    package private(set) var retries: UInt32 = 0

    @inlinable
    package init() {}

    @inlinable
    package mutating func requestBegan() { active &+= 1 }

    @inlinable
    package mutating func requestEnded() {
        precondition(active > 0, "more requests end than began")
        active &-= 1
    }

    /// Retries that may be under way now.
    ///
    /// - Parameter percent: Of `active`, rounded down; 0…100.
    package func limit(percent: UInt32) -> UInt32 {
        max(RetryBudget.retriesMin, UInt32(truncatingIfNeeded: UInt64(active) * UInt64(percent) / 100))
    }

    /// Lets one more retry through, unless the budget is spent. `give` when it has ended.
    package mutating func take(percent: UInt32) -> Bool {
        guard retries < limit(percent: percent) else { return false }
        retries += 1
        return true
    }

    package mutating func give() {
        precondition(retries > 0, "more retries end than began")
        retries -= 1
    }
}
