import Testing

@testable import Balancing

@Suite("Candidates: backups, panic, zones, suspicion")
struct CandidateTests {
    struct Case: CustomStringConvertible {
        var members: [PoolMember]
        var standings: [EndpointStanding]
        var panic: UInt8

        /// Who may be picked, written as the rules are told: an independent second implementation.
        var expected: (PoolBalancer.Scope, Set<Int>) {
            let open = Set(standings.indices.filter { !standings[$0].contains(.draining) })
            let up = open.filter { standings[$0].contains(.up) }
            let calm = open.filter { !standings[$0].contains(.suspected) }
            let backups = open.filter { members[$0].isBackup }
            let primaries = open.subtracting(backups)
            let upPrimaries = up.intersection(primaries)
            let isEnough = !upPrimaries.isEmpty && upPrimaries.count * 100 >= Int(panic) * primaries.count
            func calmFirst(_ set: Set<Int>) -> Set<Int> {
                set.intersection(calm).isEmpty ? set : set.intersection(calm)
            }
            if isEnough && !upPrimaries.intersection(calm).isEmpty {
                let usable = upPrimaries.intersection(calm)
                let local = usable.filter { members[$0].isLocal }
                let locals = primaries.filter { members[$0].isLocal }
                return (.normal, !local.isEmpty && local.count * 2 >= locals.count ? local : usable)
            }
            if !up.intersection(backups).isEmpty { return (.backup, calmFirst(up)) }
            if isEnough { return (.normal, upPrimaries) }
            if panic > 0 && !open.isEmpty { return (.panic, calmFirst(open)) }
            return (.none, [])
        }

        var description: String {
            zip(members, standings).map { "\($0.isBackup ? "b" : "p")\($0.isLocal ? "l" : "")\($1.rawValue)" }
                .joined(separator: " ") + " panic \(panic)"
        }
    }

    @Test("the candidates are those that the rules name", arguments: 1...400 as ClosedRange<UInt64>)
    func rules(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let count = Int(random.next(below: 7)) + 1
        let members = (0..<count).map { index in
            PoolMember(
                name: "e\(index)", number: 0, isBackup: random.next(below: 4) == 0, isLocal: random.next(below: 3) == 0)
        }
        let standings = (0..<count).map { _ -> EndpointStanding in
            var standing: EndpointStanding = random.next(below: 2) == 0 ? .up : []
            if random.next(below: 5) == 0 { standing.insert(.draining) }
            if random.next(below: 3) == 0 { standing.insert(.suspected) }
            return standing
        }
        let example = Case(members: members, standings: standings, panic: [0, 1, 50, 100][Int(random.next(below: 4))])
        for policy in BalancePolicy.allCases where policy != .hash {
            let pool = TestPool(members, BalanceRules(policy: policy, panicPercent: example.panic), seed: seed)
            for index in 0..<count { pool.set(index, standings[index]) }
            let (scope, expected) = example.expected
            #expect(pool.picked() == expected, "seed \(seed), \(policy): \(example)")
            #expect(pool.balancer.scope == (expected.isEmpty ? .none : scope), "seed \(seed): \(example)")
            let hasUsable = pool.balancer.hasUsable(pool.loads, now: pool.now, random: &pool.random)
            let isUsableExpected = expected.contains {
                standings[$0].isSuperset(of: .up) && !standings[$0].contains(.suspected)
            }
            #expect(hasUsable == isUsableExpected, "seed \(seed): \(example)")
        }
    }

    @Test(
        "panic begins when fewer than half are up, not at half",
        arguments: [
            (4, 2, false), (4, 1, true), (5, 3, false), (5, 2, true), (2, 1, false), (1, 0, true), (3, 0, true),
        ])
    func threshold(count: Int, up: Int, panics: Bool) {
        let pool = TestPool(weights: .init(repeating: 1, count: count), .roundRobin)
        for index in up..<count { pool.set(index, []) }
        #expect(pool.picked() == Set(0..<(panics ? count : up)))
        #expect(pool.balancer.scope == (panics ? .panic : .normal))
    }

    @Test("a change takes effect with the next pick, and excluded ones stay so until they are taken back")
    func changes() {
        let pool = TestPool(weights: [1, 1, 1], .random)
        #expect(pool.picked() == [0, 1, 2])
        pool.set(1, [])
        #expect(pool.picked() == [0, 2])
        pool[0].standing.insert(.excluded)
        #expect(pool.picked() == [2])
        pool[0].standing.remove(.excluded)
        pool.set(1, .up)
        #expect(pool.picked() == [0, 1, 2])
    }
}

