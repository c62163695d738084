import Testing

@testable import TLS

@Suite("Addresses of OCSP responders")
struct OCSPResponderTests {
    @Test(
        "host, port and target are told apart",
        arguments: [
            ("http://ocsp.example", "ocsp.example", 80, "/", "ocsp.example"),
            ("HTTP://ocsp.example/", "ocsp.example", 80, "/", "ocsp.example"),
            ("http://ocsp.example:8080/a/b?c=d", "ocsp.example", 8080, "/a/b?c=d", "ocsp.example:8080"),
            ("http://ocsp.example?c=d", "ocsp.example", 80, "/?c=d", "ocsp.example"),
            ("http://127.0.0.1:65535", "127.0.0.1", 65535, "/", "127.0.0.1:65535"),
            ("http://[2001:db8::1]:81/x", "2001:db8::1", 81, "/x", "[2001:db8::1]:81"),
            ("http://[::1]", "::1", 80, "/", "[::1]"),
        ])
    func good(url: String, host: String, port: UInt16, target: String, authority: String) throws {
        let responder = try #require(OCSPResponder(url))
        #expect(responder.host == host)
        #expect(responder.port == port)
        #expect(responder.target == target)
        #expect(responder.authority == authority)
        #expect(OCSPResponder(responder.description) == responder)
    }

    @Test(
        "what is no http address, or would break a request's head, is refused",
        arguments: [
            "", "http://", "http:///x", "https://ocsp.example/", "ldap://ocsp.example/", "ocsp.example", "http:/a/",
            "http://user@ocsp.example/", "http://user:1@ocsp.example/", "http://a:0/", "http://a:65536/",
            "http://a:+1/",
            "http://a:/", "http://a:1:2/", "http://[::1/", "http://[]/", "http://[::1]x/", "http://[g::1]/",
            "http://a b/", "http://a/b c", "http://a/\r\nX: y", "http://a/\u{0}", "http://a/ü", "http://a/#b",
            "http://ocsp*.example/", " http://a/",
        ])
    func bad(url: String) { #expect(OCSPResponder(url) == nil) }

    @Test("the longest address", arguments: [-1, 0, 1])
    func longest(more: Int) {
        let url = "http://a/".padding(to: OCSPResponder.bytesMax + more)
        #expect((OCSPResponder(url) != nil) == (more <= 0))
    }
}

extension String {
    fileprivate func padding(to count: Int) -> String { self + String(repeating: "x", count: count - utf8.count) }
}
