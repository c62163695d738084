import Balancing
import Testing

@Suite("LoadWeights")
struct LoadWeightsTests {
    @Test("everybody begins alike, and stays so while nobody is busy")
    func idle() {
        var weights = LoadWeights()
        #expect(weights.measured(["a": 0.0, "b": 0.04]) == true)
        #expect(weights.weights == ["a": LoadWeights.base, "b": LoadWeights.base])
        #expect(weights.measured(["a": 0.0, "b": 0.09]) == false)
        #expect(weights.measured(["a": 0.0, "b": 0.1]) == true, "the mean is at the bound")
    }

    @Test("loads within the tolerance move nothing", arguments: [(0.14, false), (0.149, false), (0.17, true)])
    func tolerance(excess: Double, moves: Bool) {
        var weights = LoadWeights()
        _ = weights.measured(["a": 0, "b": 0])
        #expect(weights.measured(["a": 0.5 * (1 + excess), "b": 0.5 * (1 - excess)]) == moves)
    }

    @Test("a step is 5 % at most, however large the difference")
    func steps() {
        var weights = LoadWeights()
        var before = LoadWeights.base
        for _ in 0..<100 {
            _ = weights.measured(["busy": 1, "idle": 0, "other": 0.5])
            let now = weights.weights["busy"] ?? 0
            #expect(before - now <= max(before * LoadWeights.stepPercent / 100, 1) && now <= before)
            before = now
        }
        #expect(weights.weights["busy"] == LoadWeights.bounds.lowerBound)
        #expect(weights.weights["idle"] == LoadWeights.bounds.upperBound)
    }

    @Test(
        "a node of half the speed ends with about half the weight, which then rests", arguments: 0..<20 as Range<UInt64>
    )
    func settles(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var weights = LoadWeights()
        let cost = [("slow", 2.0), ("fast", 1.0), ("other", 1.0)]
        var changes: [Bool] = []
        for _ in 0..<200 {
            let total = cost.reduce(0) { $0 + Double(weights.weights[$1.0] ?? LoadWeights.base) }
            var loads: [String: Double] = [:]
            for (name, cost) in cost {
                let share = Double(weights.weights[name] ?? LoadWeights.base) / total
                // Measured with up to 5 % of noise.
                loads[name] = share * cost * (0.95 + Double(random.next(below: 1000)) / 10_000)
            }
            changes.append(weights.measured(loads))
        }
        let ratio = Double(weights.weights["fast"] ?? 0) / Double(weights.weights["slow"] ?? 1)
        #expect((1.4...2.6).contains(ratio), "seed \(seed): \(weights.weights)")
        // Noise at the edge of the tolerance moves a weight once in a while, and further away from the edge.
        let moved = changes.suffix(50).count { $0 }
        #expect(moved <= 5, "seed \(seed): still moving")
    }

    @Test("a node that leaves is forgotten and begins anew")
    func leaving() {
        var weights = LoadWeights()
        for _ in 0..<5 { _ = weights.measured(["a": 1, "b": 0.2]) }
        #expect(weights.weights["a"] != LoadWeights.base)
        _ = weights.measured(["b": 0.2])
        #expect(weights.weights["a"] == nil)
        _ = weights.measured(["a": 0.2, "b": 0.2])
        #expect(weights.weights["a"] == LoadWeights.base)
    }
}
