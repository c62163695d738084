package import EventLoop
import Glibc
import NodeLink
import Snapshot
import Telemetry

/// The main thread of a node: link to the control plane, signals, health checks, reports, and the node's files.
///
/// It never touches a connection of a client. Nothing here runs unless something happens: no periodic work but probes.
package final class NodeAgent {
    /// How long connections may go on after SIGTERM or SIGINT, which bring no deadline of their own.
    package static let signalDrainMax = Duration.seconds(30)

    /// What the node serves.
    struct Current {
        let snapshot: Snapshot
        let digest: UInt64
    }

    let id: String
    let role: any DataRole
    let store: NodeStore
    private let mailbox: AgentMailbox
    private let signals: Signals
    var loop: AgentLoop
    var link: ControlLink
    var prober: Prober
    var lifecycle: Lifecycle
    var reports: ReportCollector
    var acknowledgements: MembershipAcknowledgements
    var current: Current?
    var membership: Membership?
    /// A stored snapshot that the role refused; tried again until it is served or another one comes.
    var refused: NodeStore.StoredSnapshot?
    /// Why, as logged last.
    var refusal: RoleError?
    private var isLinkLossLogged = false
    private let startedAt: UInt64
    let startedAtWallSeconds: Int64
    private var exitStatus: CInt?

    /// - Parameters:
    ///   - signals: Made before the role, whose threads inherit the mask.
    ///   - mailbox: The one that the role's workers post to.
    /// - Throws: `SocketError` when there is no descriptor left for the agent's own loop.
    package init(
        id: String, state: String, linkPath: String, role: any DataRole, mailbox: AgentMailbox,
        signals: consuming Signals
    ) throws(SocketError) {
        self.id = id
        self.role = role
        self.mailbox = mailbox
        store = NodeStore(state: state, id: id)
        loop = try AgentLoop()
        startedAt = loop.now
        startedAtWallSeconds = Clock.wallSeconds()
        let seed = loop.now ^ UInt64(UInt32(bitPattern: getpid())) << 32
        link = ControlLink(path: linkPath, seed: seed)
        prober = Prober(seed: ~seed)
        lifecycle = Lifecycle(workerCount: role.workerCount)
        reports = ReportCollector(workerCount: role.workerCount)
        acknowledgements = MembershipAcknowledgements(workerCount: role.workerCount)
        try loop.poller.add(
            signals.rawDescriptor, Token(kind: AgentLoop.Source.signals.rawValue, slot: 0, generation: 0), .level)
        try loop.poller.add(
            mailbox.descriptor, Token(kind: AgentLoop.Source.mailbox.rawValue, slot: 0, generation: 0), .level)
        self.signals = signals
    }

    /// Runs until the node is told to end.
    ///
    /// - Returns: The process's exit status.
    package func run() -> CInt {
        Log.info("node", "\(id): \(role.role.name) with \(role.workerCount) worker(s), pid \(getpid())")
        restore()
        openLink()
        while exitStatus == nil {
            let count = loop.wait()
            // Events before timers: an answer that has arrived counts, however late this thread got to run.
            for index in 0..<count {
                let (token, readiness) = loop.poller.event(at: index)
                handle(token, readiness)
            }
            while let timer = loop.timers.popExpired(now: loop.now) { handle(timer: timer) }
            reportHealthChanges()
        }
        return exitStatus ?? 0
    }

    private func handle(_ token: Token, _ readiness: Readiness) {
        switch AgentLoop.Source(rawValue: token.kind) {
        case .signals:
            while let signal = signals.next() {
                if signal == SIGUSR1 {
                    Log.info("node", "\(id): received SIGUSR1: the access log is opened anew")
                    role.reopenLog()
                    continue
                }
                Log.info("node", "\(id): received \(signal == SIGINT ? "SIGINT" : "SIGTERM")")
                follow(lifecycle.signalled(until: deadline(after: NodeAgent.signalDrainMax)))
            }
        case .mailbox: for message in mailbox.takeAll() { handle(message) }
        case .link: if token.generation == link.generation { linkReady(readiness) }
        case .probe: prober.ready(token, readiness, in: &loop)
        case nil: preconditionFailure("event of kind \(token.kind)")
        }
    }

    private func handle(timer: UInt32) {
        switch timer {
        case AgentLoop.Timer.link: openLink()
        case AgentLoop.Timer.lifecycle:
            follow(lifecycle.deadlinePassed(now: loop.now))
        case AgentLoop.Timer.storedSnapshot: retryStored()
        case AgentLoop.Timer.trust: reviewTrust()
        default: prober.timerFired(slot: timer - AgentLoop.Timer.firstProbe, in: &loop)
        }
    }

    private func handle(_ message: AgentMessage) {
        switch message {
        case .membershipApplied(let version, let worker):
            if acknowledgements.applied(version: version, worker: worker) {
                send(.membershipApplied(version: version))
            }
        case .report(let id, let worker, let samples):
            if let gathered = reports.add(id: id, worker: worker, samples) {
                send(.report(id: id, Report(samples: gathered + ownSamples())))
            }
        case .drained(let worker): follow(lifecycle.workerDrained(worker))
        case .failedInARow(let endpoint):
            role.endpointFailedInARow(endpoint, now: loop.now)
            trustReviewed()
        }
    }

    // MARK: drain and stop

    func deadline(after duration: Duration) -> UInt64 {
        loop.now + min(UInt64(clamping: duration.wholeNanoseconds), UInt64(Int64.max) / 2)
    }

    /// Does what the lifecycle decided.
    func follow(_ action: Lifecycle.Action) {
        switch action {
        case .none: break
        case .drain:
            Log.info("node", "\(id): draining")
            role.drain()
        case .resume:
            Log.info("node", "\(id): taking connections again")
            role.resume()
        case .reportDrained:
            Log.info("node", "\(id): drained")
            send(.drained)
        case .warnOverdue: Log.warning("node", "\(id): connections outlast the drain's deadline")
        case .refuse: Log.warning("node", "\(id): stopping: drain and resume are too late")
        case .exit(let ending):
            role.flushLog()
            switch ending {
            case .drained: Log.info("node", "\(id): stopped: every connection has ended")
            case .deadline(let workers):
                Log.warning("node", "\(id): stopped at the deadline: connections of \(workers) worker(s) cut")
            case .secondSignal: Log.warning("node", "\(id): stopped at once: second signal")
            }
            exitStatus = 0
        }
        if let deadline = lifecycle.deadline {
            loop.timers.set(AgentLoop.Timer.lifecycle, at: deadline)
        } else {
            loop.timers.cancel(AgentLoop.Timer.lifecycle)
        }
    }

    // MARK: the link's fate

    func linkLost(_ reason: String) {
        Log.warning("link", "\(link.path): \(reason); trying again")
        isLinkLossLogged = true
        link.close()
        reports.forgetAll()
        loop.timers.set(AgentLoop.Timer.link, at: loop.now + link.nextWait())
    }

    private func openLink() {
        do throws(SocketError) { try link.open(in: &loop) } catch {
            if !isLinkLossLogged { Log.warning("link", "\(link.path): \(error); trying again") }
            isLinkLossLogged = true
            loop.timers.set(AgentLoop.Timer.link, at: loop.now + link.nextWait())
            return
        }
        if isLinkLossLogged { Log.info("link", "\(link.path): connected") }
        isLinkLossLogged = false
        let hello = Hello(
            role: role.role, id: id, pid: UInt32(bitPattern: getpid()), workers: UInt16(clamping: role.workerCount),
            reach: role.reach, revision: current?.snapshot.revision ?? 0, digest: current?.digest ?? 0,
            draining: lifecycle.isDraining, uptimeSeconds: (loop.now - startedAt) / 1_000_000_000)
        send(.hello(hello))
        if lifecycle.state == .drained { send(.drained) }
    }
}
