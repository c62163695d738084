import Balancing
import Testing

@Suite("Maglev table: how it is read")
struct MaglevLookupTests {
    /// As many hashes as entries, one within each entry's part of the range of hashes.
    static func hash(of entry: Int, size: Int) -> UInt64 {
        UInt64.max / UInt64(size) * UInt64(entry) + UInt64(size)
    }

    @Test("without members with a weight there is nothing to look up", arguments: [[], [0], [0, 0]] as [[UInt32]])
    func empty(weights: [UInt32]) {
        let table = MaglevTable(weights.map { MaglevMember(name: "node", weight: $0) })
        #expect(table.isEmpty)
        #expect(table.count == 0)
        var usable = [Bool](repeating: true, count: 3)
        #expect(table.usable(hash: 1, among: &usable) == nil)
    }

    @Test("the hash range is divided evenly among the entries", arguments: [2, 101, MaglevTable.standardSize])
    func everyEntry(size: Int) {
        let table = MaglevTable(members(nodeNames(2)), size: size)
        #expect(!table.isEmpty)
        #expect(table.count == size)
        #expect((0..<size).allSatisfy { table.lookup(hash: Self.hash(of: $0, size: size)) == table[$0] })
        #expect(table.lookup(hash: 0) == table[0])
        #expect(table.lookup(hash: .max) == table[size - 1])
    }

    @Test("the first preference is the lookup, and every preference is stable")
    func stable() {
        let nodes = members(nodeNames(9))
        let table = MaglevTable(nodes)
        let again = MaglevTable(nodes)
        for connection in 0..<UInt64(500) {
            let hash = Hash64.mix(connection)
            #expect(table.preference(hash: hash, attempt: 0) == table.lookup(hash: hash))
            for attempt in 0..<8 {
                #expect(
                    table.preference(hash: hash, attempt: attempt) == again.preference(hash: hash, attempt: attempt))
            }
        }
    }

    @Test("the preferences of a connection come to every member", arguments: [1, 2, 3, 8, 16])
    func everyMember(count: Int) {
        let table = MaglevTable(members(nodeNames(count)))
        for connection in 0..<UInt64(200) {
            let hash = Hash64.mix(connection)
            // A member is missed by all of them with a chance below e^-20.
            let seen = Set((0..<(20 * count)).map { table.preference(hash: hash, attempt: $0) })
            #expect(seen.count == count, "connection \(connection)")
        }
    }

    /// The members after the first are another choice, not the neighbour: what one loses is spread over all.
    @Test("connections of one member spread over all others")
    func secondChoiceSpreads() {
        let table = MaglevTable(members(nodeNames(5)))
        var usable = [Bool](repeating: true, count: 5)
        usable[2] = false
        var taken = [Int](repeating: 0, count: 5)
        var orphans = 0
        for connection in 0..<UInt64(20_000) {
            let hash = Hash64.mix(connection)
            let member = table.usable(hash: hash, among: &usable)
            if table.lookup(hash: hash) == 2 {
                orphans += 1
                if let member { taken[member] += 1 }
            } else {
                #expect(member == table.lookup(hash: hash))
            }
        }
        #expect(taken[2] == 0)
        #expect(taken.reduce(0, +) == orphans)
        // About 4000 among 4: mean 1000, standard deviation below 32; seven of them either way.
        for other in [0, 1, 3, 4] { #expect(abs(taken[other] - orphans / 4) < 224, "\(taken)") }
    }

    @Test("the last usable member is found, however light and far", arguments: 0..<20)
    func lastUsable(member: Int) {
        // Far more turns for the others: the attempts hardly ever find the light one.
        let nodes = (0..<20).map { MaglevMember(name: "node-\($0)", weight: $0 == member ? 1 : 100_000) }
        let table = MaglevTable(nodes)
        var usable = [Bool](repeating: false, count: 20)
        usable[member] = true
        for connection in 0..<UInt64(100) {
            #expect(table.usable(hash: Hash64.mix(connection), among: &usable) == member)
        }
        usable[member] = false
        #expect(table.usable(hash: 1, among: &usable) == nil)
    }

    @Test("a usable member without a weight takes nothing")
    func usableWithoutWeight() {
        let table = MaglevTable([MaglevMember(name: "a", weight: 0), MaglevMember(name: "b", weight: 1)])
        var usable = [true, false]
        #expect((0..<UInt64(100)).allSatisfy { table.usable(hash: Hash64.mix($0), among: &usable) == nil })
    }

    @Test("the scan after the attempts spreads too")
    func scanSpreads() {
        // 200 members of which 2 are usable: 16 attempts find one for about 15 % of the connections.
        let table = MaglevTable(members(nodeNames(200)))
        var usable = [Bool](repeating: false, count: 200)
        usable[17] = true
        usable[117] = true
        var taken = [Int](repeating: 0, count: 200)
        for connection in 0..<UInt64(4000) {
            if let member = table.usable(hash: Hash64.mix(connection), among: &usable) { taken[member] += 1 }
        }
        #expect(taken[17] + taken[117] == 4000)
        // Places in name order that lead to one or the other are between a fifth and four fifths of all.
        #expect(taken[17] > 400 && taken[117] > 400, "\(taken[17]) and \(taken[117])")
    }

    @Test("a table made here is read on another thread")
    func crossesThreads() async {
        let table = MaglevTable(members(nodeNames(4)))
        let here = (0..<UInt64(1000)).map { table.lookup(hash: Hash64.mix($0)) }
        let there = await Task.detached { (0..<UInt64(1000)).map { table.lookup(hash: Hash64.mix($0)) } }.value
        #expect(there == here)
    }
}
