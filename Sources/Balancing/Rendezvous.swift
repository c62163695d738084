/// Which few of many members do something for a key: those with the highest weights for it (highest random weight,
/// Thaler and Ravishankar, 1998).
///
/// Everyone who knows the members' names comes to the same answer. A member that leaves changes the answer only for the
/// keys that it was chosen for.
package struct Rendezvous: Sendable {
    private let members: [(name: String, hash: UInt64)]
    private let count: Int

    /// - Parameter count: Members that are chosen for each key.
    package init(members: [String], count: Int) {
        self.members = members.map { ($0, Hash64.xxh64($0.utf8)) }
        self.count = count
    }

    /// Whether every member is chosen for every key.
    package var choosesAll: Bool { members.count <= count }

    /// Whether that member is among those chosen; O(members) at worst.
    ///
    /// - Parameter key: Hash of the key.
    package func chooses(_ name: String, for key: UInt64) -> Bool {
        guard let own = members.first(where: { $0.name == name }) else { return false }
        if choosesAll { return true }
        let weight = Hash64.combine(own.hash, key)
        var better = 0
        for member in members where member.name != name {
            let other = Hash64.combine(member.hash, key)
            // Equal weights: the name decides, so that the number of the chosen is exact.
            guard other > weight || other == weight && member.name < name else { continue }
            better += 1
            if better == count { return false }
        }
        return true
    }
}
