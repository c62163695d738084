import Testing

@testable import EventLoop

@Suite("Addresses in forwarding fields")
struct AddressTextTests {
    private func parsed(_ text: String) -> String? {
        let bytes = [UInt8](text.utf8)
        return IPEndpoint(text: bytes.span)?.description
    }

    @Test(
        "with and without a port",
        arguments: [
            ("192.0.2.7", "192.0.2.7:0"), ("192.0.2.7:0", "192.0.2.7:0"), ("192.0.2.7:65535", "192.0.2.7:65535"),
            ("2001:db8::1", "[2001:db8::1]:0"), ("[2001:db8::1]", "[2001:db8::1]:0"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"), ("::", "[::]:0"),
            ("::ffff:192.0.2.7", "192.0.2.7:0"),
        ])
    func good(text: String, expected: String) { #expect(parsed(text) == expected) }

    @Test(
        "anything else is none",
        arguments: [
            "", " 192.0.2.7", "192.0.2", "192.0.2.7:", "192.0.2.7:65536", "192.0.2.7:x", "192.0.2.7:000080",
            "localhost",
            "unknown", "[192.0.2.7]", "[2001:db8::1", "[2001:db8::1]80", "[2001:db8::1]:", "2001:db8::1::2", "[]", ":",
            "192.0.2.7\0", "2001:0db8:0000:0000:0000:0000:192.0.2.255.255.255.255.255",
        ])
    func bad(text: String) { #expect(parsed(text) == nil) }
}
