import EventLoop
import NodeLink

/// What the nodes say of the endpoints, added up. Pure: votes and operators' orders in, states and changes out.
///
/// An endpoint is down when more of the nodes that probe it say so than say the contrary. While they are even, and when
/// nobody says anything (the nodes that probed it have just gone), it stays what it was.
struct EndpointLedger: Sendable {
    enum State: String, Sendable {
        /// Nobody has said anything yet.
        case unknown
        case up
        /// Every node that has something to say ejects it.
        case ejected
        case down
        /// An operator's word, which goes before all others.
        case draining
    }

    /// One endpoint as operators see it.
    struct View: Equatable, Sendable {
        var state = State.unknown
        /// Why, unless it is `up` or `unknown`; of a partial ejection, too.
        var reason: String?
        /// When the state began.
        var since: ContinuousClock.Instant
        /// Probing nodes by what they say.
        var votesUp = 0
        var votesDown = 0
        /// Nodes that eject it, in order.
        var ejectedBy: [String] = []
    }

    struct Change: Equatable, Sendable {
        let endpoint: Members.EndpointKey
        let from: State
        let view: View
    }

    /// A node ejects an endpoint for what it did to requests, or lets it back.
    struct Ejection: Equatable, Sendable {
        let endpoint: Members.EndpointKey
        let node: String
        /// nil: it is back.
        let cause: String?
    }

    fileprivate struct Entry: Sendable {
        var votes: [String: EndpointVote] = [:]
        var isDown = false
        var view: View
    }

    private var entries: [Members.EndpointKey: Entry] = [:]
    private var ejections: [Ejection] = []
    private var probed: Set<Members.EndpointKey> = []
    private var drained: Set<Members.EndpointKey> = []

    /// Endpoints that are down by the votes.
    var down: [Members.EndpointKey] { entries.filter(\.value.isDown).map(\.key) }

    func view(of endpoint: Members.EndpointKey) -> View? { entries[endpoint]?.view }

    /// The endpoints of the site in force; others are forgotten.
    ///
    /// - Parameter probed: Those of pools with health checks. No other can be down: its last votes may have been withdrawn.
    mutating func adopt(
        _ endpoints: Set<Members.EndpointKey>, probed: Set<Members.EndpointKey>, now: ContinuousClock.Instant
    ) {
        self.probed = probed
        entries = entries.filter { endpoints.contains($0.key) }
        for endpoint in endpoints where entries[endpoint] == nil { entries[endpoint] = Entry(view: View(since: now)) }
        _ = settle(endpoints, now: now)
    }

    /// - Parameter isAll: The votes are all that the node has, not what has changed.
    mutating func record(
        _ votes: [EndpointVote], of node: String, isAll: Bool, now: ContinuousClock.Instant
    ) -> [Change] {
        var touched: Set<Members.EndpointKey> = []
        let before = isAll ? withdraw(node) : []
        touched.formUnion(before)
        for vote in votes {
            let endpoint = Members.EndpointKey(pool: vote.pool, address: vote.address)
            let known = isAll ? nil : entries[endpoint]?.votes[node]?.ejection
            if known != vote.ejection {
                ejections.append(Ejection(endpoint: endpoint, node: node, cause: vote.ejection))
            }
            // Also of endpoints that aren't named yet: nodes have a new snapshot before it is in force.
            let isEmpty = vote.verdict == .unknown && vote.ejection == nil
            entries[endpoint, default: Entry(view: View(since: now))].votes[node] = isEmpty ? nil : vote
            touched.insert(endpoint)
        }
        return settle(touched, now: now)
    }

    /// Ejections and returns since the last call.
    mutating func takeEjections() -> [Ejection] {
        defer { ejections = [] }
        return ejections
    }

    /// The node has gone.
    mutating func forget(_ node: String, now: ContinuousClock.Instant) -> [Change] {
        settle(withdraw(node), now: now)
    }

    mutating func setDrained(_ endpoints: Set<Members.EndpointKey>, now: ContinuousClock.Instant) -> [Change] {
        let changed = drained.symmetricDifference(endpoints)
        drained = endpoints
        return settle(changed, now: now)
    }

    private mutating func withdraw(_ node: String) -> Set<Members.EndpointKey> {
        var touched: Set<Members.EndpointKey> = []
        for endpoint in entries.keys where entries[endpoint]?.votes[node] != nil {
            entries[endpoint]?.votes[node] = nil
            touched.insert(endpoint)
        }
        return touched
    }

    private mutating func settle(
        _ endpoints: Set<Members.EndpointKey>, now: ContinuousClock.Instant
    ) -> [Change] {
        endpoints.sorted { $0.text < $1.text }.compactMap { endpoint in
            guard var entry = entries[endpoint] else { return nil }
            let old = entry.view
            entry.settle(isDrained: drained.contains(endpoint), isProbed: probed.contains(endpoint), now: now)
            entries[endpoint] = entry
            return entry.view.state == old.state
                ? nil : Change(endpoint: endpoint, from: old.state, view: entry.view)
        }
    }
}

extension EndpointLedger.Entry {
    fileprivate mutating func settle(isDrained: Bool, isProbed: Bool, now: ContinuousClock.Instant) {
        let verdicts = votes.values.map(\.verdict)
        view.votesUp = verdicts.count { $0 == .up }
        view.votesDown = verdicts.count { $0 == .down }
        if view.votesUp != view.votesDown { isDown = view.votesDown > view.votesUp }
        if !isProbed { isDown = false }
        let ejections = votes.filter { $0.value.ejection != nil }
        view.ejectedBy = ejections.keys.sorted()
        let state: EndpointLedger.State
        if isDrained {
            (state, view.reason) = (.draining, "drained by an operator")
        } else if isDown {
            // The most frequent reason; of equally frequent ones the first by name.
            let reasons = Dictionary(grouping: votes.values.filter { $0.verdict == .down }.map(\.reason)) { $0 }
            let reason = reasons.max { ($0.value.count, $1.key) < ($1.value.count, $0.key) }?.key
            (state, view.reason) = (.down, reason ?? view.reason)
        } else {
            let cause = view.ejectedBy.first.flatMap { votes[$0]?.ejection }
            view.reason = cause
            if !ejections.isEmpty && ejections.count == votes.count {
                state = .ejected
            } else {
                state = view.votesUp > 0 ? .up : ejections.isEmpty ? .unknown : .up
            }
        }
        if state != view.state {
            view.state = state
            view.since = now
        }
    }
}
