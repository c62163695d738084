import Balancing
package import Snapshot

/// What a site would do with a load, before it has it: the tables and the balancers that forwarders and proxy nodes use, run on
/// numbers instead of connections.
package struct SitePlan: Equatable, Sendable, Encodable {
    /// The question.
    package struct Question: Equatable, Sendable, Encodable {
        /// Proxy nodes; 1…65,535.
        package var nodes: Int
        /// Nodes that fail together; fewer than `nodes`.
        package var failedNodes: Int
        /// Endpoints of each pool that are down; as many as it has, at most.
        package var failedEndpoints: Int
        /// Requests a second, over all nodes.
        package var rate: Double
        /// What an endpoint takes for a request, seconds.
        package var latencySeconds: Double
        /// The same seed gives the same answer.
        package var seed: UInt64

        package init(
            nodes: Int, failedNodes: Int = 0, failedEndpoints: Int = 0, rate: Double, latencySeconds: Double = 0.05,
            seed: UInt64 = 1
        ) {
            precondition(nodes > 0 && nodes <= MaglevTable.membersMax, "\(nodes) nodes")
            precondition(failedNodes >= 0 && failedNodes < nodes, "\(failedNodes) of \(nodes) nodes fail")
            self.nodes = nodes
            self.failedNodes = failedNodes
            self.failedEndpoints = failedEndpoints
            self.rate = rate
            self.latencySeconds = latencySeconds
            self.seed = seed
        }
    }

    package var question: Question
    package var nodes: NodePlan
    /// One for each pool, as if it got all requests.
    package var pools: [PoolPlan]

    package init(_ snapshot: Snapshot, _ question: Question) {
        self.question = question
        let table = NodeShares(question)
        nodes = table.plan
        pools = snapshot.pools.filter { !$0.endpoints.isEmpty }.map { PoolPlan($0, question, table) }
    }
}

/// The least, the mean and the most of some figures.
package struct Spread: Equatable, Sendable, Encodable {
    package var least: Double
    package var mean: Double
    package var most: Double

    package init(_ figures: [Double]) {
        least = figures.min() ?? 0
        most = figures.max() ?? 0
        mean = figures.isEmpty ? 0 : figures.reduce(0, +) / Double(figures.count)
    }

    package func times(_ factor: Double) -> Spread {
        Spread([least, mean, most].map { $0 * factor }, mean: mean * factor)
    }

    private init(_ figures: [Double], mean: Double) {
        least = figures[0]
        most = figures[2]
        self.mean = mean
    }
}
