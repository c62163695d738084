import EventLoop
import HTTP1
import HTTPMessage
import Testing

@testable import Proxy

@Suite("Who sent a request")
struct RequestOriginTests {
    private static let trusted = [AddressRange("10.0.0.0/8")!, AddressRange("2001:db8:1::/48")!]

    private func client(_ lines: [String]) -> String {
        let bytes = [UInt8]((["GET / HTTP/1.1", "Host: h"] + lines + ["", ""]).joined(separator: "\r\n").utf8)
        var head = RequestHead()
        var fields = FieldTable()
        let outcome = head.parse(
            bytes.span, limits: HeadLimits(headBytesMax: 32_768, fieldCountMax: 100), fields: &fields)
        #expect(outcome == .complete)
        let origin = RequestOrigin(peer: IPEndpoint("10.0.0.1:1234")!, bytes.span, fields) { address in
            Self.trusted.contains { $0.contains(address) }
        }
        return origin.client.description
    }

    @Test(
        "the client is the rightmost address that isn't trusted",
        arguments: [
            ([], "10.0.0.1:1234"),
            (["203.0.113.9"], "203.0.113.9:0"),
            (["192.0.2.1, 203.0.113.9"], "203.0.113.9:0"),
            (["192.0.2.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9:0"),
            (["192.0.2.1", "203.0.113.9 , 10.0.0.2", "10.0.0.3"], "203.0.113.9:0"),
            (["10.0.0.9, 10.0.0.2"], "10.0.0.9:0"),
            (["203.0.113.9:8080"], "203.0.113.9:8080"),
            (["[2001:db8::7]:80, 2001:db8:1::1"], "[2001:db8::7]:80"),
            (["2001:db8::7"], "[2001:db8::7]:0"),
            (["::ffff:203.0.113.9"], "203.0.113.9:0"),
        ])
    func rightmostUntrusted(values: [String], expected: String) {
        #expect(client(values.map { "X-Forwarded-For: \($0)" }) == expected)
    }

    @Test(
        "what is no address ends the search: the last good one counts",
        arguments: [
            ("unknown", "10.0.0.1:1234"), ("203.0.113.9, unknown", "10.0.0.1:1234"),
            ("203.0.113.9, evil, 10.0.0.2", "10.0.0.2:0"), ("203.0.113.9,, 10.0.0.2", "10.0.0.2:0"),
            ("", "10.0.0.1:1234"),
            ("203.0.113.9,", "10.0.0.1:1234"), (",", "10.0.0.1:1234"),
        ])
    func garbage(value: String, expected: String) {
        #expect(client(["X-Forwarded-For: \(value)"]) == expected)
    }
}
