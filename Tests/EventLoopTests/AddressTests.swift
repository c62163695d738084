import EventLoop
import Testing

@Suite("IPEndpoint")
struct IPEndpointTests {
    @Test(
        "what is printed is what was read, in canonical form (RFC 5952)",
        arguments: [
            ("1.2.3.4:80", "1.2.3.4:80"), ("0.0.0.0:0", "0.0.0.0:0"),
            ("255.255.255.255:65535", "255.255.255.255:65535"),
            ("10.0.109.9:8080", "10.0.109.9:8080"), ("[::1]:443", "[::1]:443"), ("[::]:80", "[::]:80"),
            ("[2001:DB8:0:0:0:0:0:1]:80", "[2001:db8::1]:80"), ("[::ffff:1.2.3.4]:80", "1.2.3.4:80"),
            ("[1:2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:8]:1"), ("1.2.3.4:0080", "1.2.3.4:80"),
        ])
    func canonical(text: String, printed: String) throws {
        let endpoint = try #require(IPEndpoint(text))
        #expect(endpoint.description == printed)
        #expect(IPEndpoint(endpoint.description) == endpoint)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", ":", "1.2.3.4", "1.2.3.4:", ":80", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4: 1",
            "1.2.3:80",
            "1.2.3.4.5:80", "256.0.0.1:80", "01.2.3.4:80", "localhost:80", "::1:80", "[::1]", "[::1:80", "::1]:80",
            "[1.2.3.4]:80", "[fe80::1%lo]:80", "[]:80", " 1.2.3.4:80", "1.2.3.4:80 ", "1.2.3.4:８０",
        ])
    func refused(text: String) {
        #expect(IPEndpoint(text) == nil)
    }

    @Test("every octet prints as it is", arguments: 0...255 as ClosedRange<UInt32>)
    func octets(octet: UInt32) {
        let address = octet << 24 | (255 - octet) << 16 | octet << 8 | (octet / 2)
        #expect(IPEndpoint(v4: address, port: 1).host == "\(octet).\(255 - octet).\(octet).\(octet / 2)")
    }

    @Test(
        "the kernel's form and back; IPv4 goes mapped",
        arguments: ["1.2.3.4:80", "[2001:db8::ff00:1]:80", "[::1]:80"])
    func kernelForm(text: String) throws {
        let endpoint = try #require(IPEndpoint(text))
        #expect(IPEndpoint(endpoint.in6Address, port: endpoint.port) == endpoint)
    }

    @Test("any address", arguments: [("0.0.0.0:1", true), ("[::]:1", true), ("0.0.0.1:1", false), ("[1::]:1", false)])
    func any(text: String, isAny: Bool) throws {
        #expect(try #require(IPEndpoint(text)).isAny == isAny)
    }
}

@Suite("SocketAddress")
struct SocketAddressTests {
    @Test(
        "what is printed is what was read",
        arguments: ["1.2.3.4:80", "[2001:db8::1]:80", "unix:/run/app.sock", "unix:/"])
    func printed(text: String) throws {
        #expect(try #require(SocketAddress(text)).description == text)
    }

    @Test("anything else is refused", arguments: ["", "unix:", "unix:app.sock", "/run/app.sock", "Unix:/a", "app:80"])
    func refused(text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test("a path has at most 107 bytes", arguments: [106, 107, 108])
    func pathBound(length: Int) {
        let path = "/" + String(repeating: "x", count: length - 1)
        #expect((SocketAddress("unix:\(path)") == nil) == (length > 107))
    }
}

@Suite("AddressRange, RFC 4632")
struct AddressRangeTests {
    @Test(
        "what is printed is what was read",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("0.0.0.0/0", "0.0.0.0/0"), ("1.2.3.4", "1.2.3.4/32"), ("::/0", "::/0"),
            ("2001:db8::/32", "2001:db8::/32"), ("::1", "::1/128"), ("1:2:3:4::/64", "1:2:3:4::/64"),
            ("1:2:3:4:8000::/65", "1:2:3:4:8000::/65"),
        ])
    func printed(text: String, printed: String) throws {
        #expect(try #require(AddressRange(text)).description == printed)
    }

    @Test(
        "anything else is refused, also host bits",
        arguments: [
            "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.1/8", "::1/127",
            "::/129", "10.0.0.0:80", "app/8", "1:2:3:4:8000::/64", "128.0.0.0/0",
        ])
    func refused(text: String) {
        #expect(AddressRange(text) == nil)
    }

    @Test(
        "membership at the edges",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0", true), ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "9.255.255.255", false),
            ("10.0.0.0/8", "11.0.0.0", false), ("0.0.0.0/0", "255.1.2.3", true), ("1.2.3.4", "1.2.3.4", true),
            ("1.2.3.4", "1.2.3.5", false), ("1.2.3.4/31", "1.2.3.5", true), ("::/0", "ffff::1", true),
            ("::/0", "1.2.3.4", false), ("0.0.0.0/0", "2001:db8::1", false), ("1:2:3:4::/64", "1:2:3:4:ffff::1", true),
            ("1:2:3:4::/64", "1:2:3:5::", false), ("1:2:3:4:8000::/65", "1:2:3:4:8000::9", true),
            ("1:2:3:4:8000::/65", "1:2:3:4:7fff::9", false), ("::1", "::1", true), ("::1", "::2", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ])
    func contains(range: String, host: String, isInside: Bool) throws {
        let range = try #require(AddressRange(range))
        for port in [0, 65_535] as [UInt16] {
            #expect(range.contains(try #require(IPEndpoint(host: host, port: port))) == isInside)
        }
    }
}
