import Glibc
import Synchronization

/// Small pieces of memory for one thread, from spans that hold pieces of one size each.
///
///     region:  span │ span │ span │ …      all that there can ever be: at first addresses only
///     span:    piece │ piece │ … │ never used
///
/// A piece has no head, so it costs its bytes, rounded up, and a span's pieces lie side by side; what is given back is given
/// out next. A span without a piece in use serves any size, and beyond `emptySpansMax` of them the kernel gets the memory.
///
/// Only its thread takes pieces. Others may give them back: those wait until the heap needs a span.
@safe
package struct PieceHeap: ~Copyable {
    package static var spanBytes: Int { 64 * 1024 }
    /// Sizes are multiples of it, as is where pieces lie: what `malloc` promises, too.
    package static var stepBytes: Int { 16 }
    /// Larger ones are none of its business.
    package static var pieceBytesMax: Int { 1024 }
    /// Spans that keep their memory with no piece in use: 4 MiB.
    package static var emptySpansMax: Int { 64 }

    private static var sizes: Int { pieceBytesMax / stepBytes }

    /// What is known of a span. It isn't in the span: 64 KiB apart, all of them would share a few lines of the cache.
    @safe
    private struct Span: BitwiseCopyable {
        /// The first piece that was given back: each holds the address of the next one in place of its bytes.
        var free: UnsafeMutableRawPointer?
        /// The first one that was never given out, if it lies before `end`.
        var fresh: UnsafeMutableRawPointer?
        var end: UnsafeMutableRawPointer?
        var next: UnsafeMutablePointer<Span>?
        var previous: UnsafeMutablePointer<Span>?
        var used: Int32 = 0
        /// Its pieces' size in steps.
        var size: UInt8 = 0
        /// Pieces of its size are taken from it. Another one is in its size's list, or all of it is in use.
        var isCurrent = false
        var isListed = false

        init() {
            unsafe free = nil
            unsafe fresh = nil
            unsafe end = nil
            unsafe next = nil
            unsafe previous = nil
        }
    }

    private typealias SpanPointer = UnsafeMutablePointer<Span>

    private let base: UnsafeMutableRawPointer
    private let spansMax: Int
    private let spans: UnsafeMutablePointer<Span>
    /// By size in steps: where pieces come from, at first a span without any; and spans that have some besides it.
    private let current: UnsafeMutablePointer<SpanPointer>
    private let listed: UnsafeMutablePointer<SpanPointer?>
    private let noSpan: SpanPointer
    /// Spans that were never used begin here.
    private var begun = 0
    /// Spans of no size, with their memory and without.
    private var empty: SpanPointer?
    private var released: SpanPointer?
    package private(set) var emptyCount = 0
    /// Spans that have pieces in use, or had last.
    package private(set) var servingCount = 0
    /// Pieces that other threads gave back, linked like free ones.
    private let strays = Atomic<UInt>(0)

    /// - Parameters:
    ///   - region: Address space that nothing else uses, of `spansMax` spans (`PROT_NONE`), aligned to a page.
    /// - Returns: nil without memory.
    package init?(region: UnsafeMutableRawPointer, spansMax: Int) {
        let bytes = spansMax * MemoryLayout<Span>.stride
        // Zeroes, and memory only where a span is used.
        let table = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let table = unsafe table, unsafe table != MAP_FAILED else { return nil }
        unsafe base = unsafe region
        self.spansMax = spansMax
        unsafe spans = table.bindMemory(to: Span.self, capacity: spansMax)
        unsafe noSpan = .allocate(capacity: 1)
        unsafe noSpan.initialize(to: Span())
        unsafe current = .allocate(capacity: PieceHeap.sizes + 1)
        unsafe current.initialize(repeating: noSpan, count: PieceHeap.sizes + 1)
        unsafe listed = .allocate(capacity: PieceHeap.sizes + 1)
        unsafe listed.initialize(repeating: nil, count: PieceHeap.sizes + 1)
        unsafe empty = nil
        unsafe released = nil
    }

    deinit {
        unsafe munmap(spans, spansMax * MemoryLayout<Span>.stride)
        unsafe noSpan.deallocate()
        unsafe current.deallocate()
        unsafe listed.deallocate()
    }

    // MARK: pieces

    /// - Parameter count: Bytes.
    /// - Returns: nil for none, for more than `pieceBytesMax`, and when the region or the kernel's memory is used up.
    package mutating func take(_ count: Int) -> UnsafeMutableRawPointer? {
        let size = (count &+ PieceHeap.stepBytes &- 1) / PieceHeap.stepBytes
        guard UInt(bitPattern: size &- 1) < UInt(PieceHeap.sizes) else { return nil }
        let span = unsafe current[size]
        guard let piece = unsafe span.pointee.free else { return unsafe takeFresh(size) }
        unsafe span.pointee.free = unsafe PieceHeap.link(piece).pointee
        unsafe span.pointee.used &+= 1
        return unsafe piece
    }

    /// Takes back a piece of this heap, on its thread.
    package mutating func give(_ piece: UnsafeMutableRawPointer) {
        let span = unsafe span(of: piece)
        unsafe PieceHeap.link(piece).pointee = unsafe span.pointee.free
        unsafe span.pointee.free = unsafe piece
        unsafe span.pointee.used &-= 1
        if unsafe !span.pointee.isCurrent { unsafe noteGiven(span) }
    }

    /// Takes back a piece of this heap, on any other thread.
    package func giveStray(_ piece: UnsafeMutableRawPointer) {
        let address = UInt(bitPattern: piece)
        var first = strays.load(ordering: .relaxed)
        while true {
            unsafe piece.storeBytes(of: first, as: UInt.self)
            let (isDone, seen) = strays.compareExchange(
                expected: first, desired: address, successOrdering: .releasing, failureOrdering: .relaxed)
            if isDone { return }
            first = seen
        }
    }

    /// Bytes that a piece has room for; of a piece in use it can be asked on any thread.
    package func room(of piece: UnsafeMutableRawPointer) -> Int {
        unsafe Int(span(of: piece).pointee.size) * PieceHeap.stepBytes
    }

    private func span(of piece: UnsafeMutableRawPointer) -> SpanPointer {
        unsafe spans + (piece - base) / PieceHeap.spanBytes
    }

    private static func link(_ piece: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UnsafeMutableRawPointer?> {
        unsafe piece.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    }

    // MARK: spans

    @inline(never)
    private mutating func takeFresh(_ size: Int) -> UnsafeMutableRawPointer? {
        if unsafe current[size].pointee.fresh == current[size].pointee.end {
            collectStrays()
            if unsafe current[size].pointee.free == nil, !change(size) { return nil }
            if unsafe current[size].pointee.free != nil { return unsafe take(size * PieceHeap.stepBytes) }
        }
        let span = unsafe current[size]
        let piece = unsafe span.pointee.fresh!
        unsafe span.pointee.fresh = unsafe piece + size * PieceHeap.stepBytes
        unsafe span.pointee.used &+= 1
        return unsafe piece
    }

    /// All of a size's current span is in use: makes one the current that has pieces.
    private mutating func change(_ size: Int) -> Bool {
        let span: SpanPointer
        if let first = unsafe listed[size] {
            unsafe unlist(first)
            unsafe span = unsafe first
        } else if let other = unsafe emptySpan() {
            let start = unsafe base + (other - spans) * PieceHeap.spanBytes
            let bytes = size * PieceHeap.stepBytes
            unsafe other.pointee = Span()
            unsafe other.pointee.size = UInt8(size)
            unsafe other.pointee.fresh = unsafe start
            unsafe other.pointee.end = unsafe start + PieceHeap.spanBytes / bytes * bytes
            servingCount += 1
            unsafe span = unsafe other
        } else {
            return false
        }
        unsafe current[size].pointee.isCurrent = false
        unsafe span.pointee.isCurrent = true
        unsafe current[size] = unsafe span
        return true
    }

    /// A span of no size, with memory.
    private mutating func emptySpan() -> SpanPointer? {
        if let span = unsafe empty {
            unsafe empty = unsafe span.pointee.next
            emptyCount -= 1
            return unsafe span
        }
        if let span = unsafe released {
            unsafe released = unsafe span.pointee.next
            return unsafe span
        }
        guard begun < spansMax,
            unsafe mprotect(base + begun * PieceHeap.spanBytes, PieceHeap.spanBytes, PROT_READ | PROT_WRITE) == 0
        else { return nil }
        begun += 1
        return unsafe spans + (begun - 1)
    }

    /// A span that isn't its size's current one has got a piece back.
    @inline(never)
    private mutating func noteGiven(_ span: SpanPointer) {
        if unsafe span.pointee.used > 0 {
            if unsafe !span.pointee.isListed { unsafe list(span) }
            return
        }
        if unsafe span.pointee.isListed { unsafe unlist(span) }
        servingCount -= 1
        if emptyCount < PieceHeap.emptySpansMax {
            unsafe span.pointee.next = unsafe empty
            unsafe empty = unsafe span
            emptyCount += 1
        } else {
            unsafe madvise(base + (span - spans) * PieceHeap.spanBytes, PieceHeap.spanBytes, MADV_DONTNEED)
            unsafe span.pointee.next = unsafe released
            unsafe released = unsafe span
        }
    }

    private func list(_ span: SpanPointer) {
        let size = unsafe Int(span.pointee.size)
        unsafe span.pointee.isListed = true
        unsafe span.pointee.previous = nil
        unsafe span.pointee.next = unsafe listed[size]
        if let next = unsafe span.pointee.next { unsafe next.pointee.previous = unsafe span }
        unsafe listed[size] = unsafe span
    }

    private func unlist(_ span: SpanPointer) {
        unsafe span.pointee.isListed = false
        if let previous = unsafe span.pointee.previous {
            unsafe previous.pointee.next = unsafe span.pointee.next
        } else {
            unsafe listed[Int(span.pointee.size)] = unsafe span.pointee.next
        }
        if let next = unsafe span.pointee.next { unsafe next.pointee.previous = unsafe span.pointee.previous }
    }

    private mutating func collectStrays() {
        guard strays.load(ordering: .relaxed) != 0 else { return }
        var next = strays.exchange(0, ordering: .acquiring)
        while let piece = unsafe UnsafeMutableRawPointer(bitPattern: next) {
            next = unsafe piece.load(as: UInt.self)
            unsafe give(piece)
        }
    }
}
