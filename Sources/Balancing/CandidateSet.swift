/// Endpoints that requests may go to, filed by weight: a turn in the rotation costs the same for ten endpoints and for ten
/// thousand, and grows only with the number of different weights; a draw by weight doesn't grow at all.
///
/// Plain data with memory of a fixed size; `destroy` gives it back. What a pick calls is `mutating`, changing or not: other
/// methods get a copy of the whole value.
@safe
struct CandidateSet {
    /// Endpoints of one weight.
    struct Group: BitwiseCopyable {
        var weight: UInt32
        /// The first of them in `members`.
        var start: UInt32
        var count: UInt32 = 0
        /// Weights of all groups up to and with this one.
        var tickets: UInt32 = 0
        /// Whose turn it is in the rotation, from `start`.
        var cursor: UInt32 = 0
        /// What the group has earned and not yet spent in the rotation.
        var account: Int64 = 0
    }

    /// One endpoint.
    struct Member: BitwiseCopyable {
        let number: UInt32
        let weight: UInt32
        /// The heaviest weight divided by this one.
        fileprivate(set) var lightness: Float = 1
        /// The first of its tickets.
        fileprivate(set) var ticket: UInt32 = 0
    }

    private let members: UnsafeMutablePointer<Member>
    private let groups: UnsafeMutablePointer<Group>
    private var aliases: AliasTable
    private let groupsMax: Int
    private(set) var count = 0
    private var groupCount = 0

    /// - Parameters:
    ///   - count: Most endpoints.
    ///   - groupsMax: Most different weights.
    init(countMax: Int, groupsMax: Int) {
        unsafe members = .allocate(capacity: max(countMax, 1))
        unsafe groups = .allocate(capacity: max(groupsMax, 1))
        aliases = AliasTable(countMax: countMax)
        self.groupsMax = groupsMax
    }

    func destroy() {
        unsafe members.deallocate()
        unsafe groups.deallocate()
        aliases.destroy()
    }

    // MARK: filling

    mutating func removeAll() {
        count = 0
        groupCount = 0
    }

    /// Endpoints of one weight come one after the other.
    mutating func append(_ number: UInt32, weight: UInt32) {
        if unsafe groupCount == 0 || groups[groupCount - 1].weight != weight {
            precondition(groupCount < groupsMax, "more weights than announced")
            unsafe (groups + groupCount).initialize(to: Group(weight: weight, start: UInt32(count)))
            groupCount += 1
        }
        unsafe (members + count).initialize(to: Member(number: number, weight: weight))
        unsafe groups[groupCount - 1].count += 1
        count += 1
    }

    /// All have come. The rotation begins anywhere: one that always began at the front would give the first more, each time
    /// that endpoints come and go.
    mutating func complete(_ random: inout RandomSource) {
        var tickets: UInt32 = 0
        var heaviest: UInt32 = 0
        for index in 0..<groupCount {
            tickets += unsafe groups[index].weight * groups[index].count
            unsafe groups[index].tickets = tickets
            heaviest = unsafe max(heaviest, groups[index].weight)
        }
        var ticket: UInt32 = 0
        for place in 0..<count {
            let weight = unsafe members[place].weight
            unsafe members[place].lightness = Float(heaviest) / Float(weight)
            unsafe members[place].ticket = ticket
            ticket += weight
        }
        let members = unsafe members
        aliases.fill(count: count, total: tickets) { unsafe members[$0].weight }
        for index in 0..<groupCount { unsafe groups[index].cursor = random.next(below: groups[index].count) }
        guard groupCount > 1 else { return }
        let first = group(ofTicket: random.next(below: tickets))
        unsafe groups[first].account = Int64(tickets)
    }

    /// Sum of the weights.
    var weight: UInt32 { groupCount == 0 ? 0 : unsafe groups[groupCount - 1].tickets }

    // MARK: in turn

    /// The endpoint whose turn it is, which is thereby taken.
    ///
    /// Smooth weighted round robin as in nginx, of groups: each earns the weights of its members, the richest pays what all have
    /// earned, and within it the turn goes round.
    mutating func next(_ loads: UnsafeMutablePointer<EndpointLoad>) -> UInt32? {
        if groupCount == 1 { return unsafe next(in: 0, loads) }
        guard groupCount > 0 else { return nil }
        var richest = 0
        for index in 0..<groupCount {
            let group = unsafe groups + index
            unsafe group.pointee.account &+= Int64(group.pointee.weight &* group.pointee.count)
            if unsafe group.pointee.account > groups[richest].account { richest = index }
        }
        unsafe groups[richest].account &-= Int64(weight)
        if let number = unsafe next(in: richest, loads) { return number }
        for index in 0..<groupCount where index != richest {
            if let number = unsafe next(in: index, loads) { return number }
        }
        return nil
    }

