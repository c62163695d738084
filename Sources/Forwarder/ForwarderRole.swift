package import EventLoop
import Glibc
package import NodeAgent
package import NodeLink
package import Snapshot

/// The L4 tier: owns the sockets that clients dial, and passes each connection to a proxy node or, for `tcp`
/// listeners, to an endpoint. Lives on the agent's thread; the work is done by its workers.
package final class ForwarderRole: DataRole {
    package let role = Hello.Role.forwarder
    package let workerCount: Int
    package let reach: NodeReach? = nil

    private let mailboxes: [Mailbox<ForwarderCommand>]
    private let budget = ConnectionBudget()
    private var listeners: ListenerSet
    /// The snapshot in force; nil before the first.
    private var snapshot: Snapshot?
    private var membership = Membership(version: 0)
    private var table: NodeTable?
    private var isDraining = false

    /// Starts the workers' threads. They serve nothing before the first snapshot.
    ///
    /// - Parameters:
    ///   - workers: 1…256.
    ///   - mailbox: Where the workers answer.
    /// - Throws: `RoleError` when the kernel has no descriptor left for an event loop.
    package init(workers: Int, mailbox: AgentMailbox) throws(RoleError) {
        precondition((1...256).contains(workers), "\(workers) workers")
        workerCount = workers
        mailboxes = (0..<workers).map { _ in Mailbox() }
        listeners = ListenerSet(workers: workers)
        var cells: [WorkerCell] = []
        for index in 0..<workers {
            do {
                let poller = try ForwarderWorker.makePoller(for: mailboxes[index])
                cells.append(
                    WorkerCell(
                        ForwarderWorker(
                            index: index, mailbox: mailboxes[index], agent: mailbox, budget: budget, poller: poller)))
            } catch {
                for cell in cells { cell.destroy() }
                throw RoleError("forwarder: cannot start worker \(index): \(error): raise the limit of open files")
            }
        }
        for (index, cell) in cells.enumerated() {
            Thread.start("forwarder-\(index)") {
                cell.run()
                cell.destroy()
            }
        }
    }

    /// Ends the workers; what is open is closed.
    deinit { for mailbox in mailboxes { mailbox.post(.stop) } }

    package func apply(_ snapshot: Snapshot) throws(RoleError) {
        let pools = snapshot.pools(usedBy: .forwarder).map { snapshot.pools[$0] }
        let none = [[ListenerAssignment]](repeating: [], count: workerCount)
        // A draining node opens them when it is resumed.
        let assignments = isDraining ? none : try listeners.update(snapshot)
        self.snapshot = snapshot
        budget.setLimit(snapshot.limits.connectionCountMax)
        for (mailbox, listeners) in zip(mailboxes, assignments) {
            mailbox.post(
                .serve(
                    WorkerSettings(listeners: listeners, pools: pools, hash: snapshot.forwarder.hash)))
        }
    }

    package func apply(_ membership: Membership) {
        self.membership = membership
        route(acknowledge: true)
    }

    /// Builds the table of the nodes, once for all workers.
    private func route(acknowledge: Bool) {
        let table = NodeTable(membership, previous: table)
        self.table = table
        let draining = Set(
            membership.endpoints.filter { $0.state == .draining }
                .map { EndpointKey(pool: $0.pool, address: $0.address) })
        for mailbox in mailboxes {
            mailbox.post(.route(table, drainingEndpoints: draining, acknowledge: acknowledge))
        }
    }

    package func setHealth(of endpoint: EndpointKey, isUp: Bool) {
        for mailbox in mailboxes { mailbox.post(.health(endpoint, isUp: isUp)) }
    }

    package func requestReport(id: UInt64) {
        for mailbox in mailboxes { mailbox.post(.report(id: id)) }
    }

    package func drain() {
        isDraining = true
        listeners.removeAll()
        for mailbox in mailboxes { mailbox.post(.drain) }
    }

    package func resume() {
        guard isDraining else { return }
        isDraining = false
        var assignments = [[ListenerAssignment]](repeating: [], count: workerCount)
        if let snapshot {
            do {
                assignments = try listeners.update(snapshot)
            } catch {
                // The node stays up without listeners: its relayed connections go on, the next snapshot tries again.
                writeError(error.message)
            }
        }
        for (mailbox, listeners) in zip(mailboxes, assignments) { mailbox.post(.resume(listeners)) }
    }

    /// Where a listener's first address is bound: the port that the kernel chose when the site says 0.
    package func boundAddress(ofListener name: String) -> IPEndpoint? { listeners.boundAddress(of: name) }

    private func writeError(_ message: String) {
        let line = "error forwarder: cannot resume: \(message)\n"
        _ = unsafe line.utf8.withContiguousStorageIfAvailable { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// The heap cell of one worker, on its way to the worker's thread; used there only.
@safe
private struct WorkerCell: @unchecked Sendable {
    private let worker: UnsafeMutablePointer<ForwarderWorker>

    init(_ worker: consuming ForwarderWorker) {
        unsafe self.worker = .allocate(capacity: 1)
        unsafe self.worker.initialize(to: worker)
    }

    func run() { unsafe worker.pointee.run() }

    func destroy() {
        unsafe worker.deinitialize(count: 1)
        unsafe worker.deallocate()
    }
}
