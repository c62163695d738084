import Synchronization

/// `limits.connections` of the site or of a listener, over all workers of the process: sockets accepted and still ours.
///
/// At the limit the workers stop accepting, as HAProxy does at `maxconn`: a short peak waits in the kernel's queue
/// instead of being reset, and nobody who was accepted is disturbed.
final class ConnectionBudget: Sendable {
    private let used = Atomic<Int>(0)
    private let limit = Atomic<Int>(Int.max)

    func setLimit(_ count: Int) { limit.store(count, ordering: .relaxed) }

    /// Takes a place for one connection; several workers never go beyond the limit together.
    ///
    /// - Parameter enforcesLimit: Not for clients that wait in the queue of a listener that closes.
    func take(enforcesLimit: Bool) -> Bool {
        let (_, count) = used.add(1, ordering: .relaxed)
        if count <= limit.load(ordering: .relaxed) || !enforcesLimit { return true }
        used.subtract(1, ordering: .relaxed)
        return false
    }

    func give() { used.subtract(1, ordering: .relaxed) }
}
