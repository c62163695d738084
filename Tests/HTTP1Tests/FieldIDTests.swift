import HTTPMessage
import Testing

func withBytes<Result>(_ text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    octets(text).withUnsafeBufferPointer(body)
}

@Suite("Field names that the proxy knows, RFC 9110 §5.1")
struct FieldIDTests {
    static let names: [(String, FieldID)] = [
        ("connection", .connection), ("content-length", .contentLength), ("date", .date), ("expect", .expect),
        ("host", .host),
        ("keep-alive", .keepAlive), ("proxy-connection", .proxyConnection), ("te", .te), ("trailer", .trailer),
        ("transfer-encoding", .transferEncoding), ("upgrade", .upgrade), ("via", .via),
        ("x-forwarded-for", .xForwardedFor),
        ("x-forwarded-host", .xForwardedHost), ("x-forwarded-proto", .xForwardedProto), ("x-real-ip", .xRealIP),
        ("x-request-id", .xRequestID),
    ]

    @Test("in any case", arguments: names)
    func anyCase(name: String, id: FieldID) {
        var alternating = ""
        for (index, character) in name.enumerated() {
            alternating += index % 2 == 0 ? character.uppercased() : String(character)
        }
        for name in [name, name.uppercased(), alternating] { #expect(withBytes(name) { FieldID($0) } == id) }
    }

    /// Folding case by one bit must not make neighbours equal: `_` for `-`, `[` for `{`.
    @Test("one byte off is another field", arguments: names)
    func neighbours(name: String, id: FieldID) {
        let bytes = octets(name)
        for index in bytes.indices {
            for byte in UInt8.min ... .max where HTTPSyntax.isTokenByte(byte) {
                var changed = bytes
                changed[index] = byte
                let isSame = lowercased(changed) == bytes
                #expect(
                    changed.withUnsafeBufferPointer { FieldID($0) } == (isSame ? id : .other),
                    "\(String(octets: changed))")
            }
        }
        #expect(withBytes(name + "s") { FieldID($0) } == .other)
        #expect(withBytes(String(name.dropLast())) { FieldID($0) } == .other)
        #expect(withBytes("") { FieldID($0) } == .other)
    }

    @Test("fields of one connection, RFC 9110 §7.6.1")
    func hopByHop() {
        for (name, id) in Self.names {
            let expected = ["connection", "keep-alive", "proxy-connection", "te", "upgrade"].contains(name)
            #expect(id.isHopByHop == expected, "\(name)")
        }
        #expect(!FieldID.other.isHopByHop)
    }
}
