import Glibc

/// Lines on their way to the log: fixed memory, filled by the formatter, taken by the target.
@safe
struct LineBuffer: ~Copyable {
    static let capacity = 256 * 1024
    /// Bytes of the longest line: every text at its limit with each byte escaped to six, the request line also in its
    /// parts, and the rest of a line.
    static let lineBytesMax =
        6 * (2 * AccessTexts.requestLineBytesMax + 9 * AccessTexts.textBytesMax) + 2048

    private let memory: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    /// Bytes at the front that the target has taken.
    private(set) var taken = 0

    init() { unsafe memory = .allocate(capacity: LineBuffer.capacity) }

    deinit { unsafe memory.deallocate() }

    /// A whole line of any length fits.
    var hasRoom: Bool { LineBuffer.capacity - count >= LineBuffer.lineBytesMax }
    var isEmpty: Bool { count == taken }

    /// What the target has not taken.
    var rest: UnsafeBufferPointer<UInt8> { unsafe UnsafeBufferPointer(start: memory + taken, count: count - taken) }

    mutating func take(_ bytes: Int) {
        precondition(bytes <= count - taken, "more is taken than there is")
        taken += bytes
        if taken == count { removeAll() }
    }

    mutating func removeAll() {
        count = 0
        taken = 0
    }

    /// Takes back everything behind a position.
    mutating func cut(to position: Int) { count = position }

    // MARK: plain text

    mutating func append(_ byte: UInt8) {
        precondition(count < LineBuffer.capacity, "a line beyond its bound")
        unsafe memory[count] = byte
        count += 1
    }

    mutating func append(_ bytes: UnsafePointer<UInt8>, _ length: Int) {
        precondition(length <= LineBuffer.capacity - count, "a line beyond its bound")
        unsafe memcpy(memory + count, bytes, length)
        count += length
    }

    mutating func append(_ text: StaticString) { unsafe append(text.utf8Start, text.utf8CodeUnitCount) }

    mutating func append(_ text: String) { for byte in text.utf8 { append(byte) } }

    mutating func append(decimal number: UInt64, digits least: Int = 1) {
        var digits = 1
        var limit: UInt64 = 10
        while digits < 19 && number >= limit {
            digits += 1
            limit *= 10
        }
        if digits == 19 && number >= limit { digits = 20 }
        digits = max(digits, least)
        precondition(digits <= LineBuffer.capacity - count, "a line beyond its bound")
        var rest = number
        for index in (0..<digits).reversed() {
            unsafe memory[count + index] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
            rest /= 10
        }
        count += digits
    }

    /// Nanoseconds as seconds with six digits behind the point.
    mutating func append(seconds nanoseconds: UInt64) {
        append(decimal: nanoseconds / 1_000_000_000)
        append(0x2e)
        append(decimal: nanoseconds / 1000 % 1_000_000, digits: 6)
    }

    mutating func append(hex word: UInt64) {
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            append(LineBuffer.hexDigit(UInt8(truncatingIfNeeded: word >> shift) & 15, a: 0x61))
        }
    }

    private static func hexDigit(_ value: UInt8, a: UInt8) -> UInt8 { value < 10 ? 0x30 + value : a + value - 10 }

    // MARK: text from the network

    /// The inside of a JSON string (RFC 8259 §7).
    ///
    /// Control characters are escaped, those of C1 (U+0080…U+009F), U+2028 and U+2029 too, which some readers take for
    /// the end of a line. Bytes that are no UTF-8 become U+FFFD, one for each maximal part (Unicode §3.9).
    mutating func append(json text: AccessText) {
        guard let base = unsafe text.base else { return }
        var start = 0
        var index = 0
        while index < text.count {
            let byte = unsafe base[index]
            if byte >= 0x20 && byte < 0x7f && byte != 0x22 && byte != 0x5c {
                index += 1
                continue
            }
            if byte < 0x80 {
                unsafe append(base + start, index - start)
                if byte == 0x22 || byte == 0x5c {
                    append(0x5c)
                    append(byte)
                } else {
                    append(unicodeEscape: UInt32(byte))
                }
                index += 1
                start = index
                continue
            }
            let sequence = unsafe UTF8Sequence(base + index, text.count - index)
            if let scalar = sequence.scalar, !LineBuffer.endsLines(scalar) {
                index += sequence.length
                continue
            }
            unsafe append(base + start, index - start)
            if let scalar = sequence.scalar { append(unicodeEscape: scalar) } else { append("\u{fffd}") }
            index += sequence.length
            start = index
        }
        unsafe append(base + start, text.count - start)
    }

    private static func endsLines(_ scalar: UInt32) -> Bool {
        scalar <= 0x9f || scalar == 0x2028 || scalar == 0x2029
    }

    private mutating func append(unicodeEscape scalar: UInt32) {
        append("\\u")
        for shift in stride(from: UInt32(12), through: 0, by: -4) {
            append(LineBuffer.hexDigit(UInt8(truncatingIfNeeded: scalar >> shift) & 15, a: 0x61))
        }
    }

    /// As nginx escapes variables in a log by default: `"`, `\`, and what is below U+0020 or above U+007E as `\xXX`.
    mutating func append(combined text: AccessText) {
        guard let base = unsafe text.base else { return }
        var start = 0
        for index in 0..<text.count {
            let byte = unsafe base[index]
            if byte >= 0x20 && byte < 0x7f && byte != 0x22 && byte != 0x5c { continue }
            unsafe append(base + start, index - start)
            append("\\x")
            append(LineBuffer.hexDigit(byte >> 4, a: 0x41))
            append(LineBuffer.hexDigit(byte & 15, a: 0x41))
            start = index + 1
        }
        unsafe append(base + start, text.count - start)
    }
}

/// The UTF-8 sequence at the front of some bytes (Unicode §3.9, table 3-7).
struct UTF8Sequence {
    /// nil: no UTF-8.
    let scalar: UInt32?
    /// Bytes of the sequence, or of the longest part that could have begun one; at least 1.
    let length: Int

    init(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        let first = unsafe bytes[0]
        let expected: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch first {
        case 0x00...0x7f:
            scalar = UInt32(first)
            length = 1
            return
        case 0xc2...0xdf: expected = 2
        case 0xe0...0xef:
            expected = 3
            if first == 0xe0 { second = 0xa0...0xbf }
            // Surrogates are no scalars.
            if first == 0xed { second = 0x80...0x9f }
        case 0xf0...0xf4:
            expected = 4
            if first == 0xf0 { second = 0x90...0xbf }
            if first == 0xf4 { second = 0x80...0x8f }
        default:
            scalar = nil
            length = 1
            return
        }
        var value = UInt32(first) & (expected == 2 ? 0x1f : expected == 3 ? 0x0f : 0x07)
        for index in 1..<expected {
            guard index < count, unsafe (index == 1 ? second : 0x80...0xbf).contains(bytes[index]) else {
                scalar = nil
                length = index
                return
            }
            unsafe value = value << 6 | UInt32(bytes[index] & 0x3f)
        }
        scalar = value
        length = expected
    }
}
