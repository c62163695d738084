/// What stands around chunks (RFC 9112 §7.1).
enum ChunkFrame {
    /// Size, line end before and after the data: of data that one block holds.
    static let bytesMax = 8
    /// The last chunk, and the empty line behind the trailers.
    static let endBytes = 5

    /// - Returns: Bytes written.
    static func writeSize(_ size: Int, to out: UnsafeMutablePointer<UInt8>) -> Int {
        var digits = 1
        while size >> (4 * digits) > 0 { digits += 1 }
        for index in 0..<digits {
            let digit = UInt8(truncatingIfNeeded: size >> (4 * (digits - 1 - index)) & 15)
            unsafe out[index] = digit < 10 ? 0x30 + digit : 0x57 + digit
        }
        return unsafe digits + writeLineEnd(to: out + digits)
    }

    static func writeLineEnd(to out: UnsafeMutablePointer<UInt8>) -> Int {
        unsafe out[0] = 0x0d
        unsafe out[1] = 0x0a
        return 2
    }

    static func writeLast(to out: UnsafeMutablePointer<UInt8>) -> Int {
        unsafe out[0] = 0x30
        return unsafe 1 + writeLineEnd(to: out + 1)
    }
}
