import CLinux
import Glibc
import Synchronization

/// Records from one worker to the writer thread: one producer, one consumer, fixed memory, no lock, no waiting.
///
/// Positions only grow; a position modulo the capacity is an offset. A record is an 8-byte header (its length) and its
/// bytes, padded to 8, never broken at the end of the memory: where it would be, a header that says "skip" fills the rest.
///
/// A handle: the memory belongs to an `AccessLog`, which outlives every use.
@safe
package struct LogRing: @unchecked Sendable {
    // Unchecked: `append` is called by one thread only, `read` by another one; what both use is atomic.

    private static let headerBytes = 8
    private static let skip = UInt32.max

    /// What the two sides share. Each side's words lie on cache lines of their own (128 bytes: pairs are prefetched).
    struct Control: ~Copyable {
        /// Where the producer writes next.
        let tail = Atomic<UInt64>(0)
        /// The producer's own copies, and its count of records that found no room.
        var ownTail: UInt64 = 0
        var seenHead: UInt64 = 0
        var reserved: UInt64 = 0
        let dropped = Atomic<UInt64>(0)
        private var gap = InlineArray<16, UInt64>(repeating: 0)
        /// Where the consumer reads next.
        let head = Atomic<UInt64>(0)
    }

    private let control: UnsafeMutablePointer<Control>
    private let memory: UnsafeMutableRawPointer
    private let capacity: Int
    private let bell: UnsafeMutablePointer<WriterBell>

    /// - Parameters:
    ///   - capacity: Bytes; a power of two, at least four times the largest record.
    ///   - bell: Wakes the consumer; must outlive the ring.
    init(capacity: Int, bell: UnsafeMutablePointer<WriterBell>) {
        precondition(capacity & (capacity - 1) == 0 && capacity >= 4096, "a ring of \(capacity) bytes")
        // Pages are taken from the kernel when they are first written.
        let mapped = unsafe mmap(nil, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
            preconditionFailure("mmap of a log ring: \(errno)")
        }
        unsafe memory = unsafe mapped
        self.capacity = capacity
        unsafe self.bell = unsafe bell
        unsafe control = .allocate(capacity: 1)
        unsafe control.initialize(to: Control())
    }

    /// Frees the memory; the ring must not be used afterwards.
    func destroy() {
        unsafe munmap(memory, capacity)
        unsafe control.deinitialize(count: 1)
        unsafe control.deallocate()
    }

    /// Records that found no room.
    package var dropped: UInt64 { unsafe control.pointee.dropped.load(ordering: .relaxed) }

    // MARK: the producer

    /// Room for a record of so many bytes; `commit` must follow. By the producer only.
    ///
    /// - Returns: nil when there is none; the record counts as dropped.
    func reserve(_ count: Int) -> UnsafeMutableRawPointer? {
        let needed = LogRing.headerBytes + (count + 7) & ~7
        let tail = unsafe control.pointee.ownTail
        let offset = Int(truncatingIfNeeded: tail) & (capacity - 1)
        let contiguous = capacity - offset
        let total = needed <= contiguous ? needed : contiguous + needed
        if unsafe Int(tail &- control.pointee.seenHead) + total > capacity {
            unsafe control.pointee.seenHead = control.pointee.head.load(ordering: .acquiring)
            guard unsafe Int(tail &- control.pointee.seenHead) + total <= capacity else {
                unsafe _ = control.pointee.dropped.add(1, ordering: .relaxed)
                unsafe bell.pointee.ringIfResting()
                return nil
            }
        }
        var start = offset
        if total > needed {
            unsafe (memory + offset).storeBytes(of: LogRing.skip, as: UInt32.self)
            start = 0
        }
        unsafe (memory + start).storeBytes(of: UInt32(truncatingIfNeeded: count), as: UInt32.self)
        unsafe control.pointee.reserved = tail &+ UInt64(total)
        return unsafe memory + start + LogRing.headerBytes
    }

    /// Shows the reserved record to the consumer, and wakes it when it sleeps, or naps while the ring fills.
    func commit() {
        let tail = unsafe control.pointee.reserved
        unsafe control.pointee.ownTail = tail
        // With the consumer's store of its state and its look at the tail this is Dekker's pattern: one of the two sees
        // the other, so no record waits for a consumer that sleeps for ever.
        unsafe control.pointee.tail.store(tail, ordering: .sequentiallyConsistent)
        switch unsafe bell.pointee.state.load(ordering: .sequentiallyConsistent) {
        case WriterBell.asleep: unsafe bell.pointee.ringIfResting()
        case WriterBell.napping:
            guard unsafe Int(tail &- control.pointee.seenHead) > capacity / 2 else { return }
            unsafe control.pointee.seenHead = control.pointee.head.load(ordering: .acquiring)
            if unsafe Int(tail &- control.pointee.seenHead) > capacity / 2 { unsafe bell.pointee.ringIfResting() }
        default: break
        }
    }

    // MARK: the consumer

    /// The position behind the last record.
    var tail: UInt64 { unsafe control.pointee.tail.load(ordering: .sequentiallyConsistent) }

    /// The position of the first record that isn't read.
    var head: UInt64 { unsafe control.pointee.head.load(ordering: .relaxed) }

    /// Gives records to `body` until there is none or it answers false (that record stays). By the consumer only.
    ///
    /// - Returns: Records taken.
    func read(_ body: (UnsafeRawBufferPointer) -> Bool) -> Int {
        let tail = unsafe control.pointee.tail.load(ordering: .acquiring)
        var head = unsafe control.pointee.head.load(ordering: .relaxed)
        var taken = 0
        while head != tail {
            let offset = Int(truncatingIfNeeded: head) & (capacity - 1)
            let count = unsafe (memory + offset).load(as: UInt32.self)
            guard count != LogRing.skip else {
                head &+= UInt64(capacity - offset)
                continue
            }
            precondition(Int(count) <= capacity - offset - LogRing.headerBytes, "a record of \(count) bytes")
            let bytes = unsafe UnsafeRawBufferPointer(
                start: memory + offset + LogRing.headerBytes, count: Int(count))
            guard unsafe body(bytes) else { break }
            head &+= UInt64(LogRing.headerBytes + (Int(count) + 7) & ~7)
            taken += 1
        }
        unsafe control.pointee.head.store(head, ordering: .releasing)
        return taken
    }
}

/// How producers wake the writer thread: one eventfd, written only when the writer rests.
struct WriterBell: ~Copyable {
    /// The writer looks at the rings.
    static let awake: UInt8 = 0
    /// The writer gathers for a moment: only a ring that is half full wakes it.
    static let napping: UInt8 = 1
    /// The writer waits for the first record.
    static let asleep: UInt8 = 2

    let state = Atomic<UInt8>(awake)
    let descriptor: CInt

    init() {
        descriptor = eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK))
        precondition(descriptor >= 0, "eventfd: \(errno)")
    }

    deinit { close(descriptor) }

    /// Only the first of several producers writes.
    func ringIfResting() {
        guard state.load(ordering: .relaxed) != WriterBell.awake,
            state.exchange(WriterBell.awake, ordering: .acquiringAndReleasing) != WriterBell.awake
        else { return }
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, 8)
    }
}
