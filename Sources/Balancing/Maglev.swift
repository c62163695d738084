/// One that a Maglev table spreads connections over.
package struct MaglevMember: Hashable, Sendable {
    /// Decides the member's place in every table. Members of one table have different names; two of the same
    /// name get about equal shares, but which of them gets an entry then depends on their order.
    package var name: String
    /// Share of the entries in proportion to the other members; 0 gets none.
    package var weight: UInt32

    package init(name: String, weight: UInt32 = 1) {
        self.name = name
        self.weight = weight
    }
}

/// A table from connection hash to member that hardly changes when members do (Eisenbud et al., "Maglev: A Fast and
/// Reliable Software Network Load Balancer", NSDI 2016, §3.4).
///
/// Filled once, never changed: build it off the accept path, then give it to every worker. The same members give the
/// same connections to the same names whatever order they are passed in, on every host.
@safe @usableFromInline
package final class MaglevTable: @unchecked Sendable {
    // `@unchecked`: the memory behind the two pointers is written in `init` only, freed in `deinit` only.

    /// The prime the paper uses for up to some hundred members: 128 KiB, shares within 1 % at 100 members.
    package static let standardSize = 65_537
    /// A larger prime of the paper, for more members than a hundredth of `standardSize`.
    package static let largeSize = 655_373

    /// The size that keeps shares even with so many members.
    package static func size(for memberCount: Int) -> Int {
        memberCount * 100 <= standardSize ? standardSize : largeSize
    }

    /// Members that one table can tell apart; the last `UInt16` stands for a free entry while filling.
    package static let membersMax = Int(UInt16.max)

    /// Index of a member per entry; nil when the table is empty.
    @usableFromInline let entries: UnsafePointer<UInt16>?
    @usableFromInline let size: UInt32
    /// The members that have entries, by name; nil when the table is empty.
    @usableFromInline let ranked: UnsafePointer<UInt16>?
    @usableFromInline let rankedCount: UInt32

    /// - Parameters:
    ///   - members: Entries hold indices into this array. At most `membersMax`, and no more with a weight than `size`.
    ///   - size: Number of entries, a prime up to `UInt32.max`; more than a hundred times the members keeps shares even.
    package init(_ members: [MaglevMember], size: Int = standardSize) {
        precondition(members.count <= Self.membersMax, "\(members.count) members in a Maglev table")
        precondition(Self.isPrime(size) && size <= UInt32.max, "Maglev table of \(size) entries: not a prime")
        let filler = MaglevFiller(members, size: size)
        guard !filler.turns.isEmpty else {
            unsafe entries = nil
            unsafe ranked = nil
            self.size = 0
            rankedCount = 0
            return
        }
        let entries = UnsafeMutablePointer<UInt16>.allocate(capacity: size)
        unsafe entries.initialize(repeating: MaglevFiller.free, count: size)
        unsafe filler.fill(entries)
        unsafe self.entries = UnsafePointer(entries)
        self.size = UInt32(size)
        let ranked = UnsafeMutablePointer<UInt16>.allocate(capacity: filler.turns.count)
        for (rank, turn) in filler.turns.enumerated() {
            unsafe (ranked + rank).initialize(to: turn.member)
        }
        unsafe self.ranked = UnsafePointer(ranked)
        rankedCount = UInt32(filler.turns.count)
    }

    deinit {
        unsafe entries?.deallocate()
        unsafe ranked?.deallocate()
    }

    /// No member with a weight: there is nothing to look up.
    @inlinable
    package var isEmpty: Bool {
        size == 0
    }

    /// Number of entries; 0 when empty.
    package var count: Int {
        Int(size)
    }

    /// The member that has the entry at `index`, which must be below `count`.
    package subscript(index: Int) -> Int {
        guard let entries = unsafe entries, index >= 0, index < count else {
            preconditionFailure("entry \(index) of a Maglev table of \(count)")
        }
        return unsafe Int(entries[index])
    }

    /// The member that takes a connection, as an index into the array that the table was made from.
    ///
    /// The entry is found by multiplication with the hash, so its high bits must be well mixed
    /// (`Hash64.combine`, `Hash64.xxh64`). The table must not be empty.
    @inlinable
    package func lookup(hash: UInt64) -> Int {
        guard let entries = unsafe entries else { preconditionFailure("lookup in an empty Maglev table") }
        // The high word of hash * size is below size.
        return unsafe Int(entries[Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(size)).high)])
    }

    /// The members that a connection prefers, one after the other: attempt 0 is `lookup(hash:)`, attempt k another
    /// lookup with the hash of (connection, k).
    ///
    /// A member may come again, more often the more it weighs. `usable(hash:among:)` ends whatever the weights.
    @inlinable
    package func preference(hash: UInt64, attempt: Int) -> Int {
        if attempt == 0 { return lookup(hash: hash) }
        return lookup(hash: Hash64.combine(hash, UInt64(truncatingIfNeeded: attempt)))
    }

    /// The member that a connection prefers among those marked usable.
    ///
    /// Connections of an unusable member spread over the others by weight; all others stay where they were. After
    /// `preferencesMax` attempts the members are tried in turn from a place that the hash decides.
    ///
    /// - Parameter usable: One flag per member of the array that the table was made from.
    /// - Returns: nil when no member with a weight is usable, or the table is empty.
    @inlinable
    package func usable(hash: UInt64, among usable: UnsafePointer<Bool>) -> Int? {
        first(hash: hash) { unsafe usable[$0] }
    }

    /// The member that a connection prefers among those that `isTaken` holds for; as `usable(hash:among:)`.
    @inlinable
    package func first(hash: UInt64, where isTaken: (Int) -> Bool) -> Int? {
        guard let ranked = unsafe ranked else { return nil }
        for attempt in 0..<Self.preferencesMax {
            let member = preference(hash: hash, attempt: attempt)
            if isTaken(member) { return member }
        }
        let count = Int(rankedCount)
        var rank = Int(truncatingIfNeeded: Hash64.mix(hash).multipliedFullWidth(by: UInt64(count)).high)
        for _ in 0..<count {
            let member = unsafe Int(ranked[rank])
            if isTaken(member) { return member }
            rank = rank &+ 1 == count ? 0 : rank &+ 1
        }
        return nil
    }

    /// With half of the members usable, one connection in 2¹⁶ goes on to the scan.
    @inlinable static var preferencesMax: Int { 16 }

    private static func isPrime(_ number: Int) -> Bool {
        guard number >= 2 else { return false }
        var divisor = 2
        while divisor * divisor <= number {
            if number.isMultiple(of: divisor) { return false }
            divisor += 1
        }
        return true
    }
}
