import EventLoop
import NodeLink
import Snapshot
import Testing

@Suite("Frames of the node link")
struct FrameTests {
    @Test("what is written is read, alone and in a row")
    func roundTrip() throws {
        var assembler = FrameAssembler()
        for frame in Samples.frames {
            assembler.append(frame.encoded())
            #expect(try assembler.next() == frame)
            #expect(try assembler.next() == nil)
        }
        assembler.append(Samples.frames.flatMap { $0.encoded() })
        for frame in Samples.frames { #expect(try assembler.next() == frame) }
        #expect(try assembler.next() == nil)
    }

    @Test("frames arrive whole whatever the pieces of the stream", arguments: [1, 2, 3, 7, 64, 1000])
    func pieces(length: Int) throws {
        let stream = Samples.frames.flatMap { $0.encoded() }
        var assembler = FrameAssembler()
        var read: [Frame] = []
        for start in stride(from: 0, to: stream.count, by: length) {
            assembler.append(stream[start..<min(start + length, stream.count)])
            while let frame = try assembler.next() { read.append(frame) }
        }
        #expect(read == Samples.frames)
    }

    @Test("a payload cut at any byte is refused", arguments: Samples.frames)
    func truncation(frame: Frame) {
        let payload = frame.encoded().dropFirst(Frame.headerBytes)
        for count in 0..<payload.count {
            #expect(throws: WireError.self, "\(count) bytes") { try Frame(payload: payload.prefix(count)) }
        }
    }

    @Test("bytes after the payload are refused", arguments: Samples.frames)
    func trailingBytes(frame: Frame) {
        let payload = frame.encoded().dropFirst(Frame.headerBytes) + [0]
        #expect(throws: WireError.trailingBytes) { try Frame(payload: payload) }
    }

    @Test("unknown kinds, an empty payload and impossible lengths are refused")
    func refused() {
        for kind in UInt8.min...UInt8.max where !(1...7).contains(kind) && !(64...70).contains(kind) {
            #expect(throws: WireError.invalid("frame kind"), "kind \(kind)") { try Frame(payload: [kind]) }
        }
        #expect(throws: WireError.truncated) { try Frame(payload: []) }
        for length in [0, UInt32(Frame.bytesMax) + 1, .max] {
            var out = WireWriter()
            out.write(length)
            var assembler = FrameAssembler()
            assembler.append(out.bytes)
            #expect(throws: WireError.invalid("frame length"), "\(length)") { try assembler.next() }
        }
        var out = WireWriter()
        out.write(UInt32(Frame.bytesMax))
        var assembler = FrameAssembler()
        assembler.append(out.bytes)
        #expect(throws: Never.self) { try assembler.next() }
    }

    @Test("a node that speaks another protocol version is refused")
    func protocolVersion() {
        var hello = Samples.hello
        hello.protocolVersion += 1
        #expect(throws: WireError.invalid("protocol version \(hello.protocolVersion)")) {
            try Frame(payload: Frame.hello(hello).encoded().dropFirst(Frame.headerBytes))
        }
    }

    @Test("a count that the frame cannot hold is refused before memory is taken")
    func hugeCount() {
        var out = WireWriter()
        out.write(UInt8(65))
        out.write(UInt64(1))
        out.write(UInt32.max)
        #expect(throws: WireError.truncated) { try Frame(payload: out.bytes[...]) }
    }

    /// What is read without an error is written and read again as the same.
    @Test("no mutation traps", arguments: 1...40 as ClosedRange<UInt64>)
    func mutations(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for frame in Samples.frames {
            let payload = Array(frame.encoded().dropFirst(Frame.headerBytes))
            for _ in 0..<20 {
                guard let read = try? Frame(payload: random.mutated(payload)[...]) else { continue }
                let again = try Frame(payload: read.encoded().dropFirst(Frame.headerBytes))
                // A not-a-number in a report equals nothing, itself included: the bytes are compared.
                #expect(again.encoded() == read.encoded(), "seed \(seed)")
            }
        }
    }

    @Test("no stream of random bytes traps", arguments: 1...40 as ClosedRange<UInt64>)
    func randomStreams(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var assembler = FrameAssembler()
        assembler.append((0..<2000).map { _ in UInt8.random(in: 0...40, using: &random) })
        while let frame = try? assembler.next() { _ = frame.encoded() }
    }
}