@Suite("Subsets of large pools")
struct SubsetTests {
    private func pool(_ count: Int, subset: Int, node: String, weights: [UInt16]? = nil) -> TestPool {
        TestPool(
            (0..<count).map { PoolMember(name: "10.0.0.\($0):80", number: 0, weight: weights?[$0] ?? 1) },
            BalanceRules(policy: .roundRobin, subsetCount: subset), node: node)
    }

    @Test("exactly so many are used", arguments: [(10, 1), (10, 9), (10, 10), (10, 11), (300, 20)])
    func size(count: Int, subset: Int) {
        #expect(pool(count, subset: subset, node: "a").picked(1000).count == min(count, subset))
    }

    @Test("a node keeps its subset but for the endpoint that goes")
    func stable() {
        let pool = pool(100, subset: 10, node: "proxy-1")
        let before = pool.picked(1000)
        let gone = before.first!
        pool.set(gone, [])
        let after = pool.picked(1000)
        #expect(before.subtracting(after) == [gone] && after.count == 10)
        pool.set(gone, .up)
        #expect(pool.picked(1000) == before)
    }

    @Test("nodes use different ones, and all together use all by weight")
    func spread() {
        let weights = (0..<50).map { UInt16($0 % 2 + 1) }
        var tally = [Int](repeating: 0, count: 50)
        for node in 0..<2_000 {
            for index in pool(50, subset: 5, node: "node-\(node)", weights: weights).picked(20) { tally[index] += 1 }
        }
        let (light, heavy) = (stride(from: 0, to: 50, by: 2), stride(from: 1, to: 50, by: 2))
        // Without replacement the heavy are in a little less than twice as many subsets.
        let ratio = Double(heavy.reduce(0) { $0 + tally[$1] }) / Double(light.reduce(0) { $0 + tally[$1] })
        #expect((1.7...2.0).contains(ratio), "\(ratio)")
        for group in [light, heavy] {
            #expect(isSpread(group.map { tally[$0] }, by: group.map { _ in 1 }), "\(tally)")
        }
    }
}

@Suite("Slow start")
struct SlowStartTests {
    private func pool(_ weights: [UInt16], _ policy: BalancePolicy = .random) -> TestPool {
        TestPool(
            weights.enumerated().map { PoolMember(name: "e\($0)", number: 0, weight: $1) },
            BalanceRules(policy: policy, slowStartNanoseconds: 16_000_000_000))
    }

    @Test("a sixteenth more of the weight with each sixteenth of the time", arguments: [0, 1, 7, 14, 15])
    func ramp(step: Int) {
        let pool = pool([1, 1])
        let begin = pool.now
        pool[1].warmSince = begin
        _ = pool.pick()
        // The first and the last nanosecond of the step.
        for offset in [0, 999_999_999] {
            pool.now = begin + UInt64(step) * 1_000_000_000 + UInt64(offset)
            let tally = pool.tally(30_000)
            #expect(isSpread(tally, by: [16, UInt16(step + 1)]), "\(tally)")
        }
    }

    @Test("it ends", arguments: BalancePolicy.allCases)
    func ends(policy: BalancePolicy) {
        let pool = pool([1, 1], policy)
        pool[1].warmSince = pool.now
        _ = pool.pick()
        pool.now += 16_000_000_000
        #expect(pool.pick() != nil)
        #expect(pool.balancer.refreshAt == .max)
        #expect(isSpread(pool.tally(10_000), by: [1, 1]) || policy == .hash)
    }

    @Test("weights and steps of many endpoints, in turn", arguments: 1...5 as ClosedRange<UInt64>)
    func many(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let weights = (0..<100).map { _ in UInt16(random.next(below: 256) + 1) }
        let pool = pool(weights, .roundRobin)
        var expected = weights.map { Int($0) * 16 }
        for index in 0..<50 {
            let step = Int(random.next(below: 16))
            pool[index].warmSince = pool.now - UInt64(step) * 1_000_000_000
            expected[index] = Int(weights[index]) * (step + 1)
        }
        pool.balancer.changed()
        let whole = expected.reduce(0, +)
        let tally = pool.tally(whole / 8)
        #expect(zip(tally, expected).allSatisfy { abs($0 - $1 / 8) <= 3 }, "seed \(seed)")
    }
}
