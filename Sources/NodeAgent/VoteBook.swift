import EventLoop
package import NodeLink

/// What this node knows of endpoints, and what of it the control plane hasn't been told.
package struct VoteBook: Sendable {
    private var votes: [EndpointKey: EndpointVote] = [:]
    private var unsent: Set<EndpointKey> = []

    package init() {}

    /// Everything that is known: for `hello`, which says it all.
    package mutating func takeAll() -> [EndpointVote] {
        unsent = []
        return votes.values.sorted { ($0.pool, $0.address.description) < ($1.pool, $1.address.description) }
    }

    /// What has changed since the last call; a vote without content withdraws the one before.
    package mutating func takeUnsent() -> [EndpointVote] {
        defer { unsent = [] }
        return unsent.map { votes[$0] ?? EndpointVote(pool: $0.pool, address: $0.address, verdict: .unknown) }
            .sorted { ($0.pool, $0.address.description) < ($1.pool, $1.address.description) }
    }

    package mutating func probed(_ endpoint: EndpointKey, _ verdict: EndpointVote.Verdict, reason: String = "") {
        change(endpoint) { vote in
            vote.verdict = verdict
            vote.reason = reason
        }
    }

    package mutating func ejected(_ endpoint: EndpointKey, for ejection: String?) {
        change(endpoint) { $0.ejection = ejection }
    }

    /// Verdicts on all other endpoints are withdrawn: they are not probed here any more.
    package mutating func keepVerdicts(of probed: Set<EndpointKey>) {
        for (endpoint, vote) in votes where vote.verdict != .unknown && !probed.contains(endpoint) {
            self.probed(endpoint, .unknown)
        }
    }

    private mutating func change(_ endpoint: EndpointKey, _ body: (inout EndpointVote) -> Void) {
        let old = votes[endpoint] ?? EndpointVote(pool: endpoint.pool, address: endpoint.address, verdict: .unknown)
        var new = old
        body(&new)
        guard new != old else { return }
        votes[endpoint] = new.verdict == .unknown && new.ejection == nil ? nil : new
        unsent.insert(endpoint)
    }
}
