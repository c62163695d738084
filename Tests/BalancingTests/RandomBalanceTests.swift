import Testing

@testable import Balancing

@Suite("balance: random")
struct RandomBalanceTests {
    @Test(
        "shares are the weights",
        arguments: [[1, 1, 1], [5, 1], [256, 1, 1], (1...40).map { UInt16($0) }] as [[UInt16]],
        1...4 as ClosedRange<UInt64>)
    func shares(weights: [UInt16], seed: UInt64) {
        let tally = TestPool(weights: weights, .random, seed: seed).tally(40_000)
        #expect(isSpread(tally, by: weights), "seed \(seed): \(tally)")
    }

    @Test(
        "a second draw is another endpoint, by the weights of the others",
        arguments: [[1, 1], [9, 1, 2], [1, 256, 1, 1]])
    func others(weights: [UInt16]) {
        let pool = TestPool(weights: weights, .random)
        _ = pool.pick()
        for first in weights.indices {
            var tally = [Int](repeating: 0, count: weights.count)
            let place = (0..<pool.balancer.candidates.count).map { pool.balancer.candidates[$0] }
                .first { $0.number == TestPool.number(first) }!
            for _ in 0..<10_000 {
                let draw = pool.balancer.candidates.draw(pool.loads, besides: place, &pool.random)
                tally[Int(draw!.number - 1) / 2] += 1
            }
            #expect(tally[first] == 0)
            let rest = weights.enumerated().map { $0 == first ? 0 : $1 }
            #expect(isSpread(tally, by: rest), "\(tally)")
        }
    }

    @Test("a place and the draws of its tickets are the same endpoint")
    func places() {
        let pool = TestPool(weights: [3, 1, 3, 200, 1], .random)
        _ = pool.pick()
        let set = pool.balancer.candidates
        let places = (0..<5).map { set[$0] }
        #expect(Set(places.map(\.number)).count == 5)
        #expect(places.map(\.ticket).sorted() == places.map(\.ticket))
        #expect(places.last!.ticket + places.last!.weight == set.weight)
        #expect(set.weight == 16 * 208)
    }

    @Test("no endpoint, nothing picked", arguments: BalancePolicy.allCases)
    func nothing(policy: BalancePolicy) {
        #expect(TestPool(weights: [], policy).pick(key: 7) == nil)
        let pool = TestPool([PoolMember(name: "a", number: 0)], BalanceRules(policy: policy, panicPercent: 0))
        pool.set(0, [])
        #expect(pool.pick(key: 7) == nil)
        #expect(pool.balancer.scope == .none)
        pool.set(0, .up)
        #expect(pool.pick(key: 7) == 0)
    }
}
