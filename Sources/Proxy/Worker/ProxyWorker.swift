import Balancing
import CLinux
import EventLoop
import Glibc
import HTTP1
import HTTP2
import HTTPMessage
import NodeAgent
import NodeLink
import TLS
import Telemetry

/// What the agent's thread tells a worker.
enum ProxyCommand: Sendable {
    case serve(CompiledSite)
    /// Numbers of the endpoints that an operator drains; all others are not drained.
    case membership(version: UInt64, draining: [UInt32], ticketKeys: TicketKeys?)
    case health(endpoint: UInt32, isUp: Bool)
    /// An endpoint fails real requests, or may be tried again.
    case trust(endpoint: UInt32, isEjected: Bool)
    case report(id: UInt64)
    /// A worker's message to itself: what it waits is what other events wait.
    case pulse(sentAt: UInt64)
    /// Another worker's requests wait for a connection of this pool; the number of its queue.
    case queueBegan(Int)
    /// A connection, or the right to open one, for a request that waits.
    case room(GrantedRoom)
    case drain
    /// The drain's deadline has passed.
    case cut
    case resume
}

/// One event loop of a proxy node, on one thread, sharing nothing with the others on a request's path.
///
/// A turn: wait for events, handle each to the point where it would block, go on with connections that still have
/// input, fire timers, give slots back.
@safe
struct ProxyWorker: ~Copyable {
    /// What an epoll token's kind means.
    enum Kind {
        static let mailbox: UInt8 = 0
        static let handOverListener: UInt8 = 1
        static let relayListener: UInt8 = 2
        static let link: UInt8 = 3
        static let client: UInt8 = 4
        static let endpoint: UInt8 = 5
    }
    /// Timer ids: a slot's number times `Timer.kinds`, plus the kind.
    enum Timer {
        static let kinds: UInt32 = 4
        static let client: UInt32 = 0
        static let endpointConnection: UInt32 = 1
        /// The end of an endpoint's suspicion; by endpoint number.
        static let suspicion: UInt32 = 2
        /// Of the worker itself: see the two ids below.
        static let worker: UInt32 = 3
        /// The end of the grace for idle connections while draining.
        static let drainGraceID: UInt32 = worker
        /// The end of a rest of the listening sockets.
        static let listenerRestID: UInt32 = kinds + worker
        /// The end of `drain_timeout` for connections of listeners that have left the site.
        static let foreignClientsID: UInt32 = 2 * kinds + worker
    }

    let index: Int
    let mailbox: Mailbox<ProxyCommand>
    let agent: AgentMailbox
    let listening: WorkerListeners
    /// Of all workers, this one included; by their index.
    let mailboxes: [Mailbox<ProxyCommand>]
    /// The node's.
    let sources: SourceTable

    var poller: Poller
    var now: UInt64
    var clients = Slab<Client>()
    /// Clients of each listener, by its number.
    var listenerClients: [Int] = []
    var exchanges = Slab<Exchange>()
    var connections = Slab<EndpointConnection>()
    var sessions = Slab<ClientSession>()
    var streams = Slab<ClientStream>()
    var endpointSessions = Slab<EndpointSession>()
    var endpointStreams = Slab<EndpointStream>()
    var wheel: TimerWheel
    var buffers = BufferPool(blocksMax: WorkerLimits.bufferBlocksMax)
    var pipes = PipePool()
    var random: RandomSource
    var statistics = Statistics()
    var fields = FieldTable()
    var writer = HeadWriter()
    var date = DateText()
    var tls = TLSTransport()
    /// Spent on handshakes in this turn.
    var handshakeNanoseconds: UInt64 = 0
    var handshakeShare = HandshakeShare()

    /// The current site first, then those that exchanges still hold; empty before the first snapshot.
    var sites: [UnsafeMutablePointer<WorkerSite>] = unsafe []
    var site: UnsafeMutablePointer<WorkerSite>?
    /// By endpoint number.
    var endpoints: UnsafeMutablePointer<EndpointState>
    var endpointCapacity = 0
    /// What balancing knows of them, by endpoint number.
    var loads: UnsafeMutablePointer<EndpointLoad>
    var endpointKeys: [EndpointKey] = []
    /// By the number of a `PoolQueue`.
    var queues: [QueueShare] = []
    /// Queues to look at before the turn ends.
    var queuesToServe: [Int] = []
    /// By pool number.
    var poolFigures: UnsafeMutablePointer<PoolFigures>
    var poolFiguresCapacity = 0
    /// Requests that wait for room in their pool's retry budget; by pool number.
    var heldBack: [RequestQueue] = []
    /// Pools to look at before the turn ends.
    var heldBackToServe: [Int] = []
    /// Copies of requests.
    var mirrors = Slab<Mirror>()
    /// Slots of those that are whole and begin before the turn ends.
    var mirrorsToSend: [UInt32] = []
    /// By `CompiledMirror.number`.
    var mirrorFigures: [MirrorFigures] = []
    var overload = Overload()
    /// Forwarders' hand-over sockets.
    var links: [HandOverLink] = []
    /// Clients to go on with at the end of the turn.
    var ready: [Token] = []
    /// Sessions whose frames are sent at the end of the turn.
    var sessionsToFlush: [UInt32] = []
    let sessionEvents: UnsafeMutablePointer<EventQueue>
    /// The same of sessions with endpoints.
    var endpointSessionsToFlush: [UInt32] = []
    let endpointEvents: UnsafeMutablePointer<EventQueue>
    var sessionFields = FieldScratch()
    /// Exchanges whose bulk is looked at once a beat, and when the next one is.
    var paced: [Token] = []
    var nextBeatAt: UInt64 = 0
    var coalescing = Coalescing()
    var isDraining = false
    var hasReportedDrained = false
    var refusalLog = LogBudget()
    /// Whose head `fields` holds; `Client.noExchange` for none.
    var fieldsOwner = Client.noExchange

