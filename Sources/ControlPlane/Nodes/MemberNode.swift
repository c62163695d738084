import NodeLink

/// What is known of one node.
struct MemberNode: Sendable {
    /// What operators see.
    ///
    ///     down ──start──▶ starting ──applied──▶ up ◀──resume── draining
    ///      ▲                  │                 │ ──drain, leave─▶ │
    ///      └──────exit────────┴──────exit───────┴───────exit───────┘
    enum State: String, Sendable {
        case starting, up, draining, down
    }

    /// A local node that is not wanted any more.
    ///
    ///     nil ──leave──▶ decided ──published──▶ announced ──acknowledged──▶ stopping ──exit──▶ (removed)
    enum Departure: Equatable, Sendable {
        case decided
        /// The membership of this version says that it takes no new connections.
        case announced(version: UInt64)
        /// It was told to finish and exit.
        case stopping
    }

    /// An operator's drain is announced like a departure, but the node stays.
    private enum Drain: Equatable, Sendable {
        case none, announced(version: UInt64), told
    }

    let id: String
    let role: Hello.Role
    /// Started and watched by this control plane.
    let isLocal: Bool
    /// nil: no process, or a remote node that has not said hello.
    private(set) var pid: Int32?
    var isLinked = false
    private(set) var reach: NodeReach?
    private(set) var workers = 1
    /// What it serves; 0 before its first snapshot.
    var revision: UInt64 = 0
    var digest: UInt64 = 0
    /// An operator's word; the node stays in the site but takes no new connections.
    var isDrained = false
    private(set) var departure: Departure?
    private(set) var restarts = 0
    private(set) var startedAt: ContinuousClock.Instant?
    private var drain = Drain.none
    private var startDelay: Duration? = .zero
    private var restartDelay = RestartDelay()

    init(id: String, role: Hello.Role, isLocal: Bool) {
        self.id = id
        self.role = role
        self.isLocal = isLocal
    }

    /// A local node lives as long as its process: a link that broke is made again, and meanwhile it serves. Of a
    /// remote one only the link is known.
    var isGone: Bool { isLocal ? pid == nil : !isLinked }

    /// Whether it has a snapshot to serve.
    var isServing: Bool { !isGone && revision != 0 }

    var state: State {
        if isGone { return .down }
        if isDrained || departure != nil { return .draining }
        return isServing ? .up : .starting
    }

    /// The node as a forwarder is told of it; nil when it can't take connections.
    var member: NodeMember? {
        guard let reach, isServing else { return nil }
        return NodeMember(id: id, reach: reach, draining: isDrained || departure != nil)
    }

    mutating func leave() {
        if departure == nil { departure = .decided }
    }

    /// Takes back `leave`; a node that is already stopping goes on and is started again.
    mutating func stay() {
        if departure != .stopping { departure = nil }
    }

    mutating func started(pid: Int32?, now: ContinuousClock.Instant) {
        if startedAt != nil { restarts += 1 }
        self.pid = pid
        startDelay = nil
        startedAt = now
    }

    mutating func ended(now: ContinuousClock.Instant) {
        let lifetime = startedAt.map { now - $0 } ?? .zero
        let wasStopped = departure == .stopping
        pid = nil
        isLinked = false
        reach = nil
        revision = 0
        digest = 0
        departure = nil
        drain = .none
        startDelay = wasStopped ? .zero : restartDelay.next(afterLifeOf: lifetime)
    }

    mutating func linked(_ hello: Hello, now: ContinuousClock.Instant) {
        isLinked = true
        pid = Int32(bitPattern: hello.pid)
        reach = hello.reach
        workers = max(Int(hello.workers), 1)
        revision = hello.revision
        digest = hello.digest
        startedAt = now - .seconds(Int64(clamping: min(hello.uptimeSeconds, 1 << 32)))
        if hello.draining { drain = .told } else if drain == .told { drain = .none }
    }

    /// - Returns: When the node must be started, once.
    mutating func takeStart() -> Duration? {
        guard isLocal, pid == nil, let delay = startDelay else { return nil }
        startDelay = nil
        return delay
    }

    /// - Parameters:
    ///   - version: Of the newest membership, which says all that is known of this node.
    ///   - acknowledged: Whether forwarders act on it.
    mutating func takeStep(version: UInt64, acknowledged: Bool) -> Members.Step? {
        switch departure {
        case .decided:
            departure = .announced(version: version)
            return takeStep(version: version, acknowledged: acknowledged)
        case .announced where acknowledged:
            departure = .stopping
            return .stop(id: id)
        case .announced, .stopping: return nil
        case nil: break
        }
        guard isLinked else { return nil }
        switch drain {
        case .none where isDrained:
            drain = .announced(version: version)
            return takeStep(version: version, acknowledged: acknowledged)
        case .announced where !isDrained:
            drain = .none
            return nil
        case .announced where acknowledged:
            drain = .told
            return .drain(id: id)
        case .told where !isDrained:
            drain = .none
            return .resume(id: id)
        case .none, .announced, .told: return nil
        }
    }
}
