package import Glibc

/// The address family of an `IPEndpoint`.
package enum IPFamily: UInt8, BitwiseCopyable, Sendable {
    case v4 = 4
    case v6 = 6
}

/// An IPv4 or IPv6 address with a port: a plain value of 24 bytes, cheap to keep per connection.
///
/// An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2) is normalised to IPv4, so one client
/// has one name whichever socket it came through.
package struct IPEndpoint: Hashable, BitwiseCopyable, Sendable {
    /// The upper 64 bits of an IPv6 address, host order; 0 for IPv4.
    package var high: UInt64
    /// The lower 64 bits of an IPv6 address, host order; the 32-bit address for IPv4.
    package var low: UInt64
    /// Port, host order.
    package var port: UInt16
    package var family: IPFamily

    @inlinable
    package init(v4 address: UInt32, port: UInt16) {
        high = 0
        low = UInt64(address)
        self.port = port
        family = .v4
    }

    @inlinable
    package init(v6High high: UInt64, low: UInt64, port: UInt16) {
        let isMapped = high == 0 && low >> 32 == 0xffff
        self.high = high
        self.low = isMapped ? low & 0xffff_ffff : low
        self.port = port
        family = isMapped ? .v4 : .v6
    }

    /// `0.0.0.0` or `::`.
    package var isAny: Bool { high == 0 && low == 0 }

    /// 127.0.0.0/8 or ::1: of this host.
    package var isLoopback: Bool {
        switch family {
        case .v4: low >> 24 == 127
        case .v6: high == 0 && low == 1
        }
    }

    /// Takes `1.2.3.4:80` and `[2001:db8::1]:80`; nil for anything else, such as a name.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...]),
            text[text.index(after: colon)...].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { return nil }
            host = host.dropFirst().dropLast()
            guard host.contains(":") else { return nil }
        } else if host.contains(":") {
            return nil
        }
        self.init(host: String(host), port: port)
    }

    /// An address without a port, as `inet_pton(3)` takes it.
    package init?(host: String, port: UInt16) {
        var v4 = in_addr()
        if unsafe inet_pton(AF_INET, host, &v4) == 1 {
            self.init(v4: UInt32(bigEndian: v4.s_addr), port: port)
            return
        }
        var v6 = in6_addr()
        guard unsafe inet_pton(AF_INET6, host, &v6) == 1 else { return nil }
        self.init(v6, port: port)
    }

    package init(_ address: in6_addr, port: UInt16) {
        let words = unsafe unsafeBitCast(address, to: (UInt64, UInt64).self)
        self.init(v6High: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1), port: port)
    }

    /// The address as the kernel takes it; an IPv4 address comes out mapped (RFC 4291 §2.5.5.2).
    package var in6Address: in6_addr {
        let lower = family == .v4 ? 0xffff_0000_0000 | low : low
        return unsafe unsafeBitCast((high.bigEndian, lower.bigEndian), to: in6_addr.self)
    }

    /// The address without the port, in its canonical text form (RFC 5952 for IPv6).
    package var host: String {
        unsafe String(unsafeUninitializedCapacity: IPEndpoint.hostTextBytesMax) { buffer in
            unsafe writeHost(to: buffer.baseAddress!)
        }
    }

    /// Longest text of an address: IPv6 with an embedded IPv4 part and the closing NUL (`INET6_ADDRSTRLEN`).
    @inlinable package static var hostTextBytesMax: Int { 46 }

    /// Writes the address without the port; room for `hostTextBytesMax` bytes is the caller's promise.
    ///
    /// - Returns: Bytes written, without a NUL.
    @unsafe
    package func writeHost(to out: UnsafeMutablePointer<UInt8>) -> Int {
        switch family {
        case .v4:
            var position = 0
            for index in 0..<4 as Range<UInt32> {
                if position > 0 {
                    unsafe out[position] = 0x2e
                    position += 1
                }
                let octet = UInt8(truncatingIfNeeded: UInt32(truncatingIfNeeded: low) >> (24 - 8 * index))
                if octet >= 100 {
                    unsafe out[position] = 0x30 + octet / 100
                    position += 1
                }
                if octet >= 10 {
                    unsafe out[position] = 0x30 + octet / 10 % 10
                    position += 1
                }
                unsafe out[position] = 0x30 + octet % 10
                position += 1
            }
            return position
        case .v6:
            var address = in6Address
            return unsafe out.withMemoryRebound(to: CChar.self, capacity: IPEndpoint.hostTextBytesMax) { text in
                _ = unsafe inet_ntop(AF_INET6, &address, text, socklen_t(IPEndpoint.hostTextBytesMax))
                return unsafe strlen(text)
            }
        }
    }
}

extension IPEndpoint: CustomStringConvertible {
    package var description: String {
        family == .v4 ? "\(host):\(port)" : "[\(host)]:\(port)"
    }
}
