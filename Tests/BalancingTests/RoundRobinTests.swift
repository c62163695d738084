import Testing

@testable import Balancing

@Suite("balance: round-robin")
struct RoundRobinTests {
    @Test("equal weights: each once in every round", arguments: [1, 2, 7, 1000], 1...3 as ClosedRange<UInt64>)
    func equal(count: Int, seed: UInt64) {
        let pool = TestPool(weights: .init(repeating: 3, count: count), .roundRobin, seed: seed)
        for _ in 0..<5 { #expect(pool.tally(count).allSatisfy { $0 == 1 }) }
    }

    @Test(
        "weights: at any time no endpoint is two turns away from its share",
        arguments: [[5, 1, 1], [1, 2, 3, 4], [256, 1], [7, 7, 3, 3, 3, 1], (1...40).map { UInt16($0) }] as [[UInt16]],
        1...5 as ClosedRange<UInt64>)
    func smooth(weights: [UInt16], seed: UInt64) {
        let pool = TestPool(weights: weights, .roundRobin, seed: seed)
        let whole = weights.reduce(0) { $0 + Int($1) }
        var tally = [Int](repeating: 0, count: weights.count)
        var worst = 0.0
        for turn in 1...(3 * whole) {
            tally[pool.pick()!] += 1
            for (count, weight) in zip(tally, weights) {
                worst = max(worst, abs(Double(count) - Double(turn * Int(weight)) / Double(whole)))
            }
        }
        // The rotation begins with an endpoint drawn by chance, as if in the middle of a round: one turn more.
        #expect(worst < 3, "seed \(seed): \(worst) turns")
    }

    @Test("weights are those of nginx's smooth round robin")
    func againstNginx() {
        // The naive second implementation: each earns its weight, the richest pays for all.
        let weights = [5, 1, 3]
        var accounts = [0, 0, 0]
        var expected: [Int] = [0, 0, 0]
        for _ in 0..<9_000 {
            for index in weights.indices { accounts[index] += weights[index] }
            let richest = accounts.indices.max { accounts[$0] < accounts[$1] }!
            accounts[richest] -= 9
            expected[richest] += 1
        }
        let tally = TestPool(weights: weights.map { UInt16($0) }, .roundRobin).tally(9_000)
        #expect(zip(tally, expected).allSatisfy { abs($0 - $1) <= 2 }, "\(tally) \(expected)")
    }

    @Test("those that are excluded lose their turns, the others keep theirs", arguments: [[1, 1, 1], [4, 2, 1]])
    func excluded(weights: [UInt16]) {
        let pool = TestPool(weights: weights, .roundRobin)
        pool[0].standing.insert(.excluded)
        #expect(pool.tally(300)[0] == 0)
        pool[1].standing.insert(.excluded)
        #expect(pool.tally(300) == [0, 0, 300])
        pool[2].standing.insert(.excluded)
        #expect(pool.pick() == nil)
        pool[0].standing.remove(.excluded)
        #expect(pool.tally(300) == [300, 0, 0])
    }

    @Test("endpoints that come and go all the time do not favour the first")
    func flapping() {
        let pool = TestPool(weights: [3, 1, 1, 1], .roundRobin)
        var tally = [0, 0, 0, 0]
        for turn in 0..<6_000 {
            pool.set(1 + turn % 3, [])
            pool.set(1 + (turn + 1) % 3, .up)
            tally[pool.pick()!] += 1
        }
        // Of the three light ones two are always away.
        #expect(isSpread(tally, by: [9, 1, 1, 1]), "\(tally)")
    }
}
