import Balancing
import EventLoop
import NodeLink
import Snapshot
import Telemetry

/// Who probes what, what the site says of endpoints that others probe, and what this node tells the site.
extension NodeAgent {
    /// Nodes that probe an endpoint, of those that the membership names. Three: a majority outvotes one node whose own
    /// network fails, and the endpoint is not bothered by hundreds.
    package static let probersPerEndpoint = 3
    /// How long a node without a link goes on with its share of the probes. A control plane that is started again is
    /// back before; with all nodes probing everything at each of its restarts, endpoints would feel them.
    static let aloneNanoseconds: UInt64 = 10_000_000_000

    /// Takes up the probes that fall to this node now. To be called when the snapshot, the nodes or the link have changed.
    func planProbes() {
        guard let current else { return }
        var probes = current.snapshot.probes(by: role.role)
        if let share = probeShare {
            probes.removeAll { !share.chooses(id, for: $0.key.hash) }
        }
        prober.update(probes, in: &loop)
        votes.keepVerdicts(of: Set(probes.map(\.key)))
        reportHealthChanges()
        repeatDown()
    }

    /// nil: this node probes everything that it uses. A forwarder always does; a proxy while it is alone, or before the
    /// membership names it.
    private var probeShare: Rendezvous? {
        guard role.role == .proxy, !isAlone, let nodes = membership?.nodes.map(\.id), nodes.contains(id) else {
            return nil
        }
        let share = Rendezvous(members: nodes, count: NodeAgent.probersPerEndpoint)
        return share.choosesAll ? nil : share
    }

    /// What the nodes that probe an endpoint say of it, for those that don't.
    func adoptSiteVerdicts(of membership: Membership) {
        let down = Set(
            membership.endpoints.filter { $0.state == .down }.map { EndpointKey(pool: $0.pool, address: $0.address) })
        let changed = siteDown.symmetricDifference(down)
        siteDown = down
        for endpoint in changed where prober.status(of: endpoint) == .unknown {
            role.setHealth(of: endpoint, isUp: !down.contains(endpoint))
        }
    }

    /// What a node has seen for itself counts; of what it hasn't, the site's word.
    func isUp(_ endpoint: EndpointKey) -> Bool {
        switch prober.status(of: endpoint) {
        case .up: true
        case .down: false
        case .unknown: !siteDown.contains(endpoint)
        }
    }

    /// Tells the role what it may not use: workers may have built their pools anew, and what this node has seen for itself
    /// may have become hearsay.
    func repeatDown() {
        for endpoint in Set(prober.down).union(siteDown) where !isUp(endpoint) {
            role.setHealth(of: endpoint, isUp: false)
        }
    }

    func reportHealthChanges() {
        for change in prober.takeChanges() {
            let name = "\(change.endpoint.pool)/\(change.endpoint.address)"
            switch change.cause {
            case .probesPass:
                Log.info("health", "\(name) is up")
                votes.probed(change.endpoint, .up)
            case .probesFail(let failure):
                Log.info("health", "\(name) is down: \(failure)")
                votes.probed(change.endpoint, .down, reason: failure.description)
            case .notProbedAnyMore:
                Log.info("health", "\(name) is not probed any more")
                votes.probed(change.endpoint, .unknown)
            }
            role.setHealth(of: change.endpoint, isUp: isUp(change.endpoint))
        }
    }

    /// At the end of a turn.
    func sendVotes() {
        guard link.isOpen else { return }
        let unsent = votes.takeUnsent()
        if !unsent.isEmpty { send(.votes(unsent)) }
    }

    // MARK: with and without the control plane

    func linkOpened() {
        loop.timers.cancel(AgentLoop.Timer.alone)
        guard isAlone else { return }
        isAlone = false
        planProbes()
    }

    func linkClosed() {
        guard !isAlone else { return }
        loop.timers.set(AgentLoop.Timer.alone, at: loop.now + NodeAgent.aloneNanoseconds)
    }

    func becomeAlone() {
        guard !isAlone else { return }
        isAlone = true
        Log.warning("health", "\(id): no control plane for 10 s: this node probes all its endpoints itself")
        planProbes()
    }
}

extension EndpointKey {
    /// The same on every node.
    var hash: UInt64 { Hash64.combine(Hash64.xxh64(pool.utf8), Hash64.xxh64(address.description.utf8)) }
}
