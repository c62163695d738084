import Testing

@testable import Balancing

@Suite("balance: hash")
struct HashBalanceTests {
    private let keys = (0..<5_000).map { Hash64.mix(UInt64($0)) }

    private func pool(_ count: Int, rules: BalanceRules = BalanceRules(policy: .hash)) -> TestPool {
        TestPool((0..<count).map { PoolMember(name: "10.0.0.\($0):80", number: 0) }, rules)
    }

    @Test("a key keeps its endpoint, at every node and in whatever order they are named")
    func stable() {
        let pool = pool(7)
        let other = TestPool(
            (0..<7).reversed().map { PoolMember(name: "10.0.0.\($0):80", number: 0) }, BalanceRules(policy: .hash),
            node: "another", seed: 9)
        for key in keys.prefix(500) {
            #expect(pool.pick(key: key) == pool.pick(key: key))
            #expect(pool.pick(key: key) == 6 - other.pick(key: key)!)
        }
    }

    @Test("keys of an endpoint that goes spread over the others; all others stay; they come back with it")
    func minimal() {
        let pool = pool(6)
        let before = keys.map { pool.pick(key: $0)! }
        pool.set(2, [])
        let without = keys.map { pool.pick(key: $0)! }
        var moved = [Int](repeating: 0, count: 6)
        for (was, now) in zip(before, without) {
            if was == 2 { moved[now] += 1 } else { #expect(was == now) }
        }
        #expect(moved[2] == 0)
        #expect(isSpread(moved, by: [1, 1, 0, 1, 1, 1]), "\(moved)")
        pool.set(2, .up)
        #expect(keys.map { pool.pick(key: $0)! } == before)
    }

    @Test("a request without a key goes by weight")
    func keyless() {
        let pool = TestPool(weights: [1, 3], .hash)
        #expect(isSpread(pool.tally(10_000), by: [1, 3]))
    }

    @Test(
        "no endpoint gets more than 1.25 times its share, rounded up; a few are no load",
        arguments: [1, 8, 9, 40, 1000])
    func bounded(requests: Int) {
        let pool = pool(4)
        // All with one key: as uneven as it gets.
        for sent in 0..<requests {
            pool.active = UInt32(sent)
            let index = pool.pick(key: keys[0])!
            pool[index].active += 1
            // The bound of the paper: ⌈1.25 · m / n⌉ with the new request counted.
            let bound = max(8, (5 * (sent + 1) + 15) / 16)
            #expect(Int(pool[index].active) <= bound, "request \(sent + 1)")
        }
        let active = (0..<4).map { Int(pool[$0].active) }
        #expect(active.max() == max(min(requests, 8), (5 * requests + 15) / 16), "\(active)")
    }

    @Test("the bound goes by weight")
    func boundedByWeight() {
        let pool = TestPool(weights: [3, 1], .hash)
        for sent in 0..<1_000 {
            pool.active = UInt32(sent)
            pool[pool.pick(key: keys[sent % 7])!].active += 1
        }
        #expect(pool[0].active <= 938 && pool[1].active <= 313)
    }

    @Test("with all at their bound the key's own endpoint takes it")
    func allFull() {
        let pool = pool(3)
        let own = pool.pick(key: keys[1])
        for index in 0..<3 { pool[index].active = 100 }
        pool.active = 10
        #expect(pool.pick(key: keys[1]) == own)
    }

    @Test("backups and excluded ones are passed over")
    func standing() {
        let pool = TestPool(
            [PoolMember(name: "a", number: 0), PoolMember(name: "b", number: 0, isBackup: true)],
            BalanceRules(policy: .hash))
        #expect(keys.allSatisfy { pool.pick(key: $0) == 0 })
        pool.set(0, [])
        #expect(keys.allSatisfy { pool.pick(key: $0) == 1 })
        pool[1].standing.insert(.excluded)
        #expect(pool.pick(key: keys[0]) == nil)
    }
}
