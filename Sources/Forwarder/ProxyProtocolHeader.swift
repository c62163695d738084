import EventLoop
import Glibc

/// The header that tells a node whose connection this is: PROXY protocol version 2 (haproxy.org,
/// proxy-protocol.txt, §2.2), command PROXY, over TCP.
///
///     signature 12 bytes │ 0x21 │ 0x11 or 0x21 │ length u16 │ source │ destination │ source port │ destination port
enum ProxyProtocolHeader {
    /// Length of the longest header: 16 bytes and two IPv6 addresses with ports.
    static let bytesMax = 52

    private static let signature: StaticString = "\r\n\r\n\0\r\nQUIT\n"

    /// Writes the header; `out` has room for `bytesMax`.
    ///
    /// - Parameters:
    ///   - source: The client.
    ///   - destination: The address that the client dialled. When the families differ, both go as IPv6.
    /// - Returns: Bytes written: 28 or 52.
    @unsafe
    static func write(source: IPEndpoint, destination: IPEndpoint, to out: UnsafeMutablePointer<UInt8>) -> Int {
        unsafe out.update(from: signature.utf8Start, count: 12)
        unsafe out[12] = 0x21
        let isV4 = source.family == .v4 && destination.family == .v4
        unsafe out[13] = isV4 ? 0x11 : 0x21
        let raw = UnsafeMutableRawPointer(out)
        unsafe raw.storeBytes(of: UInt16(isV4 ? 12 : 36).bigEndian, toByteOffset: 14, as: UInt16.self)
        var position = 16
        if isV4 {
            unsafe raw.storeBytes(
                of: UInt32(truncatingIfNeeded: source.low).bigEndian, toByteOffset: 16, as: UInt32.self)
            unsafe raw.storeBytes(
                of: UInt32(truncatingIfNeeded: destination.low).bigEndian, toByteOffset: 20, as: UInt32.self)
            position = 24
        } else {
            unsafe raw.storeBytes(of: source.in6Address, toByteOffset: 16, as: in6_addr.self)
            unsafe raw.storeBytes(of: destination.in6Address, toByteOffset: 32, as: in6_addr.self)
            position = 48
        }
        unsafe raw.storeBytes(of: source.port.bigEndian, toByteOffset: position, as: UInt16.self)
        unsafe raw.storeBytes(of: destination.port.bigEndian, toByteOffset: position + 2, as: UInt16.self)
        return position + 4
    }
}
