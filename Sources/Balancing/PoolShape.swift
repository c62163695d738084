/// How requests are spread over a pool, as far as its site file says it.
package struct BalanceRules: Equatable, Sendable {
    package var policy: BalancePolicy
    /// Fewer endpoints up than this share of all: backups join, and without them requests are spread over all, up or not.
    /// Percent; 0: never.
    package var panicPercent: UInt8
    /// Endpoints that one node uses; nil: all.
    package var subsetCount: Int?
    /// How long an endpoint that is back, or new, takes to get its whole share, nanoseconds; 0: at once.
    package var slowStartNanoseconds: UInt64

    package init(
        policy: BalancePolicy = .peakEWMA, panicPercent: UInt8 = 50, subsetCount: Int? = nil,
        slowStartNanoseconds: UInt64 = 0
    ) {
        self.policy = policy
        self.panicPercent = panicPercent
        self.subsetCount = subsetCount
        self.slowStartNanoseconds = slowStartNanoseconds
    }
}

/// One endpoint in a `PoolShape`.
package struct PoolMember: Equatable, Sendable {
    /// Its identity: what the same endpoint is called at every node.
    package var name: String
    /// Index of its `EndpointLoad`.
    package var number: UInt32
    /// Share of the requests against the others; 1…256.
    package var weight: UInt16
    package var isBackup: Bool
    /// In the node's own zone.
    package var isLocal: Bool

    package init(
        name: String, number: UInt32, weight: UInt16 = 1, isBackup: Bool = false, isLocal: Bool = false
    ) {
        self.name = name
        self.number = number
        self.weight = weight
        self.isBackup = isBackup
        self.isLocal = isLocal
    }
}

/// A pool as balancing sees it, without what changes from request to request. Made off the workers, shared by all of them, never
/// changed; it must outlive the `PoolBalancer`s that were made of it.
@safe
package final class PoolShape: @unchecked Sendable {
    // `@unchecked`: the memory behind the pointers is written in `init` only, freed in `deinit` only.

    /// The share of a weight that a step of slow start is, and so the least share that an endpoint gets: a sixteenth.
    static let warmSteps: UInt32 = 16

    struct Member: BitwiseCopyable {
        let number: UInt32
        let weight: UInt16
        let isBackup: Bool
        let isLocal: Bool
    }

    package let rules: BalanceRules
    package let count: Int
    /// In the order of the site file; a place in it is an endpoint's index.
    let members: UnsafeMutablePointer<Member>
    /// Indices, by weight, then as in the site file.
    let byWeight: UnsafeMutablePointer<UInt32>
    /// Indices in the order in which this node prefers them for its subset; nil when it uses all.
    let byRank: UnsafeMutablePointer<UInt32>?
    let weightCount: Int
    let hasLocal: Bool
    /// Of `hash`.
    let maglev: MaglevTable?

    /// - Parameters:
    ///   - members: At least one, at most `MaglevTable.membersMax`; distinct names and numbers.
    ///   - node: The node's name: what its subset depends on.
    package init(_ members: [PoolMember], rules: BalanceRules, node: String = "") {
        precondition(members.count <= MaglevTable.membersMax, "a pool of \(members.count) endpoints")
        self.rules = rules
        count = members.count
        unsafe self.members = PoolShape.copy(
            members.map { Member(number: $0.number, weight: $0.weight, isBackup: $0.isBackup, isLocal: $0.isLocal) })
        let indices = members.indices.map { UInt32($0) }
        unsafe byWeight = PoolShape.copy(
            indices.sorted { (members[Int($0)].weight, $0) < (members[Int($1)].weight, $1) })
        weightCount = Set(members.map(\.weight)).count
        hasLocal = members.contains { $0.isLocal }
        if let subset = rules.subsetCount, subset < members.count {
            // Rendezvous hashing (Thaler and Ravishankar 1998): each node has an order of its own, which a change of the
            // endpoints leaves as it is for the others. By weight as in weighted rendezvous: the score is ln(u)/w.
            let seed = Hash64.xxh64(node.utf8)
            let ranks = members.map { member in
                PoolShape.logarithm(Hash64.combine(seed, Hash64.xxh64(member.name.utf8))) / Double(member.weight)
            }
            unsafe byRank = PoolShape.copy(indices.sorted { (ranks[Int($0)], $0) < (ranks[Int($1)], $1) })
        } else {
            unsafe byRank = nil
        }
        maglev =
            rules.policy == .hash
            ? MaglevTable(
                members.map { MaglevMember(name: $0.name, weight: UInt32($0.weight)) },
                size: MaglevTable.size(for: members.count)) : nil
    }

    deinit {
        unsafe members.deallocate()
        unsafe byWeight.deallocate()
        unsafe byRank?.deallocate()
    }

    /// −ln(u) for a u in (0, 1] that `hash` stands for.
    private static func logarithm(_ hash: UInt64) -> Double {
        // ln(m · 2^e) = ln m + e · ln 2, with m in [1, 2) and ln m by its series in (m − 1)/(m + 1): no C library here.
        let uniform = (Double(hash >> 11) + 1) * 0x1p-53
        let mantissa = uniform.significand
        let ratio = (mantissa - 1) / (mantissa + 1)
        let square = ratio * ratio
        var sum = 0.0
        for power in stride(from: 21, through: 1, by: -2) { sum = sum * square + 1 / Double(power) }
        return -(2 * ratio * sum + Double(uniform.exponent) * 0.693_147_180_559_945_3)
    }

    private static func copy<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
        let base = UnsafeMutablePointer<Element>.allocate(capacity: max(elements.count, 1))
        unsafe base.initialize(from: elements, count: elements.count)
        return unsafe base
    }
}
