import Balancing
import Foundation
package import Logging
import NodeLink
package import SiteFile
import Snapshot

/// The one place that knows the site: its published revision, its nodes and their links.
///
/// Events (frames, ends of processes, requests of operators) come in one at a time. What takes time waits on a
/// condition over this state, and every event looks at the conditions again: nothing polls.
package actor Controller: NodeLinkDelegate {
    /// A revision and what nodes are sent of it.
    struct Publication: Sendable {
        let revision: Revision
        let snapshot: Snapshot
        /// What its names resolved to. When that changes, the revision is published again under its number, and nodes know it
        /// by another digest.
        let names: SiteNames
        /// Certificates whose OCSP responses are fetched. The snapshot has those that are stapled; other ones make another
        /// digest, too.
        let staples: [FetchedStaple]
        let encoded: [UInt8]
        let digest: UInt64

        init(revision: Revision, snapshot: Snapshot, names: SiteNames, staples: [FetchedStaple]) {
            self.snapshot = snapshot
            self.names = names
            self.staples = staples
            encoded = snapshot.encoded()
            digest = Snapshot.digest(ofEncoded: encoded)
            self.revision = revision
        }
    }

    /// What a node answered to a snapshot.
    enum Delivery: Equatable {
        case applied
        case rejected(String)
    }

    /// Deadlines; tests shorten them.
    package struct Timing: Sendable {
        /// For a node to apply a snapshot.
        package var apply: Duration = .seconds(10)
        /// For an adopted node to say hello; it retries with a back-off of at most 2 s.
        package var adoption: Duration = .seconds(5)
        /// For a node to report its figures.
        package var report: Duration = .seconds(1)
        /// For new nodes to serve, before `scale` answers anyway.
        package var scale: Duration = .seconds(10)
        /// Between two measurements of the nodes' load.
        package var load: Duration = .seconds(5)
        /// Before an OCSP responder that failed is asked again, at first.
        package var stapleRetry: Duration = .seconds(10)
        /// For a fetched response to wait for others, so that nodes get them together: where nothing is stapled yet, and where
        /// the one before is still good.
        package var firstStaple: Duration = .seconds(1)
        package var renewedStaple: Duration = .seconds(60)

        package init() {}
    }

    let store: any RevisionStore
    let launcher: any NodeLauncher
    let resolver: any EndpointResolver
    let responders: any OCSPAsking
    let timing: Timing
    let logger: Logger
    let startedAt = ContinuousClock.now

    /// What nodes serve, or are to serve while the site starts; nil before `start`.
    var current: Publication? {
        didSet {
            watchNames()
            watchStaples(isNew: current?.revision.number != oldValue?.revision.number)
            adoptEndpoints()
            followLoad()
            if let current { notePublished(current, after: oldValue) }
        }
    }
    var names = NameWatch()
    var nameWatches: [String: (interval: Duration, task: Task<Void, Never>)] = [:]
    let lookups = LookupThreads()
    var staples: StapleWatch
    /// Wakes up when a response is to be asked for, or ends.
    var stapleTimer: Task<Void, Never>?
    /// Brings what was fetched to the nodes.
    var staplePublication: (time: ContinuousClock.Instant, task: Task<Void, Never>)?
    var ticketRotation: Task<Void, Never>?
    var members = Members(incarnation: 0)
    var processes: [String: any NodeProcess] = [:]
    var links: [String: NodeConnection] = [:]
    var nodeIDs: [UInt64: String] = [:]
    var ledger = ReportLedger()
    var endpoints = EndpointLedger()
    var events = EventLog()
    var showsSignsOfLife = false
    var loadTask: Task<Void, Never>?
    var loadWeights = LoadWeights()
    var cpuTimes: [String: CPUTime] = [:]
    /// States of nodes that events have told of.
    var noted: [String: MemberNode.State] = [:]
    /// Reports that are asked for, and the nodes that have not answered.
    var awaitedReports: [UInt64: Set<String>] = [:]
    var reportRequests: UInt64 = 0
    /// The membership sent last had so many nodes that each probes only a share of the endpoints.
    var hasSharedProbes = false
    /// Nodes whose answer to a snapshot a change waits for.
    var awaitedDeliveries: Set<String> = []
    /// Their answers.
    var deliveries: [String: Delivery] = [:]
    /// Snapshots refused while nobody waited, since the node's last success; sets the back-off of the next try.
    var refusals: [String: Int] = [:]
    var isChanging = false
    var isStopping = false
    /// A signal asked for the end.
    package var isStoppedByOperator = false
    var isStopped = false
    /// Why the site cannot start; only while it starts.
    var startFailure: StartError?
    var isStarting = false
    /// Ends of nodes while the site starts.
    var endsWhileStarting: [String: Int] = [:]
    var startedHere: Set<String> = []
    /// Nodes that an operator drains, also those that are not there now.
    var drainedNodes: Set<String> = []
    private var waiters: [UInt64: Waiter] = [:]
    private var waiterCount: UInt64 = 0

    private struct Waiter {
        let condition: @Sendable (isolated Controller) -> Bool
        let continuation: CheckedContinuation<Bool, Never>
        let timeout: Task<Void, Never>
    }

    package init(
        store: any RevisionStore, launcher: any NodeLauncher, resolver: any EndpointResolver = SystemResolver(),
        responders: any OCSPAsking = OCSPClient(), timing: Timing = Timing(), logger: Logger
    ) {
        self.resolver = resolver
        self.responders = responders
        staples = StapleWatch(retry: timing.stapleRetry)
        self.store = store
        self.launcher = launcher
        self.timing = timing
        self.logger = logger
    }

    // MARK: Waiting

    /// Waits until the condition holds.
    ///
    /// - Returns: false at the deadline.
    func wait(
        atMost deadline: Duration, until condition: @escaping @Sendable (isolated Controller) -> Bool
    ) async -> Bool {
        if condition(self) { return true }
        waiterCount += 1
        let number = waiterCount
        return await withCheckedContinuation { continuation in
            let timeout = Task {
                guard (try? await Task.sleep(for: deadline)) != nil else { return }
                self.expire(number)
            }
            waiters[number] = Waiter(condition: condition, continuation: continuation, timeout: timeout)
        }
    }

    private func expire(_ number: UInt64) {
        guard let waiter = waiters.removeValue(forKey: number) else { return }
        waiter.continuation.resume(returning: waiter.condition(self))
    }

    func wake() {
        for (number, waiter) in waiters where waiter.condition(self) {
            waiters[number] = nil
            waiter.timeout.cancel()
            waiter.continuation.resume(returning: true)
        }
    }

    /// One change of the site at a time, in no particular order among those that wait.
    ///
    /// - Throws: `ControlError` when the site is stopping.
    func exclusively<Result: Sendable>(
        _ change: @Sendable (isolated Controller) async throws -> Result
    ) async throws -> Result {
        while isChanging { _ = await wait(atMost: .seconds(60)) { !$0.isChanging } }
        guard !isStopping else { throw ControlError.unavailable("the site is stopping") }
        guard !isStarting else { throw ControlError.unavailable("the site is starting") }
        isChanging = true
        defer {
            isChanging = false
            wake()
        }
        return try await change(self)
    }

    // MARK: Acting

    /// Does what follows from the newest state; to be called after every event.
    func advance() {
        if !isStopping {
            for step in members.steps() { perform(step) }
        }
        noteNodeStates()
        wake()
    }

    private func perform(_ step: Members.Step) {
        switch step {
        case .start(let id, let delay) where delay == .zero: startNode(id)
        case .start(let id, let delay):
            Task {
                try? await Task.sleep(for: delay)
                self.startNode(id)
                self.advance()
            }
        case .publish(let membership, let toProxies):
            let toAll = toProxies || sharesProbes(among: membership)
            for (id, link) in links where toAll || members.nodes[id]?.role == .forwarder {
                link.send(.membership(membership.known(to: members.nodes[id]?.role)))
            }
        case .stop(let id):
            logger.info("node \(id) leaves: it has \(leaveTimeout) to finish")
            stopNode(id, within: leaveTimeout)
        case .drain(let id):
            links[id]?.send(.drain(deadline: (current?.snapshot.proxy ?? ProxySettings()).drainTimeout))
        case .resume(let id): links[id]?.send(.resume)
        }
    }

    /// For a node that leaves the site, or a site that stops: what is under way may end.
    var leaveTimeout: Duration { (current?.snapshot.proxy ?? ProxySettings()).leaveTimeout }

    private func startNode(_ id: String) {
        guard !isStopping, members.needsStart(id), processes[id] == nil, let current, let node = members.nodes[id]
        else {
            return
        }
        let workers = node.role == .forwarder ? current.snapshot.forwarder.workers : current.snapshot.proxy.workers
        let relays = node.role == .proxy && current.snapshot.forwarder.handOver == .never
        do throws(StartError) {
            let process = try launcher.launch(id: id, role: node.role, workers: workers, relays: relays) { reason in
                Task { await self.exited(id, reason) }
            }
            processes[id] = process
            startedHere.insert(id)
            members.started(id: id, pid: process.pid, now: .now)
            logger.info("node \(id) started, pid \(process.pid)")
        } catch {
            logger.error("node \(id) cannot be started: \(error)")
            members.startFailed(id: id, now: .now)
            if isStarting { startFailure = error }
        }
    }

    /// Asks a local node to finish and exit, and kills it when it is late.
    func stopNode(_ id: String, within deadline: Duration) {
        guard let process = processes[id] else { return }
        if let link = links[id] { link.send(.stop(deadline: deadline)) } else { process.signal(SIGTERM) }
        Task {
            // A margin for the node to end what its own deadline cut.
            try? await Task.sleep(for: deadline + .seconds(5))
            guard self.processes[id]?.pid == process.pid else { return }
            self.logger.error("node \(id) did not end in time: killing pid \(process.pid)")
            process.signal(SIGKILL)
        }
    }

    /// The process of a local node has ended.
    func exited(_ id: String, _ reason: ExitReason) {
        guard let process = processes.removeValue(forKey: id) else { return }
        let wasAsked = isStopping || members.nodes[id]?.departure == .stopping
        logger.log(level: wasAsked ? .info : .error, "node \(id) ended, pid \(process.pid): \(reason)")
        launcher.forget(id: id)
        members.exited(id: id, now: .now)
        ledger.ended(id)
        forgetVotes(of: id)
        deliveries[id] = nil
        refusals[id] = nil
        disconnect(id)
        if isStarting {
            endsWhileStarting[id, default: 0] += 1
            if endsWhileStarting[id, default: 0] >= Controller.endsWhileStartingMax {
                startFailure = StartError(
                    "node \(id) ends as soon as it is started (\(reason)): see its messages above")
            }
        }
        advance()
    }

    /// Ends of one node in a row after which a site that has never served is given up.
    static let endsWhileStartingMax = 3

    func disconnect(_ id: String) {
        guard let link = links.removeValue(forKey: id) else { return }
        nodeIDs[link.number] = nil
        link.close()
    }
}