    init(
        index: Int, poller: consuming Poller, mailboxes: [Mailbox<ProxyCommand>], agent: AgentMailbox,
        listening: WorkerListeners, sources: SourceTable
    ) {
        self.index = index
        self.poller = poller
        self.mailboxes = mailboxes
        mailbox = mailboxes[index]
        self.agent = agent
        self.listening = listening
        self.sources = sources
        now = Clock.monotonicNanoseconds()
        wheel = TimerWheel(now: now)
        var generator = SystemRandomNumberGenerator()
        random = RandomSource(seed: generator.next())
        unsafe endpoints = .allocate(capacity: 1)
        unsafe loads = .allocate(capacity: 1)
        unsafe poolFigures = .allocate(capacity: 1)
        unsafe sessionEvents = .allocate(capacity: 1)
        unsafe sessionEvents.initialize(to: EventQueue())
        unsafe endpointEvents = .allocate(capacity: 1)
        unsafe endpointEvents.initialize(to: EventQueue())
        unsafe site = nil
    }

    /// Watches the mailbox and the listening sockets.
    mutating func watch() throws(SocketError) {
        try poller.add(mailbox.descriptor, Token(kind: Kind.mailbox, slot: 0, generation: 0), .level)
        try watchListeners()
    }

    mutating func watchListeners() throws(SocketError) {
        if let descriptor = listening.handOver {
            try poller.add(descriptor, Token(kind: Kind.handOverListener, slot: 0, generation: 0), .level)
        }
        if let descriptor = listening.relay {
            try poller.add(descriptor, Token(kind: Kind.relayListener, slot: 0, generation: 0), .level)
        }
    }

    /// Runs for ever.
    mutating func run() {
        Thread.makeTimersPrecise()
        while true {
            let count =
                paced.isEmpty
                ? poller.wait(timeoutMilliseconds: ready.isEmpty ? wheel.millisecondsUntilNext(now: now) : 0)
                : poller.wait(timeoutNanoseconds: nanosecondsUntilBeat())
            now = Clock.monotonicNanoseconds()
            date.update(Clock.wallSeconds())
            let looksAhead = count > ProxyWorker.lookAheadEvents
            for index in (looksAhead ? -ProxyWorker.lookAheadEvents : 0)..<count {
                if looksAhead {
                    lookAhead(from: index, of: count)
                    guard index >= 0 else { continue }
                }
                let (token, readiness) = poller.event(at: index)
                switch token.kind {
                case Kind.client: clientEvent(token, readiness)
                case Kind.endpoint: endpointEvent(token, readiness)
                case Kind.link: linkEvent(token, readiness)
                case Kind.handOverListener: acceptLinks()
                case Kind.relayListener: acceptRelayed()
                default: takeCommands()
                }
            }
            continueReady()
            if handshakeNanoseconds > 0 || handshakeShare.isLarge { watchHandshakes() }
            if !paced.isEmpty { beat() }
            fireTimers()
            if !mirrorsToSend.isEmpty { sendMirrors() }
            // What one of these does may be of use to another.
            while !queuesToServe.isEmpty || !heldBackToServe.isEmpty || !sessionsToFlush.isEmpty
                || !endpointSessionsToFlush.isEmpty
            {
                serveQueues()
                serveHeldBack()
                if !endpointSessionsToFlush.isEmpty { flushEndpointSessions() }
                if !sessionsToFlush.isEmpty { flushSessions() }
            }
            sessions.reclaim()
            streams.reclaim()
            endpointSessions.reclaim()
            endpointStreams.reclaim()
            watchLoad(events: count)
            clients.reclaim()
            exchanges.reclaim()
            mirrors.reclaim()
            connections.reclaim()
            if isDraining { reportDrainedIfSo() }
            if coalescing.isMeasuring(now: now) { coalesce() }
        }
    }

    /// Lets events gather after a turn of a busy worker. With work left over or bulk there is no time for it.
    private mutating func coalesce() {
        let rest = coalescing.rest(began: now, ended: Clock.monotonicNanoseconds(), connections: clients.count)
        if rest > 0 && ready.isEmpty && paced.isEmpty { Thread.sleep(nanoseconds: rest) }
    }

