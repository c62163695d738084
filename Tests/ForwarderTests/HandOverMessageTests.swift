import EventLoop
import NodeLink
import Snapshot
import Testing

@Suite("Hand-over message")
struct HandOverMessageTests {
    private func connection(_ number: Int) -> HandedOverConnection {
        HandedOverConnection(
            listener: UInt64(number) &* 0x9E37_79B1_85EB_CA87,
            client: number.isMultiple(of: 2)
                ? IPEndpoint(v4: 0xc000_0201, port: UInt16(number))
                : IPEndpoint(v6High: 0x2001_0db8_0000_0000, low: UInt64(number), port: 65535),
            local: IPEndpoint(v4: 0, port: 80))
    }

    private func message(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xee, count: HandOverMessage.byteCount(of: count))
        bytes.withUnsafeMutableBytes { buffer in
            HandOverMessage.writeHeader(count: count, to: buffer)
            for index in 0..<count { HandOverMessage.write(connection(index), at: index, to: buffer) }
        }
        return bytes
    }

    private func count(_ bytes: [UInt8], descriptors: Int) throws -> Int {
        try bytes.withUnsafeBytes { try HandOverMessage.count($0.bytes, descriptors: descriptors) }
    }

    @Test("what is written is read", arguments: [1, 2, 63, 64])
    func roundTrip(count: Int) throws {
        let bytes = message(count)
        try bytes.withUnsafeBytes { buffer in
            let read = try HandOverMessage.count(buffer.bytes, descriptors: count)
            #expect(read == count)
            for index in 0..<count {
                let found = try HandOverMessage.connection(at: index, in: buffer.bytes)
                #expect(found == connection(index))
            }
        }
    }

    @Test("any shorter or longer message is refused")
    func lengths() {
        let bytes = message(2)
        for length in 0..<bytes.count {
            #expect(throws: WireError.self) { try count(Array(bytes[..<length]), descriptors: 2) }
        }
        #expect(throws: WireError.trailingBytes) { try count(bytes + [0], descriptors: 2) }
    }

    @Test("a count that the descriptors don't bear out is refused", arguments: [0, 1, 3, 64])
    func descriptors(count descriptors: Int) {
        #expect(throws: WireError.invalid("descriptor count")) { try count(message(2), descriptors: descriptors) }
    }

    @Test("another version, no connections, too many, bits that mean nothing")
    func headers() {
        for (index, value) in [(0, UInt8(2)), (1, 0), (1, 65), (2, 1), (7, 1)] {
            var bytes = message(1)
            bytes[index] = value
            #expect(throws: WireError.self) { try count(bytes, descriptors: 1) }
        }
    }

    @Test(
        "an address that is none is refused", arguments: [(52, UInt8(0)), (52, 5), (53, 7), (54, 1), (20, 1), (28, 1)])
    func addresses(offset: Int, value: UInt8) {
        // Families at 52 and 53, reserved at 54, upper half of an IPv4 address at 16…23, beyond its 32 bits at 28.
        var bytes = message(1)
        bytes[offset] = value
        #expect(throws: WireError.self) {
            try bytes.withUnsafeBytes { try HandOverMessage.connection(at: 0, in: $0.bytes) }
        }
    }
}
