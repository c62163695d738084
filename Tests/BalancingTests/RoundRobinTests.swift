import Balancing
import Testing

/// A pool's arrays, as a worker keeps them, and its rotation.
private struct Rotation {
    var weights: [UInt16]
    var usable: [Bool]
    var current: [Int32]
    var state: RoundRobinState

    init(_ weights: [UInt16], startingAt start: Int = 0) {
        self.weights = weights
        usable = weights.map { _ in true }
        current = weights.map { _ in -99 }
        state = RoundRobinState(weights: weights, current: &current, count: weights.count, startingAt: start)
    }

    mutating func pick() -> Int? {
        state.pick(weights: weights, usable: usable, current: &current, count: weights.count)
    }

    /// The next picks as letters, `-` for none.
    mutating func picks(_ count: Int) -> String {
        String((0..<count).map { _ in pick().map { Character(UnicodeScalar(UInt8(97 + $0))) } ?? "-" })
    }
}

@Suite("RoundRobin")
struct RoundRobinTests {
    /// The first row is the example of nginx's commit that brought the algorithm.
    @Test(
        "the smooth order of weights",
        arguments: [
            ([5, 1, 1], "aabacaa"), ([1, 2], "bab"), ([4, 2, 1], "abacaba"), ([3, 2], "ababa"), ([1, 1, 2], "cabc"),
        ] as [([UInt16], String)])
    func smooth(weights: [UInt16], period: String) {
        var rotation = Rotation(weights)
        #expect(rotation.picks(3 * period.count) == period + period + period)
    }

    @Test("every endpoint has its weight's turns in each period", arguments: 1...20 as ClosedRange<UInt64>)
    func exactShares(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let weights = (0..<10).map { _ in UInt16(random.next(below: 40)) }
        var rotation = Rotation(weights)
        for _ in 0..<3 {
            var turns = [UInt16](repeating: 0, count: 10)
            for _ in 0..<weights.reduce(0, +) {
                if let index = rotation.pick() { turns[index] += 1 }
            }
            #expect(turns == weights, "seed \(seed)")
            #expect(rotation.current.allSatisfy { $0 == 0 }, "seed \(seed)")
        }
    }

    @Test("equal weights take turns, whatever the weight", arguments: [1, 2, 65_535] as [UInt16])
    func equal(weight: UInt16) {
        var rotation = Rotation([weight, weight, weight])
        #expect(rotation.picks(7) == "abcabca")
    }

    @Test("with equal weights both algorithms give the same order while all are usable")
    func equalIsSmooth() {
        // A fourth endpoint without weight keeps the rotation from the short cut.
        var smooth = Rotation([2, 2, 2, 0])
        var short = Rotation([2, 2, 2])
        #expect(smooth.picks(12) == short.picks(12))
    }

    @Test(
        "equal weights start where they are told to",
        arguments: [(0, "abc"), (1, "bca"), (2, "cab"), (3, "abc"), (100, "bca")])
    func start(start: Int, picks: String) {
        var rotation = Rotation([1, 1, 1], startingAt: start)
        #expect(rotation.picks(3) == picks)
    }

    @Test("equal weights: the unusable lose their turns, the others keep theirs")
    func equalSkips() {
        var rotation = Rotation([1, 1, 1, 1])
        rotation.usable[1] = false
        #expect(rotation.picks(6) == "acdacd")
        rotation.usable[3] = false
        #expect(rotation.picks(4) == "acac")
        rotation.usable = [false, true, false, false]
        #expect(rotation.picks(3) == "bbb")
        rotation.usable = [true, true, true, true]
        #expect(rotation.picks(5) == "cdabc")
    }

    @Test("weights: the unusable lose their turns, the others keep their proportion")
    func smoothSkips() {
        var rotation = Rotation([5, 1, 1])
        rotation.usable[0] = false
        #expect(rotation.picks(4) == "bcbc")
        rotation.usable = [true, false, true]
        #expect(rotation.picks(12) == "aaacaaaaacaa")
        rotation.usable = [true, true, true]
        #expect(rotation.picks(7) == "aabacaa")
    }

    @Test("nothing usable, nothing picked", arguments: [[1, 1], [1, 2], [0, 0], [0], []] as [[UInt16]])
    func nothing(weights: [UInt16]) {
        var rotation = Rotation(weights)
        rotation.usable = weights.map { _ in false }
        #expect(rotation.pick() == nil)
        rotation.usable = weights.map { $0 > 0 }
        #expect((rotation.pick() == nil) == weights.allSatisfy { $0 == 0 })
    }

    @Test("weight 0 takes no turn, even when all others are unusable")
    func weightZero() {
        var rotation = Rotation([0, 3, 3])
        #expect(rotation.picks(6) == "bcbcbc")
        rotation.usable = [true, false, false]
        #expect(rotation.picks(2) == "--")
    }

    @Test("endpoints that come and go leave the accounts small", arguments: 1...10 as ClosedRange<UInt64>)
    func flapping(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let weights: [UInt16] = [50, 7, 1, 20, 20, 3]
        var rotation = Rotation(weights)
        for _ in 0..<20_000 {
            rotation.usable[Int(random.next(below: 6))].toggle()
            let picked = rotation.pick()
            #expect(picked.map { rotation.usable[$0] } ?? !rotation.usable.contains(true), "seed \(seed)")
            // What is paid is what was earned.
            #expect(rotation.current.reduce(0, +) == 0, "seed \(seed)")
            #expect(rotation.current.allSatisfy { abs($0) <= 5 * 101 }, "seed \(seed): \(rotation.current)")
        }
    }

    @Test("the largest pool with the largest weights")
    func large() {
        var rotation = Rotation((0..<1000).map { $0 == 0 ? 65_534 : 65_535 })
        let picks = (0..<1000).compactMap { _ in rotation.pick() }
        #expect(Set(picks).count == 1000)
    }
}
