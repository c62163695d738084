import Balancing
import EventLoop
import NodeAgent
import NodeLink
import Snapshot
import Telemetry

/// One event loop of the forwarder, on one thread: accepts clients, hands them over or relays them. Shares nothing
/// with other workers but the connection budget.
@safe
struct ForwarderWorker: ~Copyable {
    /// What a token's slot is of.
    enum TokenKind {
        static let mailbox: UInt8 = 0
        static let listener: UInt8 = 1
        static let link: UInt8 = 2
        static let client: UInt8 = 3
        static let server: UInt8 = 4
        static let hello: UInt8 = 5
    }

    let index: Int
    let mailbox: Mailbox<ForwarderCommand>
    let agent: AgentMailbox
    let budget: ConnectionBudget
    var poller: Poller
    /// Monotonic nanoseconds, read once a turn.
    var now: UInt64
    var statistics = Statistics()

    // Settings of the snapshot in force.
    var hashesSourceOnly = false
    /// By index of the listener's counters.
    var bounds: [ListenerBounds] = []

    // Clients.
    var listeners = Slab<WorkerListener>()
    /// Slots of open listeners.
    var listenerSlots: [UInt32] = []
    /// When listeners that rest are watched again; 0: none rests.
    var listenersResumeAt: UInt64 = 0

    // Clients of `tls-passthrough` listeners.
    var hellos = Slab<HelloConnection>()
    var helloTimers: TimerWheel
    /// By index of the listener's counters; nil for listeners that don't look at hellos.
    var hellosByListener: [HelloPlaces?] = []
    var refusalLog = LogBudget()

    // Nodes.
    var table = NodeTable(Membership(version: 0))
    /// Counts the tables, for positions in a connection's preference order.
    var tableGeneration: UInt32 = 0
    var nodes: [NodeState] = []
    /// One flag per node of the table.
    var nodeUsable: [Bool] = []
    /// When the first node that rests may be used again, monotonic nanoseconds.
    var nodesRecoverAt = UInt64.max
    var links = Slab<HandOverLink>()
    var linkTimers: TimerWheel
    /// Links in use by path; links of nodes that are gone stay until they are answered.
    var linkSlots: [String: UInt32] = [:]
    var linkPaths: [UInt32: String] = [:]
    var random: RandomSource
    var dirtyLinks: [UInt32] = []
    var parked: [WaitingConnection] = []
    /// A node or link has become usable: those that are parked are tried at the end of the turn.
    var retriesParked = false
    var parkedRetryAt: UInt64 = 0
    /// Handed over and not answered.
    var unansweredCount = 0

    // Relay.
    var endpoints: EndpointTable
    var connections = Slab<RelayConnection>()
    var timers: TimerWheel
    var pipes = PipePool()
    /// Two buffers of each connection at most, one of each hello.
    var buffers = BufferPool(blocksMax: 2 * Slab<RelayConnection>.slotsMax)
    /// Connections with work left over from the last turn.
    var ready: [Token] = []
    /// Connections that are looked at once a beat, and when the next one is.
    var paced: [Token] = []
    var nextBeatAt: UInt64 = 0
    var coalescing = Coalescing()
    let scratch: UnsafeMutablePointer<UInt8>

    /// What was last told to the scheduler; see `yieldIfHandingOver`.
    var isYielding = false
    var isDraining = false
    var hasReportedDrained = false
    var isStopping = false

    /// - Parameter poller: From `makePoller(for:)`.
    init(
        index: Int, mailbox: Mailbox<ForwarderCommand>, agent: AgentMailbox, budget: ConnectionBudget,
        poller: consuming Poller
    ) {
        self.index = index
        self.mailbox = mailbox
        self.agent = agent
        self.budget = budget
        now = Clock.monotonicNanoseconds()
        random = RandomSource(seed: now)
        linkTimers = TimerWheel(now: now)
        timers = TimerWheel(now: now)
        helloTimers = TimerWheel(now: now)
        endpoints = EndpointTable(worker: index)
        unsafe scratch = .allocate(capacity: ForwarderLimits.scratchBytes)
        self.poller = poller
    }

