import Balancing

/// How connections are spread over proxy nodes, and what happens when some fail.
package struct NodePlan: Equatable, Sendable, Encodable {
    /// Requests a second of one node, with all nodes, and with those that are left.
    package var rate: Spread
    package var rateAfter: Spread
    /// Shares of all connections: those that the failed nodes had, and those of other nodes that move as well.
    package var lostShare: Double
    package var movedShare: Double
    /// What a node has to be able to carry: the most after the failure against the mean before it.
    package var headroom: Double
}

/// The forwarders' table over nodes, before and after.
struct NodeShares {
    /// Names of the nodes that are left, and the share of connections of each.
    private(set) var names: [String] = []
    private(set) var shares: [Double] = []
    let plan: NodePlan

    init(_ question: SitePlan.Question) {
        let all = (1...question.nodes).map { MaglevMember(name: "proxy-\($0)") }
        // Which nodes fail: the first of a shuffled deck.
        var random = RandomSource(seed: question.seed)
        var deck = Array(all.indices)
        deck.shuffle(using: &random)
        let failed = Set(deck.prefix(question.failedNodes))
        let left = all.enumerated().map { index, member in
            MaglevMember(name: member.name, weight: failed.contains(index) ? 0 : 1)
        }
        // As the forwarder builds it: a node that fails keeps its place with no weight.
        let (before, after) = (MaglevTable(all), MaglevTable(left))
        var countsBefore = [Double](repeating: 0, count: all.count)
        var countsAfter = countsBefore
        var lost = 0.0
        var moved = 0.0
        for entry in 0..<before.count {
            countsBefore[before[entry]] += 1
            countsAfter[after[entry]] += 1
            if failed.contains(before[entry]) {
                lost += 1
            } else if before[entry] != after[entry] {
                moved += 1
            }
        }
        let size = Double(before.count)
        for index in all.indices where !failed.contains(index) {
            names.append(all[index].name)
            shares.append(countsAfter[index] / size)
        }
        let (spread, spreadAfter) = (Spread(countsBefore.map { $0 / size }), Spread(shares))
        plan = NodePlan(
            rate: spread.times(question.rate), rateAfter: spreadAfter.times(question.rate), lostShare: lost / size,
            movedShare: moved / size, headroom: spreadAfter.most / spread.mean)
    }
}
