import CLinux
import COpenSSL
import Glibc
import Synchronization

/// Where OpenSSL's memory comes from: on threads that have a heap of their own its small pieces come from there, and all
/// others from `malloc`.
///
/// A full handshake takes and gives back some 750 small pieces, and a fifteenth of its CPU was spent in `malloc` and `free`.
package enum CryptoMemory {
    /// Threads that can have a heap.
    package static let heapsMax = 64
    /// Address space of one heap: the small pieces of some fifty thousand connections. What comes on top is `malloc`'s.
    static let heapBytes = 512 * 1024 * 1024

    /// Where the heaps' address space begins; set once, by `isInstalled`.
    fileprivate nonisolated(unsafe) static var base: UInt = 0
    fileprivate static let bytes = UInt(heapsMax * heapBytes)
    /// By number. Each is set once, before the first of its pieces is there.
    fileprivate nonisolated(unsafe) static var heaps: UnsafeMutablePointer<UnsafeMutablePointer<PieceHeap>?>?

    private static let begun = Atomic(0)

    /// Has OpenSSL use this memory in the whole process, when it is first asked, which must be before anything else of OpenSSL.
    ///
    /// false: it was too late for that, or the kernel has no such address space for us. Then all of it stays `malloc`'s.
    package static let isInstalled: Bool = {
        let region = unsafe mmap(
            nil, heapsMax * heapBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let region = unsafe region, unsafe region != MAP_FAILED else { return false }
        let table = UnsafeMutablePointer<UnsafeMutablePointer<PieceHeap>?>.allocate(capacity: heapsMax)
        unsafe table.initialize(repeating: nil, count: heapsMax)
        unsafe base = UInt(bitPattern: region)
        unsafe heaps = unsafe table
        if unsafe CRYPTO_set_mem_functions(take, move, give) == 1 { return true }
        unsafe munmap(region, heapsMax * heapBytes)
        unsafe table.deallocate()
        unsafe heaps = nil
        return false
    }()

    /// Gives this thread a heap, for as long as the process lives, if there is still one.
    package static func beginHeap() {
        guard isInstalled, let table = unsafe heaps else { return }
        let number = begun.add(1, ordering: .relaxed).oldValue
        guard number < heapsMax,
            let region = unsafe UnsafeMutableRawPointer(bitPattern: base + UInt(number * heapBytes)),
            let heap = unsafe PieceHeap(region: region, spansMax: heapBytes / PieceHeap.spanBytes)
        else { return }
        let place = UnsafeMutablePointer<PieceHeap>.allocate(capacity: 1)
        unsafe place.initialize(to: heap)
        unsafe table[number] = unsafe place
        unsafe clinux_set_thread_memory(place)
    }

    fileprivate static var ofThread: UnsafeMutablePointer<PieceHeap>? {
        unsafe clinux_thread_memory()?.assumingMemoryBound(to: PieceHeap.self)
    }

    /// The heap that a piece came from; nil for `malloc`'s.
    fileprivate static func owner(of piece: UnsafeMutableRawPointer) -> UnsafeMutablePointer<PieceHeap>? {
        let offset = unsafe UInt(bitPattern: piece) &- base
        return offset < bytes ? unsafe heaps![Int(offset) / heapBytes] : nil
    }
}

// What OpenSSL calls, with the place in its source, which nobody asks for.

private func take(_ count: Int, _ file: UnsafePointer<CChar>?, _ line: CInt) -> UnsafeMutableRawPointer? {
    if let heap = unsafe CryptoMemory.ofThread, let piece = unsafe heap.pointee.take(count) { return unsafe piece }
    return count > 0 ? unsafe malloc(count) : nil
}

private func give(_ piece: UnsafeMutableRawPointer?, _ file: UnsafePointer<CChar>?, _ line: CInt) {
    guard let piece = unsafe piece else { return }
    guard let owner = unsafe CryptoMemory.owner(of: piece) else {
        unsafe free(piece)
        return
    }
    if unsafe owner == CryptoMemory.ofThread {
        unsafe owner.pointee.give(piece)
    } else {
        unsafe owner.pointee.giveStray(piece)
    }
}

private func move(
    _ piece: UnsafeMutableRawPointer?, _ count: Int, _ file: UnsafePointer<CChar>?, _ line: CInt
) -> UnsafeMutableRawPointer? {
    guard let piece = unsafe piece else { return unsafe take(count, file, line) }
    guard count > 0 else {
        unsafe give(piece, file, line)
        return nil
    }
    guard let owner = unsafe CryptoMemory.owner(of: piece) else { return unsafe realloc(piece, count) }
    let room = unsafe owner.pointee.room(of: piece)
    if count <= room { return unsafe piece }
    guard let larger = unsafe take(count, file, line) else { return nil }
    unsafe memcpy(larger, piece, room)
    unsafe give(piece, file, line)
    return unsafe larger
}
