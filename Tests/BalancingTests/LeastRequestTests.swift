import Balancing
import Testing

private struct Load {
    var active: [UInt32]
    var weights: [UInt16]
    var usable: [Bool]
    var random: RandomSource

    init(active: [UInt32], weights: [UInt16]? = nil, seed: UInt64 = 1) {
        self.active = active
        self.weights = weights ?? active.map { _ in 1 }
        usable = active.map { _ in true }
        random = RandomSource(seed: seed)
    }

    mutating func pick() -> Int? {
        LeastRequest(weights: weights, count: weights.count)
            .pick(active: active, weights: weights, usable: usable, count: weights.count, random: &random)
    }

    /// Picks for requests that never end.
    mutating func start(_ requests: Int) {
        for _ in 0..<requests {
            if let index = pick() { active[index] += 1 }
        }
    }

    /// How often each endpoint is picked while the load stays as it is.
    mutating func tally(_ picks: Int) -> [Int] {
        var tally = active.map { _ in 0 }
        for _ in 0..<picks {
            if let index = pick() { tally[index] += 1 }
        }
        return tally
    }
}

@Suite("LeastRequest")
struct LeastRequestTests {
    @Test("a small pool: always the least loaded", arguments: 1...8)
    func least(count: Int) {
        for idle in 0..<count {
            var load = Load(active: (0..<count).map { $0 == idle ? 4 : 5 })
            #expect((0..<50).allSatisfy { _ in load.pick() == idle })
        }
    }

    @Test(
        "a small pool: load is measured against weight",
        arguments: [
            ([2, 1], [3, 1], 0), ([3, 1], [2, 1], 1), ([9, 0], [65_535, 1], 1), ([10, 11, 5], [2, 3, 1], 1),
            ([.max, .max], [65_534, 65_535], 1), ([.max, 1], [65_535, 1], 1),
        ] as [([UInt32], [UInt16], Int)])
    func weighted(active: [UInt32], weights: [UInt16], expected: Int) {
        var load = Load(active: active, weights: weights)
        #expect((0..<50).allSatisfy { _ in load.pick() == expected })
    }

    @Test("a small pool: equal load is spread evenly", arguments: [2, 3, 8], [0, 7] as [UInt32])
    func ties(count: Int, active: UInt32) {
        var load = Load(active: [UInt32](repeating: active, count: count))
        let tally = load.tally(1000 * count)
        // Mean 1000, standard deviation below 32: seven of them either way.
        #expect(tally.allSatisfy { abs($0 - 1000) < 224 }, "\(tally)")
    }

    @Test("a small pool: ties among some of them")
    func someTied() {
        var load = Load(active: [3, 1, 2, 1, 1])
        let tally = load.tally(3000)
        #expect(tally[0] == 0 && tally[2] == 0)
        #expect([1, 3, 4].allSatisfy { abs(tally[$0] - 1000) < 224 }, "\(tally)")
    }

    @Test("an idle pool is shared by weight, small or large", arguments: [4, 8, 12, 40])
    func idleByWeight(count: Int) {
        let weights = (0..<count).map { UInt16($0 % 4 + 1) }
        var load = Load(active: weights.map { _ in 0 }, weights: weights)
        let unit = 1000
        let tally = load.tally(unit * weights.reduce(0) { $0 + Int($1) })
        for (picked, weight) in zip(tally, weights) {
            // Mean weight * 1000, standard deviation below 64: seven of them either way.
            #expect(abs(picked - unit * Int(weight)) < 448, "\(tally)")
        }
    }

    @Test("a large pool: the most loaded is never picked, the least in 2 of n draws")
    func twoChoices() {
        var load = Load(active: (0..<16).map { UInt32($0) })
        let tally = load.tally(16_000)
        // Two different ones are drawn, so the last never wins; number k wins with a chance of 2 (15 - k) / (16 · 15).
        #expect(tally[15] == 0)
        for (index, picked) in tally.enumerated() {
            let expected = 16_000 * 2 * (15 - index) / (16 * 15)
            // Standard deviation below 42: seven of them either way.
            #expect(abs(picked - expected) < 294, "\(tally)")
        }
    }

    @Test("requests that stay are levelled", arguments: [2, 8, 9, 50], 1...5 as ClosedRange<UInt64>)
    func levels(count: Int, seed: UInt64) throws {
        var load = Load(active: [UInt32](repeating: 0, count: count), seed: seed)
        load.start(100 * count)
        #expect(load.active.reduce(0, +) == 100 * UInt32(count))
        let spread = try #require(load.active.max()) - #require(load.active.min())
        // A full scan fills level by level. Two choices stay within log log n plus a constant.
        #expect(spread <= (count <= 8 ? 0 : 8), "seed \(seed): \(load.active)")
    }

    @Test("requests that stay are levelled by weight")
    func levelsByWeight() {
        let weights = (0..<30).map { UInt16($0 % 3 + 1) }
        var load = Load(active: weights.map { _ in 0 }, weights: weights)
        load.start(6000)
        for (active, weight) in zip(load.active, weights) {
            #expect(abs(Int(active) - 100 * Int(weight)) <= 24, "\(load.active)")
        }
    }

    @Test("the unusable and those without weight are never picked", arguments: [2, 5, 8, 9, 30])
    func skips(count: Int) {
        var load = Load(active: [UInt32](repeating: 0, count: count))
        for index in 0..<count where index % 2 == 0 { load.usable[index] = false }
        if count > 4 { load.weights[3] = 0 }
        let tally = load.tally(2000)
        #expect(tally.reduce(0, +) == 2000)
        for (index, picked) in tally.enumerated() {
            #expect((picked > 0) == (load.usable[index] && load.weights[index] > 0), "\(tally)")
        }
    }

    @Test("the one usable endpoint is found, however loaded and light", arguments: [1, 8, 9, 2000])
    func lastUsable(count: Int) {
        for index in [0, count / 2, count - 1] {
            var load = Load(
                active: [UInt32](repeating: 0, count: count), weights: .init(repeating: 65_535, count: count))
            load.usable = .init(repeating: false, count: count)
            load.usable[index] = true
            load.weights[index] = 1
            load.active[index] = .max
            #expect(load.pick() == index)
        }
    }

    @Test("two usable endpoints of many are both found and compared")
    func lastTwo() {
        var load = Load(active: [UInt32](repeating: 0, count: 2000))
        load.usable = .init(repeating: false, count: 2000)
        load.usable[700] = true
        load.usable[1900] = true
        load.active[700] = 1
        #expect((0..<100).allSatisfy { _ in load.pick() == 1900 })
    }

    @Test("nothing usable, nothing picked", arguments: [0, 1, 8, 9, 100])
    func nothing(count: Int) {
        var load = Load(active: [UInt32](repeating: 0, count: count))
        load.usable = .init(repeating: false, count: count)
        #expect(load.pick() == nil)
        load.usable = .init(repeating: true, count: count)
        load.weights = .init(repeating: 0, count: count)
        #expect(load.pick() == nil)
    }
}
