import HTTPMessage
import Testing

@testable import HTTP1

/// The scanners against a loop: random bytes at every length up to five vectors and every alignment of one.
@Suite("Scanners")
struct ScannerTests {
    /// Bytes that stop a scan are rare, so that it gets far; the seed is fixed, so a failure repeats.
    private func randomBytes(_ count: Int, from generator: inout SplitMix) -> [UInt8] {
        let edges: [UInt8] = [0x00, 0x08, 0x09, 0x0a, 0x0d, 0x1f, 0x20, 0x21, 0x3a, 0x7e, 0x7f, 0x80, 0xff]
        return (0..<count).map { _ in
            switch generator.next() % 40 {
            case 0: edges[Int(generator.next() % UInt64(edges.count))]
            case 1: UInt8(truncatingIfNeeded: generator.next())
            default: 0x61 + UInt8(generator.next() % 26)
            }
        }
    }

    private func compare(
        _ scan: (Span<UInt8>, Int, Int) -> Int, name: String, stops: (UInt8) -> Bool
    ) {
        var generator = SplitMix(state: 0x5eed)
        let space = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 128)
        defer { space.deallocate() }
        for length in 0...80 {
            for alignment in 0..<16 {
                for _ in 0..<6 {
                    let bytes = randomBytes(length, from: &generator)
                    // What lies around them must not matter: bytes that stop any scan.
                    space.initialize(repeating: 0x0a)
                    for index in 0..<length { space[alignment + index] = bytes[index] }
                    let span = UnsafeBufferPointer(rebasing: space[..<(alignment + length + 1)]).span
                    let expected = bytes.firstIndex(where: stops) ?? length
                    let found = scan(span, alignment, alignment + length) - alignment
                    #expect(found == expected, "\(name) of \(bytes) at alignment \(alignment)")
                }
            }
        }
    }

    @Test("token") func token() { compare(scanToken, name: "token") { !HTTPSyntax.isTokenByte($0) } }
    @Test("field value") func value() { compare(scanValue, name: "value") { !HTTPSyntax.isFieldValueByte($0) } }
    @Test("target") func target() { compare(scanTarget, name: "target") { $0 <= 0x20 || $0 == 0x7f } }

    @Test("each byte, first and last in a vector and behind it", arguments: [0, 15, 16, 31, 32, 33])
    func eachByte(offset: Int) {
        for byte in UInt8.min ... .max {
            let bytes = [UInt8](repeating: 0x61, count: offset) + [byte] + [UInt8](repeating: 0x61, count: 47 - offset)
            withExactCopy(of: bytes) {
                #expect(scanToken($0, 0, 48) == (HTTPSyntax.isTokenByte(byte) ? 48 : offset))
                #expect(scanValue($0, 0, 48) == (HTTPSyntax.isFieldValueByte(byte) ? 48 : offset))
                #expect(scanTarget($0, 0, 48) == (byte > 0x20 && byte != 0x7f ? 48 : offset))
            }
        }
    }
}

/// SplitMix64: a generator with a seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
