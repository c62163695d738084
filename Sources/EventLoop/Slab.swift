public import CLinux

/// Slots for plain values at fixed addresses, with generations.
///
/// Elements live in chunks that never move, so a pointer stays good until the slot is retired. A retired slot is
/// given out again only after `reclaim()`, at the end of the turn, so that events and calls still under way in
/// the turn meet no stranger.
// `@usableFromInline`: without it the compiler calls `@inlinable package` members across modules, with the size of the
// element looked up each time.
@safe @usableFromInline
package struct Slab<Element: BitwiseCopyable>: ~Copyable {
    @inlinable static var chunkShift: UInt32 { 8 }
    @inlinable static var chunkElements: Int { 256 }
    @inlinable static var chunksMax: Int { 4096 }
    /// Slots in one slab at most: 1,048,576.
    package static var slotsMax: Int { chunkElements * chunksMax }

    @usableFromInline let chunks: UnsafeMutablePointer<UnsafeMutablePointer<Element>>
    @usableFromInline let generations: UnsafeMutablePointer<UnsafeMutablePointer<UInt32>>
    @usableFromInline var chunkCount = 0
    /// Slots to be given out, and those that were retired in this turn: two stacks, each with room for all slots.
    @usableFromInline var free: UnsafeMutablePointer<UInt32>
    @usableFromInline var freeCount = 0
    @usableFromInline var retired: UnsafeMutablePointer<UInt32>
    @usableFromInline var retiredCount = 0
    /// Slots in use.
    @usableFromInline package internal(set) var count = 0

    package init() {
        unsafe chunks = .allocate(capacity: Slab.chunksMax)
        unsafe generations = .allocate(capacity: Slab.chunksMax)
        unsafe free = .allocate(capacity: 0)
        unsafe retired = .allocate(capacity: 0)
    }

    deinit {
        for index in 0..<chunkCount {
            unsafe chunks[index].deallocate()
            unsafe generations[index].deallocate()
        }
        unsafe chunks.deallocate()
        unsafe generations.deallocate()
        unsafe free.deallocate()
        unsafe retired.deallocate()
    }

    /// Takes a slot and puts `element` there; nil when all `slotsMax` are in use.
    @inlinable
    package mutating func insert(_ element: Element) -> UInt32? {
        if freeCount == 0 {
            guard chunkCount < Slab.chunksMax else { return nil }
            grow()
        }
        freeCount -= 1
        let slot = unsafe free[freeCount]
        bumpGeneration(of: slot)
        unsafe self[slot].initialize(to: element)
        count += 1
        return slot
    }

    @usableFromInline
    mutating func grow() {
        unsafe chunks[chunkCount] = .allocate(capacity: Slab.chunkElements)
        unsafe generations[chunkCount] = .allocate(capacity: Slab.chunkElements)
        unsafe generations[chunkCount].initialize(repeating: 0, count: Slab.chunkElements)
        let first = chunkCount * Slab.chunkElements
        chunkCount += 1
        // It grows when no slot is free.
        unsafe free.deallocate()
        unsafe free = .allocate(capacity: chunkCount * Slab.chunkElements)
        for offset in (0..<Slab.chunkElements).reversed() {
            unsafe free[freeCount] = UInt32(first + offset)
            freeCount += 1
        }
        let grown = UnsafeMutablePointer<UInt32>.allocate(capacity: chunkCount * Slab.chunkElements)
        unsafe grown.update(from: retired, count: retiredCount)
        unsafe retired.deallocate()
        unsafe retired = unsafe grown
    }

    /// The element in a slot that is in use.
    @inlinable
    package subscript(slot: UInt32) -> UnsafeMutablePointer<Element> {
        unsafe chunks[Int(slot >> Slab.chunkShift)] + Int(slot & UInt32(Slab.chunkElements - 1))
    }

    /// Has the element's cache lines fetched while other work goes on, whether the slot is in use or not.
    @inlinable
    package func prefetch(_ slot: UInt32) {
        guard Int(slot >> Slab.chunkShift) < chunkCount else { return }
        let element = unsafe UnsafeRawPointer(self[slot])
        for offset in stride(from: 0, to: MemoryLayout<Element>.size, by: 64) {
            unsafe clinux_prefetch(element + offset)
        }
    }

    @inlinable
    package func generation(of slot: UInt32) -> UInt32 {
        unsafe generations[Int(slot >> Slab.chunkShift)][Int(slot & UInt32(Slab.chunkElements - 1))] & 0xff_ffff
    }

    /// The element an event is for, or nil when the slot has been retired since.
    @inlinable
    package func element(for token: Token) -> UnsafeMutablePointer<Element>? {
        guard Int(token.slot >> Slab.chunkShift) < chunkCount, generation(of: token.slot) == token.generation else {
            return nil
        }
        return unsafe self[token.slot]
    }

    /// Ends a slot's life: tokens made for it are stale from now on.
    @inlinable
    package mutating func retire(_ slot: UInt32) {
        bumpGeneration(of: slot)
        precondition(retiredCount < chunkCount * Slab.chunkElements, "slots are retired twice")
        unsafe retired[retiredCount] = slot
        retiredCount += 1
        count -= 1
    }

    /// Odd while a slot is in use.
    @inlinable
    func bumpGeneration(of slot: UInt32) {
        unsafe generations[Int(slot >> Slab.chunkShift)][Int(slot & UInt32(Slab.chunkElements - 1))] &+= 1
    }

    /// All slots that were ever used lie below this number.
    package var slotLimit: UInt32 { UInt32(chunkCount * Slab.chunkElements) }

    /// The element of a slot below `slotLimit`, or nil when the slot is not in use: for walking over all.
    @inlinable
    package func occupied(_ slot: UInt32) -> UnsafeMutablePointer<Element>? {
        generation(of: slot) & 1 == 1 ? unsafe self[slot] : nil
    }

    /// At the end of a turn: retired slots may be given out again.
    @inlinable
    package mutating func reclaim() {
        if retiredCount > 0 { reclaimRetired() }
    }

    @usableFromInline
    mutating func reclaimRetired() {
        while retiredCount > 0 {
            retiredCount -= 1
            unsafe free[freeCount] = retired[retiredCount]
            freeCount += 1
        }
    }
}
