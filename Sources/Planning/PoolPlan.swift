import Balancing
import EventLoop
import Snapshot

/// How the requests of the nodes that are left are spread over one pool.
package struct PoolPlan: Equatable, Sendable, Encodable {
    package var name: String
    package var balance: String
    package var endpoints: Int
    /// Endpoints that one node uses.
    package var usedByNode: Spread
    /// Nodes that use one endpoint that is up.
    package var nodesOfEndpoint: Spread
    /// Requests a second of an endpoint that takes any, for one unit of weight.
    package var rate: Spread
    /// Requests under way at one endpoint, over all nodes.
    package var active: Spread
    /// `normal`, `backup`, `panic` or `none`: see `panic` in the site file.
    package var scope: String

    /// Requests that are simulated, over all nodes: a mean share of a thousandth of an endpoint among 10,000 would need
    /// more than anybody waits for, so `rate` has the noise of this many draws.
    static let picksMax = 4_000_000
    /// Per endpoint that is up: enough that chance alone makes the most of 10,000 a fifth more than the mean.
    static let picksPerEndpoint = 400

    init(_ pool: Pool, _ question: SitePlan.Question, _ nodes: NodeShares) {
        let simulation = PoolSimulation(pool, question)
        let wanted = min(
            max(PoolPlan.picksPerEndpoint * pool.endpoints.count, 200 * nodes.names.count), PoolPlan.picksMax)
        for (name, share) in zip(nodes.names, nodes.shares) {
            simulation.run(node: name, share: share, picks: max(1, Int((Double(wanted) * share).rounded())))
        }
        let taken = simulation.picks.indices.filter { simulation.picks[$0] > 0 }
        let whole = Double(simulation.picks.reduce(0, +))
        let weights = pool.endpoints.map { Double($0.weight) }
        self.init(
            name: pool.name, balance: pool.balance.name, endpoints: pool.endpoints.count,
            usedByNode: Spread(simulation.usedByNode),
            nodesOfEndpoint: Spread(taken.map { Double(simulation.users[$0]) }),
            rate: Spread(taken.map { question.rate * Double(simulation.picks[$0]) / whole / weights[$0] }),
            active: Spread(taken.map { simulation.active[$0] }), scope: simulation.scope)
    }

    private init(
        name: String, balance: String, endpoints: Int, usedByNode: Spread, nodesOfEndpoint: Spread, rate: Spread,
        active: Spread, scope: String
    ) {
        self.name = name
        self.balance = balance
        self.endpoints = endpoints
        self.usedByNode = usedByNode
        self.nodesOfEndpoint = nodesOfEndpoint
        self.rate = rate
        self.active = active
        self.scope = scope
    }
}

/// One worker per node, each with its own view of the pool, as in the proxy. A request takes the same time at every endpoint.
private final class PoolSimulation {
    /// By endpoint: requests, nodes that use it, and requests under way at the end.
    private(set) var picks: [Int]
    private(set) var users: [Int]
    private(set) var active: [Double]
    private(set) var usedByNode: [Double] = []
    private(set) var scope = "none"

    private let members: [PoolMember]
    private let rules: BalanceRules
    private let question: SitePlan.Question
    private let isUp: [Bool]
    private var loads: [EndpointLoad]
    private var random: RandomSource

    init(_ pool: Pool, _ question: SitePlan.Question) {
        let count = pool.endpoints.count
        self.question = question
        members = pool.endpoints.enumerated().map { index, endpoint in
            PoolMember(
                name: endpoint.address.description, number: UInt32(index), weight: UInt16(endpoint.weight),
                isBackup: endpoint.isBackup)
        }
        rules = pool.rules
        random = RandomSource(seed: question.seed)
        var isUp = [Bool](repeating: true, count: count)
        for index in Array(0..<count).shuffled(using: &random).prefix(question.failedEndpoints) { isUp[index] = false }
        self.isUp = isUp
        picks = .init(repeating: 0, count: count)
        users = picks
        active = .init(repeating: 0, count: count)
        loads = []
    }

    func run(node: String, share: Double, picks wanted: Int) {
        let now: UInt64 = 1 << 40
        let nanoseconds = UInt64(question.latencySeconds * 1e9)
        // All endpoints are known to be equally fast: what is shown is how the load itself is spread.
        loads = isUp.map { isUp in
            var load = EndpointLoad()
            load.standing = isUp ? .up : []
            load.observe(nanoseconds: nanoseconds, now: now)
            return load
        }
        let shape = PoolShape(members, rules: rules, node: node)
        var balancer = PoolBalancer(shape)
        defer { balancer.destroy() }
        // Little's law: requests under way are the node's rate times what one takes; the oldest ends when the next begins.
        let underWay = max(1, min(Int(question.rate * share * question.latencySeconds), wanted))
        var queue: [Int] = []
        queue.reserveCapacity(underWay)
        var oldest = 0
        var used: Set<Int> = []
        loads.withUnsafeMutableBufferPointer { loads in
            for _ in 0..<(wanted + underWay) {
                let isFull = queue.count == underWay
                if isFull { loads[queue[oldest]].active -= 1 }
                guard
                    let number = balancer.pick(
                        loads.baseAddress!, active: UInt32(min(queue.count, underWay - 1)), key: random.next(),
                        now: now,
                        random: &random)
                else {
                    if isFull { loads[queue[oldest]].active += 1 }
                    break
                }
                let index = Int(number)
                loads[index].active += 1
                if isFull {
                    // The first requests find an empty pool; they aren't counted.
                    picks[index] += 1
                    used.insert(index)
                    queue[oldest] = index
                    oldest = (oldest + 1) % underWay
                } else {
                    queue.append(index)
                }
            }
            for index in loads.indices { active[index] += Double(loads[index].active) }
        }
        for index in used { users[index] += 1 }
        usedByNode.append(Double(min(used.count, rules.subsetCount ?? .max)))
        scope = "\(balancer.scope)"
    }
}
