import CNGHTTP2
import Glibc
import Testing

@testable import HTTP2

/// Through the functions that the library gets.
@Suite("Memory of sessions")
final class SessionMemoryTests {
    private let memory = UnsafeMutablePointer<SessionMemory>.allocate(capacity: 1)
    private let functions: nghttp2_mem

    init() {
        memory.initialize(to: SessionMemory())
        functions = SessionMemory.functions(memory)
    }

    deinit {
        memory.pointee.deallocate()
        memory.deallocate()
    }

    private func take(_ count: Int) -> UnsafeMutableRawPointer { functions.malloc(count, memory)! }
    private func give(_ bytes: UnsafeMutableRawPointer?) { functions.free(bytes, memory) }

    @Test("pieces are aligned, don't overlap and keep what is written", arguments: 1...3)
    func pieces(round: Int) {
        let counts = [
            0, 1, 47, 48, 49, 112, 113, SessionMemory.bytesMax - 1, SessionMemory.bytesMax,
            SessionMemory.bytesMax + 1, 70_000,
        ]
        for _ in 0..<round {
            var pieces: [(UnsafeMutableRawPointer, Int)] = []
            for count in counts + counts { pieces.append((take(count), count)) }
            for (index, piece) in pieces.enumerated() {
                #expect(UInt(bitPattern: piece.0) % 16 == 0)
                memset(piece.0, Int32(index + 1), piece.1)
            }
            for (index, piece) in pieces.enumerated() {
                let bytes = UnsafeRawBufferPointer(start: piece.0, count: piece.1)
                #expect(bytes.allSatisfy { $0 == UInt8(index + 1) })
                give(piece.0)
            }
        }
    }

    @Test("what is given back is taken next")
    func reuse() {
        let first = take(200)
        give(first)
        #expect(memory.pointee.retainedBytes > 0)
        #expect(take(190) == first)
        #expect(memory.pointee.retainedBytes == 0)
        give(first)
        give(nil)
    }

    @Test("zeroed pieces are zero, also when they were used before")
    func zeroed() {
        let used = take(300)
        memset(used, 7, 300)
        give(used)
        let zeroed = functions.calloc(3, 100, memory)!
        #expect(zeroed == used)
        #expect(UnsafeRawBufferPointer(start: zeroed, count: 300).allSatisfy { $0 == 0 })
        give(zeroed)
        #expect(functions.calloc(.max, 2, memory) == nil)
        #expect(functions.malloc(.max, memory) == nil)
    }

    @Test(
        "a piece that grows or shrinks keeps its bytes",
        arguments: [(1, 40), (40, 300), (300, 5_000), (5_000, 90_000), (90_000, 100), (300, 20)])
    func moved(from: Int, to: Int) {
        let old = functions.realloc(nil, from, memory)!
        for index in 0..<from {
            old.storeBytes(of: UInt8(truncatingIfNeeded: index), toByteOffset: index, as: UInt8.self)
        }
        let new = functions.realloc(old, to, memory)!
        for index in 0..<min(from, to) {
            #expect(new.load(fromByteOffset: index, as: UInt8.self) == UInt8(truncatingIfNeeded: index))
        }
        give(new)
        #expect(functions.realloc(take(100), .max, memory) == nil)
    }

    @Test("no more waits than is allowed")
    func bound() {
        let pieces = (0..<2 * SessionMemory.retainedBytesMax / 1024).map { _ in take(SessionMemory.bytesMax) }
        for piece in pieces { give(piece) }
        #expect(memory.pointee.retainedBytes == SessionMemory.retainedBytesMax)
    }
}
