/// Where a certificate says that its status is told: an `http://` address (RFC 6960 §3.1 and appendix A.1).
///
/// Never `https`: responses are signed, and whoever verified a responder's certificate would have to ask for its status.
package struct OCSPResponder: Hashable, Sendable, CustomStringConvertible {
    /// A name or an IP address, without brackets.
    package let host: String
    package let port: UInt16
    /// Path and query, at least `/`: what stands in the request line.
    package let target: String

    /// Longer ones are refused; those of public authorities have some 40 bytes.
    static let bytesMax = 1024

    /// - Returns: nil for anything but `http://host`, `http://host:port` and these with a path and a query; with credentials,
    ///   a fragment, or bytes that may not stand in a request line.
    package init?(_ url: String) {
        let scheme = "http://"
        guard url.utf8.count <= OCSPResponder.bytesMax, url.prefix(scheme.count).lowercased() == scheme,
            url.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !url.contains("#")
        else { return nil }
        let rest = url.dropFirst(scheme.count)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        guard let (host, port) = OCSPResponder.authority(rest[..<end]) else { return nil }
        self.host = host
        self.port = port
        target = rest[end...].hasPrefix("/") ? String(rest[end...]) : "/" + rest[end...]
    }

    private static func authority(_ text: Substring) -> (host: String, port: UInt16)? {
        let host: Substring
        let rest: Substring
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = text[..<close].dropFirst()
            rest = text[text.index(after: close)...]
            guard host.utf8.allSatisfy({ isHexadecimal($0) || $0 == 0x3a || $0 == 0x2e }) else { return nil }
        } else {
            let colon = text.firstIndex(of: ":") ?? text.endIndex
            (host, rest) = (text[..<colon], text[colon...])
            guard host.utf8.allSatisfy(isOfName) else { return nil }
        }
        guard !host.isEmpty else { return nil }
        if rest.isEmpty { return (String(host), 80) }
        let digits = rest.dropFirst()
        guard rest.hasPrefix(":"), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits), port > 0
        else { return nil }
        return (String(host), port)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20)
    }

    /// Letters, digits, `-`, `.` and `_`: names of hosts and IPv4 addresses.
    private static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == 0x2d || byte == 0x2e
            || byte == 0x5f
    }

    /// Host and port as `Host` has them (RFC 9110 §7.2).
    package var authority: String {
        let host = host.contains(":") ? "[\(host)]" : host
        return port == 80 ? host : "\(host):\(port)"
    }

    package var description: String { "http://\(authority)\(target)" }
}
