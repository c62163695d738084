import EventLoop
import Testing

@testable import Proxy

@Suite("PROXY protocol v2 header, proxy-protocol.txt §2.2")
struct ProxyHeaderTests {
    private let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

    private func parse(_ bytes: [UInt8]) -> (ProxyHeader.Outcome, ProxyHeader) {
        var header = ProxyHeader()
        let outcome = header.parse(bytes.span)
        return (outcome, header)
    }

    @Test("TCP over IPv4, with an extension behind the addresses")
    func version4() {
        let addresses: [UInt8] = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0x00, 0x50, 0x04, 0, 1, 9]
        let bytes = signature + [0x21, 0x11, 0, 16] + addresses
        for count in 0..<bytes.count { #expect(parse([UInt8](bytes.prefix(count))).0 == .incomplete) }
        let (outcome, header) = parse(bytes + [0x47])
        #expect(outcome == .complete(bytes.count))
        #expect(header.source == IPEndpoint("192.0.2.7:4660"))
        #expect(header.destination == IPEndpoint("198.51.100.1:80"))
    }

    @Test("TCP over IPv6")
    func version6() {
        var addresses = [UInt8](repeating: 0, count: 36)
        addresses[0] = 0x20
        addresses[1] = 0x01
        addresses[15] = 1
        addresses[31] = 2
        addresses[33] = 80
        addresses[35] = 81
        let (outcome, header) = parse(signature + [0x21, 0x21, 0, 36] + addresses)
        #expect(outcome == .complete(52))
        #expect(header.source == IPEndpoint("[2001::1]:80"))
        #expect(header.destination == IPEndpoint("[::2]:81"))
    }

    @Test(
        "anything else is refused",
        arguments: [
            ([0x20, 0x11, 0, 12], 12), ([0x11, 0x11, 0, 12], 12), ([0x21, 0x12, 0, 12], 12),
            ([0x21, 0x31, 0, 216], 216),
            ([0x21, 0x11, 0, 11], 11), ([0x21, 0x21, 0, 35], 35), ([0x21, 0x11, 4, 1], 1025),
        ] as [([UInt8], Int)])
    func refused(variant: [UInt8], count: Int) {
        #expect(parse(signature + variant + [UInt8](repeating: 1, count: count)).0 == .malformed)
    }

    @Test("a first byte that is no header is seen at once")
    func otherProtocol() {
        #expect(parse([UInt8]("GET / HTTP/1.1\r\n".utf8)).0 == .malformed)
        #expect(parse([UInt8]("PROXY TCP4".utf8)).0 == .malformed)
    }
}
