import HTTP1
import HTTPMessage

/// The one spelling in which fields go out that decide where a message ends or whose it is: `Name: value`, one space and
/// nothing else around the value, `chunked` in lower case, a length without leading zeros. RFC 9112 allows more, and servers
/// that read less strictly than that have been made to disagree by it.
enum PlainField {
    /// Whether a line of `Host`, `Content-Length` or `Transfer-Encoding` may be copied as it came.
    static func isPlain(_ field: Field, _ received: UnsafePointer<UInt8>) -> Bool {
        let value = Int(field.valueStart)
        let count = Int(field.valueLength)
        guard value == Int(field.nameStart) + Int(field.nameLength) + 2, unsafe received[value - 1] == 0x20,
            Int(field.lineEnd) == value + count + 2
        else { return false }
        switch field.id {
        case .contentLength: return unsafe count == 1 || received[value] != 0x30
        case .transferEncoding:
            for index in 0..<count where unsafe received[value + index] < 0x61 { return false }
            return true
        default: return true
        }
    }

    static func writeFraming(_ facts: FieldFacts, _ out: inout HeadWriter) {
        if facts.isChunked {
            out.append("Transfer-Encoding: chunked\r\n")
        } else {
            out.append("Content-Length: ")
            out.append(decimal: Int(facts.contentLength))
            out.append("\r\n")
        }
    }
}
