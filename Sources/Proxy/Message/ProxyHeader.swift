import EventLoop

/// A PROXY protocol v2 header (proxy-protocol.txt §2.2) as forwarders send it: PROXY over TCP/IPv4 or TCP/IPv6.
/// Extensions (TLVs) are passed over.
struct ProxyHeader {
    /// The client.
    var source = IPEndpoint(v4: 0, port: 0)
    /// What the client connected to.
    var destination = IPEndpoint(v4: 0, port: 0)

    enum Outcome: Equatable {
        /// Bytes of the header.
        case complete(Int)
        case incomplete
        case malformed
    }
    /// Address block and extensions at most; ours have none.
    static let variableBytesMax = 1024
    private static let signature: InlineArray<12, UInt8> = [
        0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
    ]

    mutating func parse(_ bytes: Span<UInt8>) -> Outcome {
        for index in 0..<min(bytes.count, 12) where bytes[index] != Self.signature[index] { return .malformed }
        guard bytes.count >= 16 else { return .incomplete }
        // Version 2, command PROXY. LOCAL (health checks of other balancers) has no client to serve.
        guard bytes[12] == 0x21 else { return .malformed }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        guard length <= Self.variableBytesMax else { return .malformed }
        guard bytes.count >= 16 + length else { return .incomplete }
        switch bytes[13] {
        case 0x11:
            guard length >= 12 else { return .malformed }
            source = IPEndpoint(v4: UInt32(word(bytes, 16, 4)), port: UInt16(word(bytes, 24, 2)))
            destination = IPEndpoint(v4: UInt32(word(bytes, 20, 4)), port: UInt16(word(bytes, 26, 2)))
        case 0x21:
            guard length >= 36 else { return .malformed }
            source = IPEndpoint(
                v6High: word(bytes, 16, 8), low: word(bytes, 24, 8), port: UInt16(word(bytes, 48, 2)))
            destination = IPEndpoint(
                v6High: word(bytes, 32, 8), low: word(bytes, 40, 8), port: UInt16(word(bytes, 50, 2)))
        default: return .malformed
        }
        return .complete(16 + length)
    }

    /// Big-endian.
    private func word(_ bytes: Span<UInt8>, _ start: Int, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in start..<start + count { value = value << 8 | UInt64(bytes[index]) }
        return value
    }
}
