/// Which workers act on the newest membership.
package struct MembershipAcknowledgements: Equatable, Sendable {
    private let workers: Set<Int>
    private var version: UInt64?
    private var waiting: Set<Int> = []

    package init(workerCount: Int) { workers = Set(0..<workerCount) }

    /// Whether every worker acts on the newest one; false before the first.
    package var isComplete: Bool { version != nil && waiting.isEmpty }

    package mutating func begin(version: UInt64) {
        self.version = version
        waiting = workers
    }

    /// - Returns: Whether that was the last worker of the newest version. An older version counts for nothing: the
    ///   newer one supersedes it.
    package mutating func applied(version: UInt64, worker: Int) -> Bool {
        guard version == self.version, waiting.remove(worker) != nil else { return false }
        return waiting.isEmpty
    }
}
