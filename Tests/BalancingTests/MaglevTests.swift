import Balancing
import Testing

/// The names of `count` members, as proxy nodes have them.
func nodeNames(_ count: Int) -> [String] {
    (1...count).map { "proxy-\($0)" }
}

func members(_ names: [String]) -> [MaglevMember] {
    names.map { MaglevMember(name: $0) }
}

/// Names by entry: what the table means, whatever the order of the members.
func owners(_ table: MaglevTable, _ members: [MaglevMember]) -> [String] {
    (0..<table.count).map { members[table[$0]].name }
}

/// The first entry that differs; nil when the tables are the same.
func firstDifference(_ table: [String], _ other: [String]) -> String? {
    if table.count != other.count { return "\(table.count) entries, not \(other.count)" }
    return table.indices.first { table[$0] != other[$0] }.map { "entry \($0): \(table[$0]), not \(other[$0])" }
}

/// Number of entries by member.
func shares(_ table: MaglevTable, among count: Int) -> [Int] {
    var shares = [Int](repeating: 0, count: count)
    for entry in 0..<table.count { shares[table[entry]] += 1 }
    return shares
}

/// The paper's pseudocode (§3.4, Pseudocode 1) with whole permutations, and weights by a credit that each round adds and
/// each turn spends. Slow and short.
func naiveOwners(_ members: [MaglevMember], size: Int) -> [String] {
    let sorted = members.filter { $0.weight > 0 }.sorted { Array($0.name.utf8).lexicographicallyPrecedes($1.name.utf8) }
    let heaviest = sorted.map { Int($0.weight) }.max() ?? 0
    var permutations = sorted.map { member -> ArraySlice<Int> in
        let offset = Int(Hash64.xxh64(Array(member.name.utf8)) % UInt64(size))
        let skip = Int(Hash64.xxh64(Array(member.name.utf8), seed: 1) % UInt64(size - 1) + 1)
        return (0..<size).map { (offset + $0 * skip) % size }[...]
    }
    // Everybody has earned a turn when the first round begins.
    var credit = sorted.map { heaviest - Int($0.weight) }
    var entries = [String?](repeating: nil, count: size)
    var filled = 0
    while filled < size {
        for (index, member) in sorted.enumerated() where filled < size {
            credit[index] += Int(member.weight)
            if credit[index] < heaviest { continue }
            credit[index] -= heaviest
            while let entry = permutations[index].popFirst() {
                if entries[entry] == nil {
                    entries[entry] = member.name
                    filled += 1
                    break
                }
            }
        }
    }
    return entries.compactMap { $0 }
}

@Suite("Maglev table: how it is filled")
struct MaglevFillTests {
    @Test("as the paper's pseudocode", arguments: [1, 2, 3, 7, 50, 251])
    func matchesNaive(count: Int) {
        let nodes = members(nodeNames(count))
        #expect(firstDifference(owners(MaglevTable(nodes, size: 251), nodes), naiveOwners(nodes, size: 251)) == nil)
    }

    @Test(
        "as the paper's pseudocode, with weights",
        arguments: [[1, 2], [5, 1, 1], [3, 0, 7], [1, 1000], [10, 20, 30, 40], [.max, 1, .max / 2]] as [[UInt32]])
    func matchesNaiveWeighted(weights: [UInt32]) {
        let nodes = zip(nodeNames(weights.count), weights).map(MaglevMember.init)
        #expect(firstDifference(owners(MaglevTable(nodes, size: 1009), nodes), naiveOwners(nodes, size: 1009)) == nil)
    }

