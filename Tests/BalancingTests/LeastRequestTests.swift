import Testing

@testable import Balancing

@Suite("balance: least-request")
struct LeastRequestTests {
    private func pool(_ active: [UInt32], _ weights: [UInt16]? = nil, seed: UInt64 = 1) -> TestPool {
        let pool = TestPool(weights: weights ?? active.map { _ in 1 }, .leastRequest, seed: seed)
        for (index, active) in active.enumerated() { pool[index].active = active }
        return pool
    }

    /// Picks for requests that never end.
    private func start(_ requests: Int, _ pool: TestPool) {
        for _ in 0..<requests { pool[pool.pick()!].active += 1 }
    }

    @Test("a small pool: always the least loaded", arguments: 1...8)
    func least(count: Int) {
        for idle in 0..<count {
            let pool = pool((0..<count).map { $0 == idle ? 4 : 5 })
            #expect((0..<50).allSatisfy { _ in pool.pick() == idle })
        }
    }

    @Test(
        "a small pool: load is measured against weight",
        arguments: [
            ([2, 1], [3, 1], 0), ([3, 1], [2, 1], 1), ([9, 0], [256, 1], 1), ([10, 11, 5], [2, 3, 1], 1),
            ([.max, .max], [255, 256], 1), ([.max, 1], [256, 1], 1),
        ] as [([UInt32], [UInt16], Int)])
    func weighted(active: [UInt32], weights: [UInt16], expected: Int) {
        let pool = pool(active, weights)
        #expect((0..<50).allSatisfy { _ in pool.pick() == expected })
    }

    @Test(
        "a small pool: the least of all, as a search without weights finds it", arguments: 1...40 as ClosedRange<UInt64>
    )
    func naive(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let active = (0..<8).map { _ in random.next(below: 5) }
        let weights = (0..<8).map { _ in UInt16(random.next(below: 4) + 1) }
        let pool = pool(active, weights, seed: seed)
        let loads = zip(active, weights).map { Double($0) / Double($1) }
        let tally = pool.tally(4_000)
        let best = loads.enumerated().filter { $1 == loads.min() }.map(\.offset)
        #expect(pool.picked(200).isSubset(of: Set(best)), "seed \(seed)")
        #expect(isSpread(best.map { tally[$0] }, by: best.map { weights[$0] }), "seed \(seed): \(tally)")
    }

    @Test("an idle pool is shared by weight, small or large", arguments: [4, 8, 12, 40])
    func idleByWeight(count: Int) {
        let weights = (0..<count).map { UInt16($0 % 4 + 1) }
        let tally = pool(weights.map { _ in 0 }, weights).tally(1000 * weights.reduce(0) { $0 + Int($1) })
        #expect(isSpread(tally, by: weights), "\(tally)")
    }

    @Test("a large pool: the most loaded is never picked, the least in 2 of n draws")
    func twoChoices() {
        let tally = pool((0..<16).map { UInt32($0) }).tally(16_000)
        // Two different ones are drawn, so the last never wins; number k wins with a chance of 2 (15 - k) / (16 · 15).
        #expect(tally[15] == 0)
        #expect(isSpread(tally, by: (0..<16).map { UInt16(15 - $0) }), "\(tally)")
    }

    @Test("requests that stay are levelled", arguments: [2, 8, 9, 50], 1...5 as ClosedRange<UInt64>)
    func levels(count: Int, seed: UInt64) throws {
        let pool = pool(.init(repeating: 0, count: count), seed: seed)
        start(100 * count, pool)
        let active = (0..<count).map { pool[$0].active }
        let spread = try #require(active.max()) - #require(active.min())
        // A full scan fills level by level. Two choices stay within log log n plus a constant.
        #expect(spread <= (count <= 8 ? 0 : 8), "seed \(seed): \(active)")
    }

    @Test("requests that stay are levelled by weight")
    func levelsByWeight() {
        let weights = (0..<30).map { UInt16($0 % 3 + 1) }
        let pool = pool(weights.map { _ in 0 }, weights)
        start(6000, pool)
        for (index, weight) in weights.enumerated() {
            #expect(abs(Int(pool[index].active) - 100 * Int(weight)) <= 24)
        }
    }

    @Test("the one endpoint that isn't excluded is found, however loaded and light", arguments: [1, 8, 9, 2000])
    func lastOpen(count: Int) {
        for index in [0, count / 2, count - 1] {
            var weights = [UInt16](repeating: 256, count: count)
            weights[index] = 1
            let pool = pool(.init(repeating: 0, count: count), weights)
            for other in 0..<count where other != index { pool[other].standing.insert(.excluded) }
            pool[index].active = .max
            #expect(pool.pick() == index)
        }
    }

    @Test("two open endpoints of many are both found and compared")
    func lastTwo() {
        let pool = pool(.init(repeating: 0, count: 2000))
        for index in 0..<2000 where index != 700 && index != 1900 { pool[index].standing.insert(.excluded) }
        pool[700].active = 1
        #expect((0..<100).allSatisfy { _ in pool.pick() == 1900 })
    }
}