    private mutating func next(in index: Int, _ loads: UnsafeMutablePointer<EndpointLoad>) -> UInt32? {
        let group = unsafe groups + index
        let count = unsafe group.pointee.count
        var cursor = unsafe group.pointee.cursor
        for _ in 0..<count {
            let number = unsafe members[Int(group.pointee.start &+ cursor)].number
            cursor = cursor &+ 1 == count ? 0 : cursor &+ 1
            if unsafe loads[Int(number)].standing.contains(.excluded) { continue }
            unsafe group.pointee.cursor = cursor
            return number
        }
        return nil
    }

    // MARK: by chance

    /// An endpoint that isn't excluded, by weight; nil when all are.
    @inline(__always)
    mutating func draw(_ loads: UnsafeMutablePointer<EndpointLoad>, _ random: inout RandomSource) -> Member? {
        guard count > 0 else { return nil }
        let member = unsafe members[Int(groupCount == 1 ? random.next(below: UInt32(count)) : aliases.draw(&random))]
        if unsafe CandidateSet.isOpen(member, loads) { return member }
        return unsafe drawAgain(loads, &random)
    }

    /// Two different ones, each as `draw` gives it; the second is nil when there is only one.
    @inline(__always)
    mutating func drawTwo(
        _ loads: UnsafeMutablePointer<EndpointLoad>, _ random: inout RandomSource
    ) -> (first: Member, second: Member?)? {
        guard count > 1 else { return unsafe draw(loads, &random).map { ($0, nil) } }
        let first: UInt32
        var second: UInt32
        if groupCount == 1 {
            first = random.next(below: UInt32(count))
            second = random.next(below: UInt32(count &- 1))
            second &+= second >= first ? 1 : 0
        } else {
            (first, second) = (aliases.draw(&random), aliases.draw(&random))
        }
        let (one, other) = unsafe (members[Int(first)], members[Int(second)])
        if unsafe first != second && CandidateSet.isOpen(one, loads) && CandidateSet.isOpen(other, loads) {
            return (one, other)
        }
        guard let open = unsafe CandidateSet.isOpen(one, loads) ? one : drawAgain(loads, &random) else { return nil }
        return (open, unsafe draw(loads, besides: open, &random))
    }

    @inline(__always)
    private static func isOpen(_ member: Member, _ loads: UnsafeMutablePointer<EndpointLoad>) -> Bool {
        unsafe !loads[Int(member.number)].standing.contains(.excluded)
    }

    /// Draws before the search goes on in order. With half of the endpoints excluded, one pick in 2¹⁶ gets there.
    private static var drawsMax: Int { 16 }

    @inline(never)
    private mutating func drawAgain(_ loads: UnsafeMutablePointer<EndpointLoad>, _ random: inout RandomSource)
        -> Member?
    {
        for _ in 1..<CandidateSet.drawsMax {
            let member = unsafe members[Int(aliases.draw(&random))]
            if unsafe CandidateSet.isOpen(member, loads) { return member }
        }
        return unsafe scan(loads, from: random.next(below: UInt32(truncatingIfNeeded: count)), besides: .max)
    }

    /// Another one; nil when there is none.
    @inline(never)
    mutating func draw(
        _ loads: UnsafeMutablePointer<EndpointLoad>, besides first: Member, _ random: inout RandomSource
    ) -> Member? {
        guard count > 1 else { return nil }
        for _ in 0..<CandidateSet.drawsMax {
            // Its tickets are left out, so one draw gives another endpoint, however heavy the first.
            var ticket = random.next(below: weight &- first.weight)
            if ticket >= first.ticket { ticket &+= first.weight }
            let member = holder(ofTicket: ticket)
            if unsafe CandidateSet.isOpen(member, loads) { return member }
        }
        return unsafe scan(
            loads, from: random.next(below: UInt32(truncatingIfNeeded: count)), besides: first.number)
    }

    private mutating func scan(
        _ loads: UnsafeMutablePointer<EndpointLoad>, from place: UInt32, besides other: UInt32
    ) -> Member? {
        for step in 0..<count {
            let member = unsafe members[(Int(place) + step) % count]
            if unsafe member.number != other && CandidateSet.isOpen(member, loads) { return member }
        }
        return nil
    }

    /// The endpoint at a place below `count`.
    @inline(__always)
    subscript(place: Int) -> Member { unsafe members[place] }

    private mutating func holder(ofTicket ticket: UInt32) -> Member {
        let group = unsafe groups[group(ofTicket: ticket)]
        let begin = group.tickets &- group.weight &* group.count
        return unsafe members[Int(group.start &+ (ticket &- begin) / group.weight)]
    }

    private mutating func group(ofTicket ticket: UInt32) -> Int {
        var low = 0
        var length = groupCount
        while length > 1 {
            let half = length / 2
            low &+= unsafe groups[low &+ half &- 1].tickets <= ticket ? half : 0
            length &-= half
        }
        return low
    }
}
