import Glibc

/// Received or unsent bytes in one block of a `BufferPool`: a plain value, owned by one connection.
///
///     base ─── start ▓▓▓▓ bytes ▓▓▓▓ end ─── capacity
// `@usableFromInline`: without it the compiler calls `@inlinable package` members across modules, measured.
@safe @usableFromInline
package struct Buffer: BitwiseCopyable {
    /// nil: no block is held.
    @usableFromInline package var base: UnsafeMutablePointer<UInt8>?
    @usableFromInline package var start: Int
    @usableFromInline package var end: Int

    @inlinable
    package init() {
        unsafe base = nil
        start = 0
        end = 0
    }

    @inlinable package var isHeld: Bool { unsafe base != nil }
    @inlinable package var count: Int { end - start }
    @inlinable package var isEmpty: Bool { start == end }
    /// Bytes that fit behind `end`.
    @inlinable package var room: Int { unsafe base == nil ? 0 : BufferPool.blockBytes - end }
    @inlinable package var bytes: UnsafeMutablePointer<UInt8> { unsafe base! + start }
    @inlinable package var tail: UnsafeMutablePointer<UInt8> { unsafe base! + end }

    /// Takes bytes off the front.
    @inlinable
    package mutating func consume(_ count: Int) {
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Moves the bytes to the front of the block.
    package mutating func compact() {
        guard start > 0 else { return }
        unsafe memmove(base!, base! + start, count)
        end = count
        start = 0
    }

    /// Appends bytes; the caller has checked `room`.
    @inlinable
    package mutating func append(_ source: UnsafePointer<UInt8>, count: Int) {
        precondition(count <= room, "append beyond the block")
        unsafe tail.initialize(from: source, count: count)
        end += count
    }
}

/// Blocks of memory for buffers of one worker. An idle connection holds none.
@safe @usableFromInline
package struct BufferPool: ~Copyable {
    /// Bytes of one block: what one read of a bulk transfer takes, and room for the largest head.
    @inlinable package static var blockBytes: Int { 64 * 1024 }
    /// Free blocks that are always kept (16 MiB if all were ever full; small messages touch a page each). More are kept
    /// while about as many are in use at times: below the number of requests under way, each of them would pay for
    /// mapping and zeroing. Others go back to the kernel.
    package static let retainedMin = 256
    package static let retainedMax = 1024
    /// Blocks given out between two steps in which the memory of the most that were in use fades.
    package static let fadingFills = 65_536

    /// The free blocks: a stack with room for `retainedMax`.
    private let free: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>
    /// Free blocks.
    package private(set) var retained = 0
    /// Blocks given out.
    package private(set) var used = 0
    /// Free blocks are kept up to this many: as many as were in use at once not long ago.
    private var retainedNow = BufferPool.retainedMin
    private var fills = 0
    /// Blocks given out at most. Lowered below `used`, it takes none back.
    package var blocksMax: Int

    package init(blocksMax: Int) {
        self.blocksMax = blocksMax
        unsafe free = .allocate(capacity: BufferPool.retainedMax)
    }

    deinit {
        for index in 0..<retained { unsafe munmap(free[index], BufferPool.blockBytes) }
        unsafe free.deallocate()
    }

    /// Gives an empty buffer its block.
    ///
    /// - Returns: Whether there is one; not when `blocksMax` are in use or the kernel has no memory.
    package mutating func fill(_ buffer: inout Buffer) -> Bool {
        precondition(!buffer.isHeld, "the buffer has a block")
        if retained > 0 {
            retained -= 1
            unsafe buffer.base = free[retained]
        } else {
            guard used < blocksMax else { return false }
            let memory = unsafe mmap(
                nil, BufferPool.blockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard let memory = unsafe memory, unsafe memory != MAP_FAILED else { return false }
            unsafe buffer.base = memory.assumingMemoryBound(to: UInt8.self)
        }
        buffer.start = 0
        buffer.end = 0
        used += 1
        fills += 1
        if used > retainedNow || fills == BufferPool.fadingFills { adjustRetained() }
        return true
    }

    private mutating func adjustRetained() {
        if fills >= BufferPool.fadingFills {
            fills = 0
            retainedNow -= (retainedNow - BufferPool.retainedMin + 1) / 2
        }
        if used > retainedNow { retainedNow = min(used, BufferPool.retainedMax) }
    }

    /// Takes the block of a buffer back, whatever is in it.
    @inlinable
    package mutating func empty(_ buffer: inout Buffer) {
        if buffer.isHeld { takeBack(&buffer) }
    }

    @usableFromInline
    mutating func takeBack(_ buffer: inout Buffer) {
        let block = unsafe buffer.base!
        used -= 1
        // No more than `retainedMax`, see `adjustRetained`.
        if retained < retainedNow {
            unsafe free[retained] = unsafe block
            retained += 1
        } else {
            unsafe munmap(block, BufferPool.blockBytes)
        }
        buffer = Buffer()
    }
}
