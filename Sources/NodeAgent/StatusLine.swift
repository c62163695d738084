/// The first line of an HTTP/1.x response (RFC 9112 §4), as a probe reads it.
package enum StatusLine: Equatable, Sendable {
    case incomplete
    case status(Int)
    /// Not the first line of an HTTP/1.x response, or longer than `bytesMax`.
    case malformed

    /// Bytes of the line at most, CRLF included: 13 for version and status, the rest for a reason nobody reads.
    package static let bytesMax = 1024

    /// Strict but for one thing: the space before an empty reason phrase may be missing, as many servers send it.
    ///
    /// - Parameter bytes: Everything received so far.
    package init(_ bytes: [UInt8]) {
        self = StatusLine.parse(bytes)
    }

    private static func parse(_ bytes: [UInt8]) -> StatusLine {
        // "HTTP/1.", a digit, a space, the status.
        for (index, byte) in bytes.prefix(12).enumerated() {
            let isExpected =
                switch index {
                case 0..<7: byte == start[index]
                case 8: byte == 0x20
                case 9: (0x31...0x39).contains(byte)
                default: (0x30...0x39).contains(byte)
                }
            guard isExpected else { return .malformed }
        }
        guard bytes.count > 12 else { return .incomplete }
        guard bytes[12] == 0x20 || bytes[12] == 0x0d else { return .malformed }
        var index = 12
        while index < min(bytes.count, bytesMax) {
            if bytes[index] == 0x0d {
                guard index + 1 < bytesMax else { return .malformed }
                guard index + 1 < bytes.count else { return .incomplete }
                guard bytes[index + 1] == 0x0a else { return .malformed }
                return .status(bytes[9...11].reduce(0) { $0 * 10 + Int($1 - 0x30) })
            }
            // HTAB, SP, VCHAR and obs-text only (RFC 9112 §4).
            guard bytes[index] == 0x09 || bytes[index] >= 0x20 && bytes[index] != 0x7f else { return .malformed }
            index += 1
        }
        return bytes.count >= bytesMax ? .malformed : .incomplete
    }

    private static let start = [UInt8]("HTTP/1.".utf8)
}
