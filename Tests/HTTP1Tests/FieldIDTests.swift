import HTTPMessage
import Testing

func withBytes<Result>(_ text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    octets(text).withUnsafeBufferPointer(body)
}

@Suite("Field names that the proxy knows, RFC 9110 §5.1")
struct FieldIDTests {
    static let names: [(String, FieldID)] = [
        ("connection", .connection), ("content-length", .contentLength), ("date", .date), ("expect", .expect),
        ("forwarded", .forwarded), ("host", .host),
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

    /// What a name is that is not in `names` as it stands.
    private func stranger(_ name: [UInt8]) -> FieldID {
        let folded = String(octets: name.map(HTTPSyntax.foldedName))
        if Self.names.contains(where: { $0.0 == folded }) { return .lookalike }
        guard folded.hasPrefix("x-forwarded-"), name.count > 12 else { return .other }
        return String(octets: lowercased(name)).hasPrefix("x-forwarded-") ? .xForwardedOther : .lookalike
    }

    /// Folding case by one bit must not make neighbours equal: `_` for `-`, `[` for `{`.
    @Test("one byte off is another field, or one that only looks like it", arguments: names)
    func neighbours(name: String, id: FieldID) {
        let bytes = octets(name)
        for index in bytes.indices {
            for byte in UInt8.min ... .max where HTTPSyntax.isTokenByte(byte) {
                var changed = bytes
                changed[index] = byte
                let isSame = lowercased(changed) == bytes
                #expect(
                    changed.withUnsafeBufferPointer { FieldID($0) } == (isSame ? id : stranger(changed)),
                    "\(String(octets: changed))")
            }
        }
        for other in [name + "s", String(name.dropLast())] {
            #expect(withBytes(other) { FieldID($0) } == stranger(octets(other)), "\(other)")
        }
        #expect(withBytes("") { FieldID($0) } == .other)
    }

    @Test(
        "lookalikes: what a gateway to CGI takes for a field that the proxy knows",
        arguments: [
            ("X_Forwarded_For", .lookalike), ("x.forwarded~PROTO", .lookalike), ("Content_Length", .lookalike),
            ("transfer_encoding", .lookalike), ("X_Real-IP", .lookalike), ("X_Forwarded_Port", .lookalike),
            ("X-Forwarded-Port", .xForwardedOther), ("X-Forwarded-", .other), ("X-Forwarded", .other),
            ("X_Forwarded_", .other), ("my_field", .other), ("Content1Length", .other), ("X-Frame-Options", .other),
            ("X-Requested-With", .other), ("XX-Forwarded-For", .other),
        ] as [(String, FieldID)])
    func lookalikes(name: String, id: FieldID) {
        #expect(withBytes(name) { FieldID($0) } == id)
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
