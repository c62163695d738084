/// Endpoints that requests may go to, filed by weight: a turn in the rotation and a draw by weight cost the same for ten
/// endpoints and for ten thousand, and grow only with the number of different weights.
///
/// Plain data with memory of a fixed size; `destroy` gives it back.
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
        /// The heaviest weight divided by this one.
        var lightness: Float = 1
        /// What the group has earned and not yet spent in the rotation.
        var account: Int64 = 0
    }

    /// One endpoint, drawn.
    struct Draw: BitwiseCopyable {
        let number: UInt32
        let weight: UInt32
        let lightness: Float
        /// The first of its tickets.
        let ticket: UInt32
    }

    private let members: UnsafeMutablePointer<UInt32>
    private let groups: UnsafeMutablePointer<Group>
    private let groupsMax: Int
    private(set) var count = 0
    private var groupCount = 0

    /// - Parameters:
    ///   - count: Most endpoints.
    ///   - groupsMax: Most different weights.
    init(countMax: Int, groupsMax: Int) {
        unsafe members = .allocate(capacity: max(countMax, 1))
        unsafe groups = .allocate(capacity: max(groupsMax, 1))
        self.groupsMax = groupsMax
    }

    func destroy() {
        unsafe members.deallocate()
        unsafe groups.deallocate()
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
        unsafe (members + count).initialize(to: number)
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
        for index in 0..<groupCount {
            unsafe groups[index].lightness = Float(heaviest) / Float(groups[index].weight)
            unsafe groups[index].cursor = random.next(below: groups[index].count)
        }
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

    private func next(in index: Int, _ loads: UnsafeMutablePointer<EndpointLoad>) -> UInt32? {
        let group = unsafe groups + index
        let count = unsafe group.pointee.count
        var cursor = unsafe group.pointee.cursor
        for _ in 0..<count {
            let number = unsafe members[Int(group.pointee.start &+ cursor)]
            cursor = cursor &+ 1 == count ? 0 : cursor &+ 1
            if unsafe loads[Int(number)].standing.contains(.excluded) { continue }
            unsafe group.pointee.cursor = cursor
            return number
        }
        return nil
    }

    // MARK: by chance

    /// An endpoint that isn't excluded, by weight; nil when all are.
    func draw(_ loads: UnsafeMutablePointer<EndpointLoad>, _ random: inout RandomSource) -> Draw? {
        guard count > 0 else { return nil }
        for _ in 0..<CandidateSet.drawsMax {
            let draw = holder(ofTicket: random.next(below: weight))
            if unsafe !loads[Int(draw.number)].standing.contains(.excluded) { return draw }
        }
        return unsafe scan(loads, from: random.next(below: UInt32(truncatingIfNeeded: count)), besides: .max)
    }

    /// Another one; nil when there is none.
    func draw(
        _ loads: UnsafeMutablePointer<EndpointLoad>, besides first: Draw, _ random: inout RandomSource
    ) -> Draw? {
        guard count > 1 else { return nil }
        for _ in 0..<CandidateSet.drawsMax {
            // Its tickets are left out, so one draw gives another endpoint, however heavy the first.
            var ticket = random.next(below: weight &- first.weight)
            if ticket >= first.ticket { ticket &+= first.weight }
            let draw = holder(ofTicket: ticket)
            if unsafe !loads[Int(draw.number)].standing.contains(.excluded) { return draw }
        }
        return unsafe scan(
            loads, from: random.next(below: UInt32(truncatingIfNeeded: count)), besides: first.number)
    }

    /// Draws before the search goes on in order. With half of the endpoints excluded, one pick in 2¹⁶ gets there.
    private static var drawsMax: Int { 16 }

    private func scan(
        _ loads: UnsafeMutablePointer<EndpointLoad>, from place: UInt32, besides other: UInt32
    ) -> Draw? {
        for step in 0..<count {
            let place = (Int(place) + step) % count
            let number = unsafe members[place]
            if unsafe number == other || loads[Int(number)].standing.contains(.excluded) { continue }
            return self[place]
        }
        return nil
    }

    /// The endpoint at a place below `count`.
    subscript(place: Int) -> Draw {
        var index = 0
        while unsafe Int(groups[index].start + groups[index].count) <= place { index += 1 }
        let group = unsafe groups[index]
        let offset = UInt32(place) - group.start
        return unsafe Draw(
            number: members[place], weight: group.weight, lightness: group.lightness,
            ticket: group.tickets - (group.count - offset) * group.weight)
    }

    @inline(__always)
    private func holder(ofTicket ticket: UInt32) -> Draw {
        let group = unsafe groups[group(ofTicket: ticket)]
        let begin = group.tickets &- group.weight &* group.count
        let offset = (ticket &- begin) / group.weight
        return unsafe Draw(
            number: members[Int(group.start &+ offset)], weight: group.weight, lightness: group.lightness,
            ticket: begin &+ offset &* group.weight)
    }

    /// Halves without a branch: which way a drawn ticket lies is nothing that a processor could foresee.
    @inline(__always)
    private func group(ofTicket ticket: UInt32) -> Int {
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
