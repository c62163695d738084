import CNGHTTP2
import Glibc

/// Where the library's small pieces of memory come from (a stream has four: itself, its frames and their fields): those that
/// are given back wait for the next stream. One for all sessions of a worker.
///
///     block:  class │ bytes that the library has
///
/// Pieces of more than `bytesMax` are `malloc`'s own.
@safe
struct SessionMemory: BitwiseCopyable {
    /// A multiple of what `malloc` aligns to, so that what follows the head is aligned as well.
    private static let headBytes = 16
    private static let stepBytes = 64
    private static let classes = 16
    /// Of one piece, without its head.
    static let bytesMax = classes * stepBytes - headBytes
    /// Bytes that wait at most: those of some thousand streams.
    static let retainedBytesMax = 1024 * 1024
    /// The class of a piece that is `malloc`'s own.
    private static let foreign = 0

    /// The first free block of each class, which holds the address of the next one in place of its bytes.
    private let lists: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private(set) var retainedBytes = 0

    init() {
        unsafe lists = .allocate(capacity: SessionMemory.classes + 1)
        unsafe lists.initialize(repeating: nil, count: SessionMemory.classes + 1)
    }

    func deallocate() {
        for number in 1...SessionMemory.classes {
            while let block = unsafe lists[number] {
                unsafe lists[number] = unsafe next(block).pointee
                unsafe Glibc.free(block)
            }
        }
        unsafe lists.deallocate()
    }

    private func next(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UnsafeMutableRawPointer?> {
        unsafe (block + SessionMemory.headBytes).assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    }

    mutating func take(_ count: Int) -> UnsafeMutableRawPointer? {
        guard count <= SessionMemory.bytesMax else {
            guard count <= Int.max - SessionMemory.headBytes,
                let block = unsafe Glibc.malloc(count + SessionMemory.headBytes)
            else { return nil }
            unsafe block.storeBytes(of: SessionMemory.foreign, as: Int.self)
            return unsafe block + SessionMemory.headBytes
        }
        let number = (count + SessionMemory.headBytes + SessionMemory.stepBytes - 1) / SessionMemory.stepBytes
        if let block = unsafe lists[number] {
            unsafe lists[number] = unsafe next(block).pointee
            retainedBytes -= number * SessionMemory.stepBytes
            return unsafe block + SessionMemory.headBytes
        }
        guard let block = unsafe Glibc.malloc(number * SessionMemory.stepBytes) else { return nil }
        unsafe block.storeBytes(of: number, as: Int.self)
        return unsafe block + SessionMemory.headBytes
    }

    mutating func give(_ bytes: UnsafeMutableRawPointer?) {
        guard let bytes = unsafe bytes else { return }
        let block = unsafe bytes - SessionMemory.headBytes
        let number = unsafe block.load(as: Int.self)
        let count = number * SessionMemory.stepBytes
        guard number != SessionMemory.foreign, retainedBytes + count <= SessionMemory.retainedBytesMax else {
            unsafe Glibc.free(block)
            return
        }
        unsafe next(block).pointee = unsafe lists[number]
        unsafe lists[number] = unsafe block
        retainedBytes += count
    }

    /// Bytes that a piece has room for without being moved.
    private static func room(of bytes: UnsafeMutableRawPointer) -> Int {
        let number = unsafe (bytes - headBytes).load(as: Int.self)
        return number == foreign ? 0 : number * stepBytes - headBytes
    }

    /// A larger place, or a smaller one, for what a piece holds.
    mutating func move(_ bytes: UnsafeMutableRawPointer?, _ count: Int) -> UnsafeMutableRawPointer? {
        guard let bytes = unsafe bytes else { return unsafe take(count) }
        let room = unsafe SessionMemory.room(of: bytes)
        if room > 0 {
            guard count > room else { return unsafe bytes }
            guard let larger = unsafe take(count) else { return nil }
            unsafe memcpy(larger, bytes, room)
            unsafe give(bytes)
            return unsafe larger
        }
        guard count <= Int.max - SessionMemory.headBytes,
            let block = unsafe Glibc.realloc(bytes - SessionMemory.headBytes, count + SessionMemory.headBytes)
        else { return nil }
        return unsafe block + SessionMemory.headBytes
    }
}

private func memory(_ user: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<SessionMemory> {
    unsafe user!.assumingMemoryBound(to: SessionMemory.self)
}

extension SessionMemory {
    /// The library's view of the memory at `user`.
    static func functions(_ user: UnsafeMutablePointer<SessionMemory>) -> nghttp2_mem {
        unsafe nghttp2_mem(
            mem_user_data: user,
            malloc: { count, user in unsafe memory(user).pointee.take(count) },
            free: { bytes, user in unsafe memory(user).pointee.give(bytes) },
            calloc: { number, size, user in
                let (count, isTooLarge) = number.multipliedReportingOverflow(by: size)
                guard !isTooLarge, let bytes = unsafe memory(user).pointee.take(count) else { return nil }
                return unsafe memset(bytes, 0, count)
            },
            realloc: { bytes, count, user in unsafe memory(user).pointee.move(bytes, count) })
    }
}
