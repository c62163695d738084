import EventLoop
import Testing

@testable import Forwarder

@Suite("PROXY protocol v2 header, proxy-protocol.txt §2.2")
struct ProxyProtocolHeaderTests {
    private static let signature: [UInt8] = [
        0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
    ]

    private func header(_ source: String, _ destination: String) throws -> [UInt8] {
        let source = try #require(IPEndpoint(source))
        let destination = try #require(IPEndpoint(destination))
        return [UInt8](unsafeUninitializedCapacity: ProxyProtocolHeader.bytesMax) { buffer, count in
            count = ProxyProtocolHeader.write(source: source, destination: destination, to: buffer.baseAddress!)
        }
    }

    @Test("TCP over IPv4: addresses, then ports, big-endian")
    func v4() throws {
        #expect(
            try header("192.0.2.33:56324", "198.51.100.7:443")
                == Self.signature + [0x21, 0x11, 0, 12, 192, 0, 2, 33, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb])
    }

    @Test("TCP over IPv6")
    func v6() throws {
        let source: [UInt8] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34]
        let destination: [UInt8] = [0x20, 0x01, 0x0d, 0xb8, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        #expect(
            try header("[2001:db8::1234]:1", "[2001:db8:ff::1]:8080")
                == Self.signature + [0x21, 0x21, 0, 36] + source + destination + [0, 1, 0x1f, 0x90])
    }

    @Test("an IPv4 client of an IPv6 address goes mapped (RFC 4291 §2.5.5.2)")
    func mixed() throws {
        let bytes = try header("192.0.2.1:80", "[2001:db8::1]:80")
        #expect(bytes.count == 52)
        #expect(Array(bytes[16..<32]) == [UInt8](repeating: 0, count: 10) + [0xff, 0xff, 192, 0, 2, 1])
    }
}
