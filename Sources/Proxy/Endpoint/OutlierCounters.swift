import Balancing
import Synchronization

/// What the requests of all workers say of one endpoint, for the detection of outliers; outlives snapshots.
///
/// A worker writes its own share only, without a locked instruction. The streak is shared: a request that succeeds reads
/// it and, with no failure before it, leaves it alone, so that its cache line stays with every worker.
@safe
struct OutlierCounters: ~Copyable {
    /// One worker's part, on a cache line of its own.
    private struct Share: ~Copyable {
        let requests = Atomic<UInt64>(0)
        let errors = Atomic<UInt64>(0)
        let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    }

    /// Failures since the last success, over all workers.
    private let streak = Atomic<UInt32>(0)
    private let shares: UnsafeMutablePointer<Share>
    private let workers: Int

    init(workers: Int) {
        self.workers = workers
        unsafe shares = .allocate(capacity: workers)
        for worker in 0..<workers { unsafe (shares + worker).initialize(to: Share()) }
    }

    deinit {
        unsafe shares.deinitialize(count: workers)
        unsafe shares.deallocate()
    }

    /// A request has succeeded.
    func succeeded(worker: Int) {
        unsafe OutlierCounters.increment(shares[worker].requests)
        if streak.load(ordering: .relaxed) != 0 { streak.store(0, ordering: .relaxed) }
    }

    /// A request has failed.
    ///
    /// - Returns: Failures in a row, this one included.
    func failed(worker: Int) -> UInt32 {
        unsafe OutlierCounters.increment(shares[worker].requests)
        unsafe OutlierCounters.increment(shares[worker].errors)
        return streak.add(1, ordering: .relaxed).newValue
    }

    /// By the agent's thread: the failures so far have been judged.
    func endStreak() { streak.store(0, ordering: .relaxed) }

    /// By any thread; requests and errors may be a request apart.
    var counts: OutlierCounts {
        var counts = OutlierCounts()
        for worker in 0..<workers {
            // Errors first: never more of them than of requests.
            unsafe counts.errors &+= shares[worker].errors.load(ordering: .acquiring)
            unsafe counts.requests &+= shares[worker].requests.load(ordering: .relaxed)
        }
        return counts
    }

    /// Of a counter that no other thread writes.
    private static func increment(_ counter: borrowing Atomic<UInt64>) {
        counter.store(counter.load(ordering: .relaxed) &+ 1, ordering: .releasing)
    }
}
