import Balancing
import Snapshot
import Testing

@testable import Proxy

@Suite("Shares of pools")
struct CompiledTargetsTests {
    private let arena = Arena()

    private func shares(
        _ weights: [Int], seed: UInt64, count: Int = 100_000, usable: Set<Int>? = nil
    ) -> [Int] {
        let targets = CompiledTargets(
            weights.enumerated().map { WeightedPool(pool: $0.offset + 10, weight: $0.element) }, arena: arena)
        var random = RandomSource(seed: seed)
        var shares = [Int](repeating: 0, count: weights.count)
        for _ in 0..<count {
            let place =
                if let usable { targets.choose(&random) { pool, _ in usable.contains(pool - 10) } } else {
                    targets.choose(&random)
                }
            if let place { shares[place] += 1 }
        }
        return shares
    }

    /// The sum of squared deviations over expectations, whose value is above `limit` once in a million draws.
    private func deviation(_ shares: [Int], _ weights: [Int]) -> Double {
        let (total, sum) = (Double(shares.reduce(0, +)), Double(weights.reduce(0, +)))
        return zip(shares, weights).reduce(0) { result, pair in
            let expected = total * Double(pair.1) / sum
            return result + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected
        }
    }

    @Test(
        "each pool gets its share", arguments: [[95, 5], [1, 1, 1], [1, 65_535], [3, 1, 2, 4]], [1, 2, 3] as [UInt64])
    func shares(weights: [Int], seed: UInt64) {
        // Chi-square with three degrees of freedom is above 30.7 once in a million; with fewer, more seldom.
        #expect(deviation(shares(weights, seed: seed), weights) < 30.7, "seed \(seed)")
    }

    @Test("the others share what an unusable pool leaves, by their weights", arguments: [1, 2, 3] as [UInt64])
    func unusable(seed: UInt64) {
        let found = shares([50, 30, 20], seed: seed, usable: [1, 2])
        #expect(found[0] == 0)
        #expect(deviation(Array(found[1...]), [30, 20]) < 30.7, "seed \(seed)")
        #expect(shares([50, 30], seed: seed, usable: []) == [0, 0])
    }

    @Test("every ticket finds its pool")
    func everyTicket() {
        let found = shares([1, 2, 1], seed: 7, count: 1000)
        #expect(found.allSatisfy { $0 > 0 })
        #expect(found.reduce(0, +) == 1000)
    }
}