    @Test("as the paper's pseudocode, at the standard size")
    func matchesNaiveStandard() {
        let nodes = nodeNames(5).enumerated().map { MaglevMember(name: $1, weight: UInt32($0 + 1)) }
        #expect(
            firstDifference(owners(MaglevTable(nodes), nodes), naiveOwners(nodes, size: MaglevTable.standardSize))
                == nil)
    }

    /// Members of equal weight take turns, so no two differ by more than one entry: 0.06 % of the mean at 100 nodes.
    @Test("equal members have equal shares", arguments: [1, 2, 3, 10, 100, 655, 1000])
    func equalShares(count: Int) throws {
        let shares = shares(MaglevTable(members(nodeNames(count))), among: count)
        #expect(shares.reduce(0, +) == 65_537)
        #expect(try #require(shares.max()) - #require(shares.min()) <= 1)
        if count <= 100 {
            let mean = 65_537 / Double(count)
            #expect(shares.allSatisfy { abs(Double($0) - mean) <= mean / 100 })
        }
    }

    /// After r whole rounds a member has ⌈r · weight / heaviest⌉ entries; the last round may end early, before the
    /// member or the heaviest has had its turn.
    @Test(
        "shares are proportional to weights",
        arguments: [[1, 2], [1, 2, 3, 4], [100, 50, 1], [1, 1, 1, 5], [7, 7, 0, 3], [1_000_000, 2_000_000]]
            as [[UInt32]])
    func weightedShares(weights: [UInt32]) throws {
        let nodes = zip(nodeNames(weights.count), weights).map(MaglevMember.init)
        let shares = shares(MaglevTable(nodes), among: nodes.count)
        let heaviest = try #require(weights.max())
        let rounds = try Double(#require(shares.max()))
        for (share, weight) in zip(shares, weights) {
            let part = Double(weight) / Double(heaviest)
            let excess = Double(share) - rounds * part
            #expect(excess >= -part && excess < 1 + part, "weight \(weight) of \(weights): \(share) of \(rounds)")
        }
    }

    @Test("a member with a weight has an entry, however small it is")
    func smallestShare() {
        let nodes = [MaglevMember(name: "a", weight: .max), MaglevMember(name: "b", weight: 1)]
        #expect(shares(MaglevTable(nodes), among: 2) == [65_536, 1])
    }

    @Test("the order of the members makes no difference", arguments: [6, 17, 100], 1...3 as ClosedRange<UInt64>)
    func order(count: Int, seed: UInt64) {
        let nodes = nodeNames(count).enumerated().map { MaglevMember(name: $1, weight: UInt32($0 % 3)) }
        var random = RandomSource(seed: seed)
        let shuffled = nodes.shuffled(using: &random)
        #expect(shuffled != nodes, "seed \(seed)")
        #expect(
            firstDifference(owners(MaglevTable(shuffled), shuffled), owners(MaglevTable(nodes), nodes)) == nil,
            "seed \(seed)")
    }

    @Test("names are told apart by their bytes")
    func namesAreBytes() {
        // Equal as strings: composed and decomposed é.
        let nodes = [MaglevMember(name: "caf\u{e9}"), MaglevMember(name: "cafe\u{301}")]
        let reversed = Array(nodes.reversed())
        let bytes = { (table: MaglevTable, nodes: [MaglevMember]) in
            (0..<table.count).map { Array(nodes[table[$0]].name.utf8) }
        }
        #expect(bytes(MaglevTable(nodes, size: 101), nodes) == bytes(MaglevTable(reversed, size: 101), reversed))
    }

    @Test("two members of one name share the table")
    func duplicates() {
        #expect(shares(MaglevTable(members(["a", "a"]), size: 101), among: 2).sorted() == [50, 51])
    }

    @Test("no more entries change than 2.5/N when one of N leaves", arguments: [2, 3, 4, 5, 8, 10, 20, 50, 100, 200])
    func oneLeaves(count: Int) {
        let nodes = members(nodeNames(count))
        let before = MaglevTable(nodes)
        for leaver in Set([0, count / 2, count - 1]) {
            var rest = nodes
            rest.remove(at: leaver)
            let after = MaglevTable(rest)
            var changed = 0
            var own = 0
            for entry in 0..<before.count {
                let member = after[entry]
                // The members after the one that left have moved up by one.
                if before[entry] != (member < leaver ? member : member + 1) { changed += 1 }
                if before[entry] == leaver { own += 1 }
            }
            #expect(own >= 65_537 / count)
            #expect(changed >= own)
            #expect(
                Double(changed) <= 2.5 * 65_537 / Double(count),
                "\(nodes[leaver].name) of \(count): \(changed) changed, \(own) of them its own")
        }
    }

    @Test("weight 0 is the same as not being there")
    func weightZero() {
        let nodes = nodeNames(5).map { MaglevMember(name: $0, weight: $0 == "proxy-3" ? 0 : 2) }
        let rest = nodes.filter { $0.weight > 0 }
        #expect(firstDifference(owners(MaglevTable(nodes), nodes), owners(MaglevTable(rest), rest)) == nil)
    }

    @Test("equal weights are equal, whatever the number")
    func weightScale() {
        let ones = nodeNames(7).map { MaglevMember(name: $0, weight: 1) }
        let thousands = nodeNames(7).map { MaglevMember(name: $0, weight: 1000) }
        #expect(firstDifference(owners(MaglevTable(ones), ones), owners(MaglevTable(thousands), thousands)) == nil)
    }

    @Test("the largest sets of members", arguments: [1000, MaglevTable.membersMax])
    func large(count: Int) {
        let table = MaglevTable(members(nodeNames(count)))
        #expect(shares(table, among: count).allSatisfy { $0 >= 1 })
    }

    @Test("a table as small as its members gives each one entry", arguments: [2, 3, 101])
    func full(count: Int) {
        #expect(shares(MaglevTable(members(nodeNames(count)), size: count), among: count).allSatisfy { $0 == 1 })
    }
}
