import Testing

@testable import Balancing

@Suite("balance: alias table")
struct AliasTableTests {
    /// What each place owns of all slots, of `count` · 2³².
    private func parts(of weights: [UInt32]) -> [UInt64] {
        var table = AliasTable(countMax: weights.count)
        defer { table.destroy() }
        table.fill(count: weights.count, total: weights.reduce(0, +)) { weights[$0] }
        var parts = [UInt64](repeating: 0, count: weights.count)
        for place in weights.indices {
            let slot = table.slots[place]
            parts[place] += UInt64(slot.ownPart)
            parts[Int(slot.alias)] += 1 << 32 - UInt64(slot.ownPart)
        }
        return parts
    }

    @Test(
        "each place owns its weight's share of the slots, in any order",
        arguments: [
            [1], [1, 1, 1], [5, 1], [1, 5], [1, 4096, 1, 1], [4096, 4096, 1], [2, 4, 6, 4, 4], (1...40).map { $0 },
            (1...40).reversed(), [UInt32](repeating: 7, count: 1000) + [1],
        ] as [[UInt32]])
    func shares(weights: [UInt32]) {
        let total = UInt64(weights.reduce(0, +))
        for (part, weight) in zip(parts(of: weights), weights) {
            // Each slot's parts are rounded by less than one.
            let exact = Double(UInt64(weight) << 32) * Double(weights.count) / Double(total)
            #expect(abs(Double(part) - exact) <= Double(weights.count), "weight \(weight) owns \(part), not \(exact)")
        }
    }

    @Test("shares of random weights", arguments: 1...20 as ClosedRange<UInt64>)
    func randomWeights(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let weights = (0..<Int(random.next(below: 300) + 1)).map { _ in
            random.next(below: 4) == 0 ? random.next(below: 4096) + 1 : random.next(below: 3) + 1
        }
        shares(weights: weights)
    }

    @Test("draws find both parts of a slot")
    func draws() {
        var table = AliasTable(countMax: 3)
        defer { table.destroy() }
        var random = RandomSource(seed: 3)
        // Filled twice: nothing of the first weights is left.
        table.fill(count: 3, total: 102) { [100, 1, 1][$0] }
        table.fill(count: 2, total: 4) { [1, 3][$0] }
        var tally = [0, 0, 0]
        for _ in 0..<40_000 { tally[Int(table.draw(&random))] += 1 }
        #expect(isSpread(tally, by: [1, 3, 0]), "\(tally)")
    }
}
