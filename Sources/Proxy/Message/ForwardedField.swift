import EventLoop

extension HeadWriter {
    /// One element of `Forwarded` (RFC 7239 §4): `for=192.0.2.7;proto=http;host=shop.example;by=_sluice`.
    ///
    /// `by` is an obfuscated identifier (§6.3), as `Via` has it: which node it was is nobody's business.
    ///
    /// - Parameters:
    ///   - peer: Who sent the request; an IPv6 address is bracketed and quoted (§6).
    ///   - host: The request's authority, in which there is neither a quote nor a backslash; left out when empty.
    mutating func appendForwarded(
        peer: IPEndpoint, isSecure: Bool, host: UnsafePointer<UInt8>, _ hostCount: Int
    ) {
        append("for=")
        if peer.family == .v6 { append("\"[") }
        append(peer)
        if peer.family == .v6 { append("]\"") }
        append(isSecure ? ";proto=https" : ";proto=http")
        if hostCount > 0 {
            append(";host=")
            let isToken = unsafe HeadWriter.isNameWithoutPort(host, hostCount)
            if !isToken { append("\"") }
            unsafe append(host, hostCount)
            if !isToken { append("\"") }
        }
        append(";by=_sluice")
    }

    /// Letters, digits, `-` and `.`: a `token`, which needs no quotes.
    private static func isNameWithoutPort(_ host: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        for index in 0..<count {
            let byte = unsafe host[index]
            guard PercentEncoding.isUnreserved(byte) else { return false }
        }
        return true
    }
}
