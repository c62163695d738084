import EventLoop
import Logging
import NodeLink
import Snapshot

/// What nodes say of endpoints, and what the site makes of it.
extension Controller {
    /// Endpoints came or went with a revision, or with the addresses of a name.
    func adoptEndpoints() {
        guard let pools = current?.snapshot.pools else { return }
        func keys(_ pools: [Pool]) -> Set<Members.EndpointKey> {
            let keys = pools.flatMap { pool in
                pool.endpoints.map { Members.EndpointKey(pool: pool.name, address: $0.address) }
            }
            return Set(keys)
        }
        endpoints.adopt(keys(pools), probed: keys(pools.filter { $0.health != nil }), now: .now)
        members.setDown(endpoints: endpoints.down)
    }

    func record(_ votes: [EndpointVote], of node: String, isAll: Bool) {
        note(endpoints.record(votes, of: node, isAll: isAll, now: .now))
    }

    /// The node has gone. Of endpoints that nobody else has spoken of, its last word stands.
    func forgetVotes(of node: String) { note(endpoints.forget(node, now: .now)) }

    func drainedEndpointsChanged() { note(endpoints.setDrained(members.drainedEndpoints, now: .now)) }

    private func note(_ changes: [EndpointLedger.Change]) {
        members.setDown(endpoints: endpoints.down)
        for ejection in endpoints.takeEjections() {
            let name = ejection.endpoint.text
            let state = ejection.cause == nil ? "returned" : "ejected"
            events.add(
                EventDocument(kind: "ejection", name: name, state: state, reason: ejection.cause, node: ejection.node))
            let reason = ejection.cause.map { ": \($0)" } ?? ""
            logger.info("endpoint \(name) is \(state) at node \(ejection.node)\(reason)")
        }
        for change in changes {
            let view = change.view
            let votes = view.votesUp + view.votesDown
            let count = votes > 0 ? " (\(view.state == .down ? view.votesDown : view.votesUp) of \(votes) nodes)" : ""
            let reason = view.reason.map { ": \($0)" } ?? ""
            events.add(
                EventDocument(
                    kind: "endpoint", name: change.endpoint.text, state: view.state.rawValue,
                    from: change.from.rawValue, reason: view.reason,
                    votes: votes > 0 ? .init(up: view.votesUp, down: view.votesDown) : nil))
            logger.info("endpoint \(change.endpoint.text) is \(view.state.rawValue)\(count)\(reason)")
        }
    }

    /// Whether nodes must know of each other, as each probes only its share of the endpoints.
    func sharesProbes(among membership: Membership) -> Bool {
        let isShared = membership.nodes.count > Controller.probersPerEndpoint || hasSharedProbes
        hasSharedProbes = membership.nodes.count > Controller.probersPerEndpoint
        return isShared && current?.snapshot.pools.contains { $0.health != nil } == true
    }

    /// `NodeAgent.probersPerEndpoint`: with no more nodes than that each probes everything.
    static let probersPerEndpoint = 3
}
