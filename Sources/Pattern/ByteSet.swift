/// A set of bytes: what one position of a pattern takes.
package struct ByteSet: Hashable, Sendable {
    private var words: SIMD4<UInt64> = .zero

    init() {}

    init(_ byte: UInt8) { insert(byte) }

    init(_ range: ClosedRange<UInt8>) {
        for byte in range { insert(byte) }
    }

    static let all = ByteSet(0...255)
    static let digits = ByteSet(0x30...0x39)
    /// `\w`: ASCII letters, digits and the underscore.
    static let word = ByteSet(0x41...0x5a).union(ByteSet(0x61...0x7a)).union(.digits).union(ByteSet(0x5f))
    /// `\s`: tab, line feed, vertical tab, form feed, carriage return, space.
    static let space = ByteSet(0x09...0x0d).union(ByteSet(0x20))

    mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }

    func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] >> UInt64(byte & 63) & 1 != 0 }

    func union(_ other: ByteSet) -> ByteSet {
        var result = self
        result.words |= other.words
        return result
    }

    var inverted: ByteSet {
        var result = self
        result.words = ~words
        return result
    }

    /// With the other case of each ASCII letter in it.
    var withoutCase: ByteSet {
        var result = self
        for lower in UInt8(0x61)...0x7a where contains(lower) || contains(lower ^ 0x20) {
            result.insert(lower)
            result.insert(lower ^ 0x20)
        }
        return result
    }
}
