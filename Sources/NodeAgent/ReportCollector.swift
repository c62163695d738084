package import NodeLink

/// Reports under way: asked for by the control plane, answered by each worker in its own time.
package struct ReportCollector {
    /// Reports under way at most; the oldest is given up. The control plane asks for one at a time.
    package static let pendingMax = 8

    private struct Pending {
        let id: UInt64
        var waiting: Set<Int>
        var samples: [Sample]
        /// Where a series stands in `samples`.
        var positions: [Series: Int]
    }

    private struct Series: Hashable {
        let name: String
        let labels: [Sample.Label]
    }

    private let workerCount: Int
    private var pending: [Pending] = []

    package init(workerCount: Int) { self.workerCount = workerCount }

    package mutating func begin(id: UInt64) {
        pending.removeAll { $0.id == id }
        if pending.count == ReportCollector.pendingMax { pending.removeFirst() }
        pending.append(Pending(id: id, waiting: Set(0..<workerCount), samples: [], positions: [:]))
    }

    /// Takes one worker's share. The same series of several workers is added up: all of a node's series are counters,
    /// histogram buckets, or gauges that count things.
    ///
    /// - Returns: The node's samples once every worker has answered; nil before, and for a report nobody waits for.
    package mutating func add(id: UInt64, worker: Int, _ samples: [Sample]) -> [Sample]? {
        guard let index = pending.firstIndex(where: { $0.id == id }),
            pending[index].waiting.remove(worker) != nil
        else { return nil }
        for sample in samples {
            let series = Series(name: sample.name, labels: sample.labels)
            if let position = pending[index].positions[series] {
                pending[index].samples[position].value += sample.value
            } else {
                pending[index].positions[series] = pending[index].samples.count
                pending[index].samples.append(sample)
            }
        }
        guard pending[index].waiting.isEmpty else { return nil }
        return pending.remove(at: index).samples
    }

    /// The link that asked is gone.
    package mutating func forgetAll() { pending = [] }
}
