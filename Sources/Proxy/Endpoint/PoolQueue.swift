import Synchronization

/// The queue of a pool whose connections are bounded: one for all workers of a node, outlives snapshots.
///
/// The lock is taken only by requests that have to wait and by those who let them go on. Who has a connection to spare looks at
/// `isEmpty` first: one load of a cache line that changes only while requests wait.
struct PoolQueue: ~Copyable {
    /// Identity across revisions; index into a worker's `queues`.
    let number: Int
    private let waiting = Atomic<Int>(0)
    private let requests = Mutex(RequestQueue())

    init(number: Int) { self.number = number }

    /// Sequentially consistent, as are `EndpointBudget`'s operations: one who leaves room and then finds the queue empty,
    /// and one who joins and then finds no room, can't both be.
    var isEmpty: Bool { waiting.load(ordering: .sequentiallyConsistent) == 0 }

    /// Requests that wait, of all workers.
    var count: Int { waiting.load(ordering: .sequentiallyConsistent) }

    /// - Returns: nil when `countMax` wait already; else whether nobody waited before.
    borrowing func join(_ waiter: RequestQueue.Waiter, countMax: Int) -> (place: RequestQueue.Place, isFirst: Bool)? {
        requests.withLock { requests in
            guard let place = requests.append(waiter, countMax: countMax) else { return nil }
            waiting.store(requests.count, ordering: .sequentiallyConsistent)
            return (place, requests.count == 1)
        }
    }

    /// - Returns: false when the request has been called already.
    @discardableResult
    borrowing func leave(_ place: RequestQueue.Place) -> Bool {
        requests.withLock { requests in
            defer { waiting.store(requests.count, ordering: .sequentiallyConsistent) }
            return requests.remove(place)
        }
    }

    /// The one that has waited longest, who thereby leaves.
    borrowing func next() -> (waiter: RequestQueue.Waiter, place: RequestQueue.Place)? {
        requests.withLock { requests in
            defer { waiting.store(requests.count, ordering: .sequentiallyConsistent) }
            return requests.popFirst()
        }
    }
}
