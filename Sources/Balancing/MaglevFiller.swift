/// The work of filling a table: every member takes free entries in turn, in its own order over all entries.
///
/// Weights work like Envoy's: the heaviest member has a turn in every round, the others in as many of the rounds as their
/// part of the heaviest's weight. All have one in the first round, so after r rounds a member has
/// had ⌈r · weight / heaviest⌉ turns.
struct MaglevFiller {
    /// Marks an entry that nobody has taken.
    static let free = UInt16.max

    struct Turn {
        /// Index in the caller's array.
        let member: UInt16
        let weight: UInt64
        /// The next entry in the member's order, and the step to the one after it (paper: offset and skip).
        var next: Int
        let skip: Int
        /// The value of `round * weight` that brings the next turn.
        var due: UInt64 = 0
    }

    /// Those with a weight, by name.
    let turns: [Turn]
    let size: Int

    init(_ members: [MaglevMember], size: Int) {
        let weighted = members.indices.filter { members[$0].weight > 0 }
        precondition(weighted.count <= size, "\(weighted.count) members in a Maglev table of \(size) entries")
        let sorted = weighted.sorted { first, second in
            // Bytes, not characters: no normalisation, and the same on every version of Unicode.
            members[first].name.utf8.lexicographicallyPrecedes(members[second].name.utf8)
        }
        self.size = size
        turns = sorted.map { index in
            let name = members[index].name.utf8
            return Turn(
                member: UInt16(index), weight: UInt64(members[index].weight),
                next: Int(Hash64.xxh64(name, seed: 0) % UInt64(size)),
                skip: Int(Hash64.xxh64(name, seed: 1) % UInt64(size - 1)) + 1)
        }
    }

    /// Gives every entry a member. `entries` has `size` elements, all of them free, and there is a member with a weight.
    func fill(_ entries: UnsafeMutablePointer<UInt16>) {
        var turns = turns
        let heaviest = turns.reduce(0) { max($0, $1.weight) }
        var filled = 0
        // At most `size` rounds, as the heaviest takes an entry in each: rounds * weight stays below 2⁶⁴.
        var round: UInt64 = 0
        while true {
            for index in turns.indices {
                if round * turns[index].weight < turns[index].due { continue }
                turns[index].due += heaviest
                // The order visits every entry once, as `size` is prime, and some entry is free.
                let skip = turns[index].skip
                var entry = turns[index].next
                while unsafe entries[entry] != Self.free { entry = Self.after(entry, skip: skip, size: size) }
                unsafe entries[entry] = turns[index].member
                turns[index].next = Self.after(entry, skip: skip, size: size)
                filled += 1
                if filled == size { return }
            }
            round += 1
        }
    }

    private static func after(_ entry: Int, skip: Int, size: Int) -> Int {
        let next = entry + skip
        return next >= size ? next - size : next
    }
}
