import Synchronization

/// Connections to one endpoint that all workers of a node have open, or requests that they have under way for a pool with
/// `requests.max`; outlives snapshots.
///
/// Connections are counted exactly, with or without a bound, so that a bound that a new revision sets holds at once. Touched when a
/// connection is opened or closed, never when one is used again.
struct EndpointBudget: ~Copyable {
    private let count = Atomic<Int>(0)

    init() {}

    /// Takes room for one more connection, unless `countMax` are open.
    borrowing func take(countMax: Int) -> Bool {
        var open = count.load(ordering: .sequentiallyConsistent)
        while open < countMax {
            let outcome = count.weakCompareExchange(
                expected: open, desired: open + 1, ordering: .sequentiallyConsistent)
            if outcome.exchanged { return true }
            open = outcome.original
        }
        return false
    }

    /// A connection was closed, or never came to be.
    borrowing func give() {
        let before = count.subtract(1, ordering: .sequentiallyConsistent).oldValue
        precondition(before > 0, "an endpoint's connections are closed more often than opened")
    }

    var open: Int { count.load(ordering: .relaxed) }
}
