import CLinux

/// Deadlines of many connections: a hierarchical wheel (Varghese and Lauck, SOSP 1987), coarse and cheap.
///
/// Four levels of 64 slots; one tick is 2^24 ns (16.8 ms), so the wheel reaches 78 hours. Setting, moving and
/// cancelling are O(1); the next deadline is found through one bitmap per level. Ids are small integers that the
/// owner chooses (a slot number); each id has at most one deadline.
///
/// A deadline that moves on with every request should not be moved here every time: keep it in the connection,
/// and when the wheel fires early, set it again (`HAProxy` does the same).
@safe
package struct TimerWheel: ~Copyable {
    /// Nanoseconds of one tick, as a shift.
    package static let tickShift: UInt64 = 24
    private static let levels = 4
    private static let slotBits: UInt64 = 6
    private static let none = UInt32.max
    /// Ticks ahead at most: 63 of the 64 top slots, so that no id lands in the slot that is open. A later deadline
    /// fires at that time and is the owner's to set again.
    private static let reach: UInt64 = 63 << (slotBits * UInt64(levels - 1))
    /// The list of fired ids that `popExpired` hasn't given out yet; it follows the slots' lists.
    private static let expiredList = levels * 64

    private struct Entry {
        var expiry: UInt64 = 0
        var next = none
        var previous = none
        /// Level × 64 + slot; `none` when the id has no deadline.
        var list = none
    }

    private var entries: UnsafeMutablePointer<Entry>
    private var capacity: Int
    /// The first id of each slot's list, by level × 64 + slot, and of `expiredList`.
    private let heads: UnsafeMutablePointer<UInt32>
    private var occupied: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    /// Everything up to this tick has fired.
    private var elapsed: UInt64

    /// - Parameter now: Monotonic nanoseconds.
    package init(now: UInt64) {
        elapsed = now >> TimerWheel.tickShift
        capacity = 256
        unsafe entries = .allocate(capacity: capacity)
        unsafe entries.initialize(repeating: Entry(), count: capacity)
        unsafe heads = .allocate(capacity: TimerWheel.expiredList + 1)
        unsafe heads.initialize(repeating: TimerWheel.none, count: TimerWheel.expiredList + 1)
    }

    deinit {
        unsafe entries.deallocate()
        unsafe heads.deallocate()
    }

    /// Sets or moves the deadline of an id. It fires at the first `popExpired` whose `now` is past it, at most a tick late.
    package mutating func set(_ id: UInt32, at nanoseconds: UInt64) {
        reserve(Int(id) + 1)
        cancel(id)
        // Rounded up, so that nothing fires early.
        let tick = (nanoseconds &+ (1 << TimerWheel.tickShift) &- 1) >> TimerWheel.tickShift
        insert(id, expiry: min(max(tick, elapsed + 1), elapsed + TimerWheel.reach))
    }

    /// Has an id's entry fetched while other work goes on.
    package func prefetch(_ id: UInt32) {
        if Int(id) < capacity { unsafe clinux_prefetch(entries + Int(id)) }
    }

    package mutating func cancel(_ id: UInt32) {
        guard Int(id) < capacity, unsafe entries[Int(id)].list != TimerWheel.none else { return }
        unlink(id)
    }

    /// The next id whose deadline has passed, or nil. The id then has no deadline.
    package mutating func popExpired(now: UInt64) -> UInt32? {
        let tick = now >> TimerWheel.tickShift
        while unsafe heads[TimerWheel.expiredList] == TimerWheel.none {
            guard let (level, slot, start) = nextSlot(), start <= tick else {
                elapsed = max(elapsed, tick)
                return nil
            }
            elapsed = max(elapsed, start)
            open(level: level, slot: slot)
        }
        let id = unsafe heads[TimerWheel.expiredList]
        unlink(id)
        return id
    }

    /// Milliseconds until `popExpired` can have something, rounded up; -1 when there is no deadline at all.
    package func millisecondsUntilNext(now: UInt64) -> CInt {
        if unsafe heads[TimerWheel.expiredList] != TimerWheel.none { return 0 }
        guard let (_, _, start) = nextSlot() else { return -1 }
        let due = start << TimerWheel.tickShift
        guard due > now else { return 0 }
        return CInt(clamping: (due - now + 999_999) / 1_000_000)
    }

    private mutating func insert(_ id: UInt32, expiry: UInt64) {
        // The highest six-bit digit in which expiry and now differ is the level.
        let differing = (expiry ^ elapsed) | 63
        let level = (63 - differing.leadingZeroBitCount) / Int(TimerWheel.slotBits)
        let clamped = min(level, TimerWheel.levels - 1)
        let slot = expiry >> (TimerWheel.slotBits * UInt64(clamped)) & 63
        link(id, expiry: expiry, into: clamped * 64 + Int(slot))
        setOccupied(clamped, occupied(clamped) | 1 << slot)
    }

    private mutating func link(_ id: UInt32, expiry: UInt64, into list: Int) {
        let head = unsafe heads[list]
        unsafe entries[Int(id)] = Entry(expiry: expiry, next: head, previous: TimerWheel.none, list: UInt32(list))
        if head != TimerWheel.none { unsafe entries[Int(head)].previous = id }
        unsafe heads[list] = id
    }

    private mutating func unlink(_ id: UInt32) {
        let entry = unsafe entries[Int(id)]
        if entry.previous == TimerWheel.none {
            unsafe heads[Int(entry.list)] = entry.next
            if entry.next == TimerWheel.none && entry.list < TimerWheel.expiredList {
                let level = Int(entry.list) / 64
                setOccupied(level, occupied(level) & ~(1 << UInt64(entry.list % 64)))
            }
        } else {
            unsafe entries[Int(entry.previous)].next = entry.next
        }
        if entry.next != TimerWheel.none { unsafe entries[Int(entry.next)].previous = entry.previous }
        unsafe entries[Int(id)] = Entry()
    }

    /// The slot that opens next: the lowest level that holds anything has the earliest deadline.
    private func nextSlot() -> (level: Int, slot: Int, start: UInt64)? {
        for level in 0..<TimerWheel.levels {
            let bits = occupied(level)
            guard bits != 0 else { continue }
            let shift = TimerWheel.slotBits * UInt64(level)
            let current = elapsed >> shift & 63
            let rotated = current == 0 ? bits : bits >> current | bits << (64 - current)
            let distance = UInt64(rotated.trailingZeroBitCount)
            let slot = (current + distance) & 63
            let base = elapsed >> shift
            return (level, Int(slot), (base + distance) << shift)
        }
        return nil
    }

    /// Takes a slot's list: level 0 fires, a higher level moves down.
    private mutating func open(level: Int, slot: Int) {
        let list = level * 64 + slot
        var id = unsafe heads[list]
        unsafe heads[list] = TimerWheel.none
        setOccupied(level, occupied(level) & ~(1 << UInt64(slot)))
        while id != TimerWheel.none {
            let entry = unsafe entries[Int(id)]
            if entry.expiry <= elapsed {
                link(id, expiry: entry.expiry, into: TimerWheel.expiredList)
            } else {
                insert(id, expiry: entry.expiry)
            }
            id = entry.next
        }
    }

    private mutating func reserve(_ count: Int) {
        guard count > capacity else { return }
        let grown = max(count, capacity * 2)
        let moved = UnsafeMutablePointer<Entry>.allocate(capacity: grown)
        unsafe moved.initialize(from: entries, count: capacity)
        unsafe (moved + capacity).initialize(repeating: Entry(), count: grown - capacity)
        unsafe entries.deallocate()
        unsafe entries = unsafe moved
        capacity = grown
    }

    private func occupied(_ level: Int) -> UInt64 {
        switch level {
        case 0: occupied.0
        case 1: occupied.1
        case 2: occupied.2
        default: occupied.3
        }
    }

    private mutating func setOccupied(_ level: Int, _ bits: UInt64) {
        switch level {
        case 0: occupied.0 = bits
        case 1: occupied.1 = bits
        case 2: occupied.2 = bits
        default: occupied.3 = bits
        }
    }
}
