import Testing

@testable import Balancing

/// A pool, its loads and a balancer, for tests. Endpoint k of the pool has number 2k + 1: an index taken for a number shows.
final class TestPool {
    let shape: PoolShape
    var balancer: PoolBalancer
    let loads: UnsafeMutablePointer<EndpointLoad>
    let count: Int
    var random: RandomSource
    var now: UInt64 = 1_000_000_000_000
    var active: UInt32 = 0

    init(
        _ members: [PoolMember], _ rules: BalanceRules = BalanceRules(), node: String = "", seed: UInt64 = 1
    ) {
        count = members.count
        var numbered = members
        for index in numbered.indices { numbered[index].number = TestPool.number(index) }
        shape = PoolShape(numbered, rules: rules, node: node)
        balancer = PoolBalancer(shape)
        loads = .allocate(capacity: 2 * max(count, 1))
        loads.initialize(repeating: EndpointLoad(), count: 2 * max(count, 1))
        random = RandomSource(seed: seed)
    }

    convenience init(
        weights: [UInt16], _ policy: BalancePolicy, node: String = "", seed: UInt64 = 1
    ) {
        self.init(
            weights.enumerated().map { PoolMember(name: "10.0.0.\($0):9000", number: 0, weight: $1) },
            BalanceRules(policy: policy), node: node, seed: seed)
    }

    deinit {
        balancer.destroy()
        loads.deallocate()
    }

    static func number(_ index: Int) -> UInt32 { UInt32(2 * index + 1) }

    subscript(index: Int) -> EndpointLoad {
        get { loads[Int(TestPool.number(index))] }
        set { loads[Int(TestPool.number(index))] = newValue }
    }

    /// Index of the next endpoint.
    func pick(key: UInt64? = nil) -> Int? {
        balancer.pick(loads, active: active, key: key, now: now, random: &random).map { Int($0 - 1) / 2 }
    }

    func set(_ index: Int, _ standing: EndpointStanding) {
        self[index].standing = standing
        balancer.changed()
    }

    /// How often each endpoint is picked while nothing else changes.
    func tally(_ picks: Int) -> [Int] {
        var tally = [Int](repeating: 0, count: count)
        for _ in 0..<picks {
            if let index = pick() { tally[index] += 1 }
        }
        return tally
    }

    /// Those that are picked at all.
    func picked(_ picks: Int = 400) -> Set<Int> { Set(tally(picks).enumerated().filter { $1 > 0 }.map(\.offset)) }
}

/// Whether each count lies within seven standard deviations of its share: missed by chance once in 10¹¹ runs.
func isSpread(_ tally: [Int], by weights: [UInt16]) -> Bool {
    let picks = Double(tally.reduce(0, +))
    let whole = Double(weights.reduce(0) { $0 + Int($1) })
    return zip(tally, weights).allSatisfy { count, weight in
        let share = Double(weight) / whole
        return abs(Double(count) - picks * share) <= 7 * (picks * share * (1 - share)).squareRoot() + 1
    }
}
