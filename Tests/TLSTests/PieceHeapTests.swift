import EventLoop
import Glibc
import Synchronization
import Testing

@testable import TLS

@Suite("Heaps of small pieces")
final class PieceHeapTests {
    private static let spansMax = 80

    private let region: UnsafeMutableRawPointer
    private let heap = UnsafeMutablePointer<PieceHeap>.allocate(capacity: 1)

    init() {
        let bytes = PieceHeapTests.spansMax * PieceHeap.spanBytes
        region = mmap(nil, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let empty = PieceHeap(region: region, spansMax: PieceHeapTests.spansMax) else { fatalError("no memory") }
        heap.initialize(to: empty)
    }

    deinit {
        heap.deinitialize(count: 1)
        heap.deallocate()
        munmap(region, PieceHeapTests.spansMax * PieceHeap.spanBytes)
    }

    private func take(_ count: Int) throws -> UnsafeMutableRawPointer {
        let piece = heap.pointee.take(count)
        return try #require(piece)
    }

    /// As many as there are.
    private func takeAll(_ count: Int) -> [UnsafeMutableRawPointer] {
        var pieces: [UnsafeMutableRawPointer] = []
        while let piece = heap.pointee.take(count) { pieces.append(piece) }
        return pieces
    }

    @Test("pieces are aligned, don't overlap, have room for what was asked and keep what is written")
    func pieces() throws {
        let counts = [1, 8, 15, 16, 17, 31, 32, 33, 240, 241, PieceHeap.pieceBytesMax - 1, PieceHeap.pieceBytesMax]
        for _ in 0..<3 {
            var pieces: [(UnsafeMutableRawPointer, Int)] = []
            // More than a span has of the large ones.
            for _ in 0..<200 { for count in counts { pieces.append((try take(count), count)) } }
            for (index, piece) in pieces.enumerated() {
                #expect(UInt(bitPattern: piece.0) % 16 == 0)
                #expect(heap.pointee.room(of: piece.0) == (piece.1 + 15) / 16 * 16)
                memset(piece.0, Int32(index % 251 + 1), piece.1)
            }
            for (index, piece) in pieces.enumerated() {
                let bytes = UnsafeRawBufferPointer(start: piece.0, count: piece.1)
                #expect(bytes.allSatisfy { $0 == UInt8(index % 251 + 1) })
            }
            // Neither in the order in which they were taken nor in the opposite one.
            for (piece, _) in pieces.shuffled() { heap.pointee.give(piece) }
        }
    }

    @Test("nothing, and more than a piece's most bytes, are none of its business")
    func bounds() throws {
        for count in [0, PieceHeap.pieceBytesMax + 1, .max, -1] {
            let piece = heap.pointee.take(count)
            #expect(piece == nil, "\(count)")
        }
        _ = try take(PieceHeap.pieceBytesMax)
    }

    @Test("what is given back is taken next")
    func reuse() throws {
        let (first, second) = (try take(200), try take(200))
        heap.pointee.give(first)
        heap.pointee.give(second)
        #expect(try take(193) == second)
        #expect(try take(208) == first)
    }

    @Test("a used up region gives no piece, and gives them again when some come back")
    func usedUp() throws {
        let pieces = takeAll(64)
        #expect(pieces.count == PieceHeapTests.spansMax * PieceHeap.spanBytes / 64)
        #expect(Set(pieces).count == pieces.count)
        #expect(takeAll(500).isEmpty)
        heap.pointee.give(pieces[7])
        #expect(takeAll(64) == [pieces[7]])
    }

    @Test("a span without a piece in use serves another size")
    func otherSize() throws {
        for piece in takeAll(64) { heap.pointee.give(piece) }
        // All but the one that such pieces are still taken from.
        #expect(heap.pointee.servingCount == 1)
        #expect(takeAll(1024).count == (PieceHeapTests.spansMax - 1) * PieceHeap.spanBytes / 1024)
        #expect(heap.pointee.emptyCount == 0)
    }

    @Test("no more empty spans than are allowed keep their memory")
    func emptySpans() throws {
        let pieces = takeAll(1024)
        for piece in pieces { memset(piece, 1, 1024) }
        #expect(residentSpans() == PieceHeapTests.spansMax)
        // Back to where the last span's turn comes: it stays the current one.
        for piece in pieces { heap.pointee.give(piece) }
        #expect(heap.pointee.emptyCount == PieceHeap.emptySpansMax)
        #expect(residentSpans() == PieceHeap.emptySpansMax + 1)
        #expect(takeAll(1024).count == pieces.count)
    }

    private func residentSpans() -> Int {
        let pages = PieceHeap.spanBytes / 4096
        var resident = [UInt8](repeating: 0, count: PieceHeapTests.spansMax * pages)
        #expect(mincore(region, PieceHeapTests.spansMax * PieceHeap.spanBytes, &resident) == 0)
        return (0..<PieceHeapTests.spansMax).count { span in
            resident[span * pages..<(span + 1) * pages].contains { $0 & 1 == 1 }
        }
    }

    @Test("pieces that other threads give back come into use again")
    func strays() throws {
        let pieces = takeAll(1024)
        let addresses = pieces.map { UInt(bitPattern: $0) }
        nonisolated(unsafe) let shared = heap
        let threads = 4
        let ended = Ended()
        for number in 0..<threads {
            Thread.start("stray-\(number)") {
                for index in stride(from: number, to: addresses.count, by: threads) {
                    shared.pointee.giveStray(UnsafeMutableRawPointer(bitPattern: addresses[index])!)
                }
                ended.count.add(1, ordering: .releasing)
            }
        }
        // Meanwhile its own thread goes on.
        var again: [UnsafeMutableRawPointer] = []
        while ended.count.load(ordering: .acquiring) < threads { again += takeAll(1024) }
        again += takeAll(1024)
        #expect(Set(again).count == again.count)
        #expect(Set(again) == Set(pieces))
    }

    private final class Ended: Sendable {
        let count = Atomic(0)
    }
}
