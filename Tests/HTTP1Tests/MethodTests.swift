import HTTPMessage
import Testing

@Suite("Methods, RFC 9110 §9")
struct MethodTests {
    @Test(
        "names are compared with case",
        arguments: ["get", "Get", "GETS", "GE", "HEAd", "POSTED", "", "OPTION", "CONNECTS", "TRAC"])
    func other(name: String) {
        #expect(withBytes(name) { HTTPMessage.Method($0) } == .other)
    }

    @Test(
        "idempotent, §9.2.2",
        arguments: [
            ("GET", true), ("HEAD", true), ("PUT", true), ("DELETE", true), ("OPTIONS", true), ("TRACE", true),
            ("POST", false),
            ("PATCH", false), ("CONNECT", false), ("PURGE", false),
        ])
    func idempotent(name: String, expected: Bool) {
        #expect(withBytes(name) { HTTPMessage.Method($0) }.isIdempotent == expected)
    }
}