    /// A poller that watches the worker's mailbox.
    static func makePoller(for mailbox: Mailbox<ForwarderCommand>) throws(SocketError) -> Poller {
        let poller = try Poller()
        try poller.add(mailbox.descriptor, Token(kind: TokenKind.mailbox, slot: 0, generation: 0), .level)
        return poller
    }

    deinit { unsafe scratch.deallocate() }

    /// The loop: returns after `.stop`. With nothing to do it sleeps in the kernel without a timeout.
    mutating func run() {
        Thread.makeTimersPrecise()
        while !isStopping {
            let count =
                paced.isEmpty
                ? poller.wait(timeoutMilliseconds: timeoutMilliseconds())
                : poller.wait(timeoutNanoseconds: nanosecondsUntilBeat())
            now = Clock.monotonicNanoseconds()
            for position in 0..<count {
                let (token, readiness) = poller.event(at: position)
                handle(token, readiness)
            }
            continueReady()
            if !paced.isEmpty { beat() }
            expireTimers()
            flushLinks()
            retryParked()
            reportDrained()
            connections.reclaim()
            links.reclaim()
            hellos.reclaim()
            listeners.reclaim()
            if coalescing.isMeasuring(now: now) { coalesce() }
        }
        closeEverything()
    }

    private mutating func handle(_ token: Token, _ readiness: Readiness) {
        switch token.kind {
        case TokenKind.client:
            guard let connection = unsafe connections.element(for: token) else { return }
            unsafe clientEvent(token.slot, connection, readiness)
        case TokenKind.server:
            guard let connection = unsafe connections.element(for: token) else { return }
            unsafe serverEvent(token.slot, connection, readiness)
        case TokenKind.hello:
            guard unsafe hellos.element(for: token) != nil else { return }
            helloEvent(token.slot)
        case TokenKind.listener:
            guard unsafe listeners.element(for: token) != nil else { return }
            acceptClients(token.slot)
        case TokenKind.link:
            guard unsafe links.element(for: token) != nil else { return }
            readAnswers(token.slot)
        case TokenKind.mailbox: takeCommands()
        default: preconditionFailure("event of kind \(token.kind)")
        }
    }

    /// Lets events gather after a turn of a busy worker. With work left over, bulk or a stop there is no time for it.
    private mutating func coalesce() {
        let rest = coalescing.rest(
            began: now, ended: Clock.monotonicNanoseconds(), connections: connections.count)
        if rest > 0 && ready.isEmpty && paced.isEmpty && !isStopping { Thread.sleep(nanoseconds: rest) }
    }

    private func timeoutMilliseconds() -> CInt {
        guard ready.isEmpty else { return 0 }
        var timeout = timers.millisecondsUntilNext(now: now)
        consider(linkTimers.millisecondsUntilNext(now: now), &timeout)
        if hellos.count > 0 { consider(helloTimers.millisecondsUntilNext(now: now), &timeout) }
        if listenersResumeAt > 0 { consider(milliseconds(until: listenersResumeAt), &timeout) }
        if !parked.isEmpty { consider(milliseconds(until: parkedRetryAt), &timeout) }
        return timeout
    }

    private func consider(_ candidate: CInt, _ timeout: inout CInt) {
        if candidate >= 0 && (timeout < 0 || candidate < timeout) { timeout = candidate }
    }

    private func milliseconds(until deadline: UInt64) -> CInt {
        deadline > now ? CInt(clamping: (deadline - now + 999_999) / 1_000_000) : 0
    }

    private mutating func expireTimers() {
        while let slot = timers.popExpired(now: now) { relayTimerFired(slot) }
        while let slot = linkTimers.popExpired(now: now) { linkTimerFired(slot) }
        if hellos.count > 0 {
            while let slot = helloTimers.popExpired(now: now) { helloTimerFired(slot) }
        }
        if listenersResumeAt > 0 && listenersResumeAt <= now { resumeListeners() }
    }

    /// Sockets that are this worker's now.
    var connectionCount: Int { connections.count + unansweredCount + parked.count + hellos.count }

    private mutating func reportDrained() {
        guard isDraining, !hasReportedDrained, connectionCount == 0 else { return }
        hasReportedDrained = true
        agent.post(.drained(worker: index))
    }
}
