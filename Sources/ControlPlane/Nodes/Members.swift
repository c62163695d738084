import Balancing
import EventLoop
import NodeLink
import TLS

/// The nodes of a site, the endpoints that operators drain, and what follows from both. Pure: events in, steps out.
///
/// Level-triggered: an event changes what is known, `steps` compares that with what is wanted. Calling `steps` twice
/// gives nothing the second time.
struct Members: Sendable {
    /// What the controller must do next.
    enum Step: Equatable {
        case start(id: String, after: Duration)
        /// To all forwarders; to proxies when what they need of it has changed.
        case publish(Membership, toProxies: Bool)
        /// The node is out of the way of new connections: it may finish and exit.
        case stop(id: String)
        case drain(id: String)
        case resume(id: String)

        var isResume: Bool { if case .resume = self { true } else { false } }
    }

    /// An endpoint by pool and address.
    struct EndpointKey: Hashable, Sendable {
        let pool: String
        let address: SocketAddress
    }

    static let forwarderID = "forwarder"
    static func proxyID(_ number: Int) -> String { "proxy-\(number)" }
    /// Local proxy nodes that one control plane runs at most.
    static let proxiesMax = 256

    private(set) var nodes: [String: MemberNode] = [:]
    /// Local proxy nodes that are wanted.
    private(set) var desiredProxies = 0
    private(set) var drainedEndpoints: Set<EndpointKey> = []
    /// nil: the site needs none.
    var ticketKeys: TicketKeys?
    /// Shares of the connections, `forwarder.balance`; nil: even ones. A node without one has `LoadWeights.base`.
    var weights: [String: Int]?
    /// Down by the votes of the nodes that probe them.
    private var downEndpoints: [EndpointKey] = []
    /// Adopted nodes that have not said hello. Until they have, no membership is sent: it would take serving nodes
    /// from a forwarder that goes on without us.
    private(set) var awaited: Set<String> = []
    /// The last membership that was sent; nil before the first.
    private(set) var published: Membership?
    /// What each forwarder with a link acts on.
    private var acknowledged: [String: UInt64] = [:]
    private let firstVersion: UInt64

    /// - Parameter incarnation: Grows with each start of a control plane, so that versions never go back.
    init(incarnation: UInt64) {
        firstVersion = incarnation << 32
        nodes[Members.forwarderID] = MemberNode(id: Members.forwarderID, role: .forwarder, isLocal: true)
    }

    var version: UInt64 { published?.version ?? firstVersion }

    // MARK: What is wanted

    mutating func setDesiredProxies(_ count: Int) {
        desiredProxies = count
        for number in 1..<(count + 1) {
            let id = Members.proxyID(number)
            if nodes[id] == nil { nodes[id] = MemberNode(id: id, role: .proxy, isLocal: true) }
            nodes[id]?.stay()
        }
        for (id, node) in nodes where node.isLocal && node.role == .proxy && !isDesired(id) { nodes[id]?.leave() }
    }

    func isDesired(_ id: String) -> Bool {
        if id == Members.forwarderID { return true }
        guard id.hasPrefix("proxy-"), let number = Int(id.dropFirst(6)) else { return false }
        return (1..<desiredProxies + 1).contains(number)
    }

    mutating func setDrained(node id: String, _ isDrained: Bool) { nodes[id]?.isDrained = isDrained }

    mutating func setDrained(endpoint: EndpointKey, _ isDrained: Bool) {
        if isDrained { drainedEndpoints.insert(endpoint) } else { drainedEndpoints.remove(endpoint) }
    }

    mutating func setDown(endpoints: [EndpointKey]) {
        guard !endpoints.isEmpty || !downEndpoints.isEmpty else { return }
        downEndpoints = endpoints.sorted { ($0.pool, $0.address.description) < ($1.pool, $1.address.description) }
    }

    // MARK: What happened

    mutating func adopted(id: String, role: Hello.Role, pid: Int32, now: ContinuousClock.Instant) {
        if nodes[id] == nil { nodes[id] = MemberNode(id: id, role: role, isLocal: true) }
        nodes[id]?.started(pid: pid, now: now)
        awaited.insert(id)
    }

    mutating func started(id: String, pid: Int32, now: ContinuousClock.Instant) {
        nodes[id]?.started(pid: pid, now: now)
    }

    /// A node could not even be started; counts as a life of no length.
    mutating func startFailed(id: String, now: ContinuousClock.Instant) {
        nodes[id]?.started(pid: nil, now: now)
        nodes[id]?.ended(now: now)
    }