    /// Clients that still have input (pipelined requests, a FIN to read) go on here and not by recursion.
    private mutating func continueReady() {
        // Those that are added meanwhile wait for the next turn.
        let count = ready.count
        guard count > 0 else { return }
        for index in 0..<count {
            guard let client = unsafe clients.element(for: ready[index]) else { continue }
            unsafe client.pointee.isReady = false
            unsafe continueClient(client)
        }
        ready.removeFirst(count)
    }

    /// Has a client go on at the end of the turn.
    mutating func makeReady(_ client: UnsafeMutablePointer<Client>) {
        guard unsafe !client.pointee.isReady else { return }
        unsafe client.pointee.isReady = true
        unsafe ready.append(token(of: client))
    }

    func token(of client: UnsafeMutablePointer<Client>) -> Token {
        let slot = unsafe client.pointee.slot
        return Token(kind: Kind.client, slot: slot, generation: clients.generation(of: slot))
    }
}

/// Named bounds of one worker.
enum WorkerLimits {
    /// 64 KiB blocks in use at most: 1 GiB. A connection that can't get one is closed.
    static let bufferBlocksMax = 16_384
    /// Idle connections to one endpoint that one worker keeps, until `connections.idle` ends them: at most as many as had requests at
    /// once. A few HTTP/2 clients have some hundred streams that are all answered in one turn and all come again in the
    /// next; with 256, one of 22 such requests was sent on a new connection (10 clients with 32 streams).
    static let idlePerEndpointMax = 1024
    /// First read of a response: the head and what a small body needs; the rest of a large one is spliced.
    static let firstReadBytes = 16 * 1024
    /// 1xx responses to one request: a server has one or two to say (RFC 9110 §15.2).
    static let interimResponsesMax: UInt8 = 16
    /// Bodies up to this size are copied behind their head, for one plain `send`.
    static let copiedBodyBytesMax = 4 * 1024
    /// Bodies with at least this much to come go by splice.
    static let spliceBytesMin: UInt64 = 32 * 1024
    /// Read of the answer to a copy; with more to come the connection is closed.
    static let mirrorAnswerBytesMax: UInt64 = 1024 * 1024
    /// Read at once of a body that goes out encrypted. What the kernel gives to a network card or to loopback at once is at
    /// most 64 KiB less 321 bytes (`tcp_xmit_size_goal` in net/ipv4/tcp.c), in whole segments: 62,496 bytes with jumbo
    /// frames. With the overhead of their records (22 bytes each) 60 KiB fit that. Each piece of 64 KiB had a small packet
    /// behind it: an eighth of the CPU for a large body.
    static let encryptedReadBytesMax = 60 * 1024
    /// Moved for one exchange in one turn, so that one fast peer doesn't starve the others.
    static let bytesPerTurnMax = 4 * 1024 * 1024
    /// A request that can't be replayed goes on a connection that was idle for less than this, else on a fresh one. Endpoints
    /// close idle connections after 2 s (gunicorn) to 75 s (nginx): below all of these, the close can't be on its way.
    static let trustedIdleNanoseconds: UInt64 = 1_000_000_000
    /// Bytes of a request's body, its chunk framing included, that are kept for another attempt: half of a connection's buffer.
    static let replayedBodyBytesMax = 32 * 1024
    /// Read of a body at once, at least: below, keeping it isn't worth the system calls.
    static let bodyReadBytesMin = 4 * 1024
    /// How long a request waits for room in the retry budget.
    static let retryWaitNanoseconds: UInt64 = 5_000_000_000
    /// Handshakes of one turn stop here, so that they don't starve connections with requests; the one under way is finished.
    static let handshakeNanosecondsPerTurn: UInt64 = 1_000_000
    /// A connection to an endpoint on which an answer is overdue is doubted when nothing has come for this long, and given up
    /// when a PING has no answer.
    static let silenceNanoseconds: UInt64 = 1_000_000_000
    static let signOfLifeNanoseconds: UInt64 = 5_000_000_000
    /// How long an endpoint is avoided after connecting to it failed.
    static let suspicionNanoseconds: UInt64 = 1_000_000_000
    /// What a failed attempt counts as at least, for balancing by latency.
    static let failureNanoseconds: UInt64 = 1_000_000_000
    /// How long a closing connection waits for the client to have read the answer.
    static let lingerNanoseconds: UInt64 = 2_000_000_000
    /// How long listening sockets rest when no connection can be taken (`EMFILE`): they would be reported at once.
    static let listenerRestNanoseconds: UInt64 = 100_000_000
    /// How long idle connections stay when draining begins: a request on its way is still served.
    static let drainGraceNanoseconds: UInt64 = 2_000_000_000
}

/// The listening sockets of one worker.
struct WorkerListeners: Sendable {
    /// Where forwarders of this host connect to.
    var handOver: CInt?
    /// Where forwarders of other hosts connect to.
    var relay: CInt?
    /// Whose relayed connections are taken.
    var forwarders: [AddressRange]
}
