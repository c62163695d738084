import HTTP1
import HTTPMessage
import Testing

@Suite("Field lines, RFC 9112 §5")
struct FieldLineTests {
    @Test("name, value without the white space around it, and what it is known as")
    func fields() {
        let request = ParsedRequest(
            "GET / HTTP/1.1\r\nHost:a\r\nX-A: \t b  c\t \r\nempty:\r\nblank: \t\r\n!#$%&'*+-.^_`|~9: \u{ff}\"(),/:;<=>?@[\\]{}\r\nVIA: 1.1 x\r\n\r\n"
        )
        #expect(request.outcome == .complete)
        #expect(
            request.fields == [
                ParsedField(name: "Host", value: "a", id: .host), ParsedField(name: "X-A", value: "b  c", id: .other),
                ParsedField(name: "empty", value: "", id: .other), ParsedField(name: "blank", value: "", id: .other),
                ParsedField(name: "!#$%&'*+-.^_`|~9", value: "\u{ff}\"(),/:;<=>?@[\\]{}", id: .other),
                ParsedField(name: "VIA", value: "1.1 x", id: .via),
            ])
    }

    /// What a value may hold is seen by a scanner that takes sixteen bytes at a time: every byte at every offset.
    @Test("each byte in a value, at each offset of two vectors")
    func valueBytes() {
        for byte in UInt8.min ... .max {
            for offset in 0..<34 {
                let value =
                    [UInt8](repeating: 0x61, count: offset) + [byte] + [UInt8](repeating: 0x61, count: 40 - offset)
                let outcome = ParsedRequest(octets("GET / HTTP/1.1\r\nHost: a\r\nX:b") + value + octets("\r\n\r\n"))
                    .outcome
                switch byte {
                case 0x0a, 0x0d: #expect(outcome == .failed(.bareLineEnd), "byte \(byte) at \(offset)")
                case 0x00..<0x09, 0x0b..<0x20, 0x7f:
                    #expect(outcome == .failed(.malformedField), "byte \(byte) at \(offset)")
                default: #expect(outcome == .complete, "byte \(byte) at \(offset)")
                }
            }
        }
    }

    @Test("each byte in a name")
    func nameBytes() {
        for byte in UInt8.min ... .max {
            let bytes = octets("GET / HTTP/1.1\r\nHost: a\r\nab") + [byte] + octets("cd: e\r\n\r\n")
            let outcome = ParsedRequest(bytes).outcome
            if HTTPSyntax.isTokenByte(byte) || byte == 0x3a {
                #expect(outcome == .complete, "byte \(byte)")
            } else {
                #expect(outcome == .failed(byte == 0x0a ? .bareLineEnd : .malformedField), "byte \(byte)")
            }
        }
    }

    @Test("each byte in a target, at each offset of two vectors")
    func targetBytes() {
        for byte in UInt8.min ... .max {
            for offset in 0..<34 {
                let target =
                    [UInt8](repeating: 0x61, count: offset) + [byte] + [UInt8](repeating: 0x61, count: 40 - offset)
                let outcome = ParsedRequest(octets("GET /") + target + octets(" HTTP/1.1\r\nHost: a\r\n\r\n")).outcome
                switch byte {
                case 0x23, 0x5c, 0x80...0xff:
                    #expect(outcome == .failed(.malformedTarget), "byte \(byte) at \(offset)")
                case 0x00...0x20, 0x7f: #expect(outcome == .failed(.malformedRequestLine), "byte \(byte) at \(offset)")
                default: #expect(outcome == .complete, "byte \(byte) at \(offset)")
                }
            }
        }
    }
}