    mutating func exited(id: String, now: ContinuousClock.Instant) {
        awaited.remove(id)
        acknowledged[id] = nil
        guard let node = nodes[id] else { return }
        guard isDesired(id) || !node.isLocal else {
            nodes[id] = nil
            return
        }
        nodes[id]?.ended(now: now)
    }

    /// - Returns: false for a local node's id that another process claims.
    mutating func linked(_ hello: Hello, now: ContinuousClock.Instant) -> Bool {
        let pid = Int32(bitPattern: hello.pid)
        if let node = nodes[hello.id] {
            guard node.role == hello.role, !node.isLocal || node.pid == pid else { return false }
            guard node.isLocal || !node.isLinked else { return false }
        } else {
            guard hello.role == .proxy, !isDesired(hello.id) else { return false }
            nodes[hello.id] = MemberNode(id: hello.id, role: hello.role, isLocal: false)
        }
        awaited.remove(hello.id)
        if hello.role == .forwarder { acknowledged[hello.id] = 0 }
        nodes[hello.id]?.linked(hello, now: now)
        return true
    }

    mutating func unlinked(id: String) {
        nodes[id]?.isLinked = false
        acknowledged[id] = nil
    }

    mutating func applied(id: String, revision: UInt64, digest: UInt64) {
        nodes[id]?.revision = revision
        nodes[id]?.digest = digest
    }

    mutating func membershipApplied(id: String, version: UInt64) {
        guard acknowledged[id] != nil else { return }
        acknowledged[id] = version
    }

    func hasAcknowledged(_ version: UInt64, by id: String) -> Bool { (acknowledged[id] ?? 0) >= version }

    /// Whether a start that was put off is still wanted.
    func needsStart(_ id: String) -> Bool {
        guard let node = nodes[id] else { return false }
        return node.isLocal && node.pid == nil && isDesired(id)
    }

    // MARK: What follows

    mutating func steps() -> [Step] {
        var steps: [Step] = []
        for id in nodes.keys.sorted() {
            if let node = nodes[id], node.isLocal, node.isGone, !isDesired(id) {
                nodes[id] = nil
            } else if let delay = nodes[id]?.takeStart() {
                steps.append(.start(id: id, after: delay))
            }
        }
        guard awaited.isEmpty else { return steps }
        let publication = publication()
        let (version, isAcknowledged) = (version, isAcknowledged)
        let orders = nodes.keys.sorted().compactMap { id in
            nodes[id]?.takeStep(version: version, acknowledged: isAcknowledged)
        }
        // A node that takes connections again hears it before forwarders do.
        steps += orders.filter(\.isResume)
        if let publication { steps.append(publication) }
        return steps + orders.filter { !$0.isResume }
    }

    /// Whether every forwarder that has a link acts on the newest membership.
    private var isAcknowledged: Bool { acknowledged.values.allSatisfy { $0 >= version } }

    /// Whether clients can be served as wanted: every desired proxy serves the snapshot with this digest, and the
    /// forwarder serves it too and knows them.
    func isReady(digest: UInt64) -> Bool {
        guard awaited.isEmpty, published != nil, isAcknowledged else { return false }
        guard let forwarder = nodes[Members.forwarderID], forwarder.isLinked, forwarder.digest == digest else {
            return false
        }
        return (1..<desiredProxies + 1).allSatisfy { number in
            guard let node = nodes[Members.proxyID(number)] else { return false }
            return node.isServing && node.digest == digest
        }
    }

    private mutating func publication() -> Step? {
        let members = nodes.values.filter { $0.role == .proxy }.compactMap(\.member).sorted { $0.id < $1.id }
            .map { member in
                var member = member
                if let weights { member.weight = weights[member.id] ?? LoadWeights.base }
                return member
            }
        let endpoints =
            drainedEndpoints.map {
                EndpointMember(pool: $0.pool, address: $0.address, state: .draining)
            }.sorted { ($0.pool, $0.address.description) < ($1.pool, $1.address.description) }
            + downEndpoints.map { EndpointMember(pool: $0.pool, address: $0.address, state: .down) }
        let isSame = published?.endpoints ?? [] == endpoints && published?.ticketKeys == ticketKeys
        if isSame, let published, published.nodes == members { return nil }
        let next = Membership(version: version + 1, nodes: members, endpoints: endpoints, ticketKeys: ticketKeys)
        published = next
        return .publish(next, toProxies: !isSame)
    }
}
