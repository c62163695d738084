/// Fields that the proxy itself acts on; everything else is `other` and passes by.
@usableFromInline
package enum FieldID: UInt8, BitwiseCopyable, Sendable {
    case other
    /// Spelled like one of the fields below but for its separators: `X_Forwarded_For`, `Content.Length`. A gateway to CGI
    /// or WSGI makes one variable of both (RFC 3875 §4.1.18), so no request may bring it to an endpoint.
    case lookalike
    case connection
    case contentLength
    case date
    case expect
    case forwarded
    case host
    case keepAlive
    case proxyConnection
    case te
    case trailer
    case transferEncoding
    case upgrade
    case via
    case xForwardedFor
    case xForwardedHost
    /// `X-Forwarded-` and anything else: port, prefix, scheme, …
    case xForwardedOther
    case xForwardedProto
    case xRealIP
    case xRequestID

    /// Names are compared without case (RFC 9110 §5.1).
    ///
    /// - Parameter name: A field name that is a `token`.
    package init(_ name: UnsafeBufferPointer<UInt8>) {
        guard let first = unsafe name.first else {
            self = .other
            return
        }
        switch (name.count, first | 0x20) {
        case (2, 0x74): self = unsafe name.matches("te") ? .te : .other
        case (3, 0x76): self = unsafe name.matches("via") ? .via : .other
        case (4, 0x68): self = unsafe name.matches("host") ? .host : .other
        case (4, 0x64): self = unsafe name.matches("date") ? .date : .other
        case (6, 0x65): self = unsafe name.matches("expect") ? .expect : .other
        case (7, 0x75): self = unsafe name.matches("upgrade") ? .upgrade : .other
        case (7, 0x74): self = unsafe name.matches("trailer") ? .trailer : .other
        case (9, 0x66): self = unsafe name.matches("forwarded") ? .forwarded : .other
        case (9, 0x78): self = unsafe .xRealIP.when(name, is: "x-real-ip")
        case (10, 0x63): self = unsafe name.matches("connection") ? .connection : .other
        case (10, 0x6b): self = unsafe .keepAlive.when(name, is: "keep-alive")
        case (12, 0x78): self = unsafe .xRequestID.when(name, is: "x-request-id")
        case (14, 0x63): self = unsafe .contentLength.when(name, is: "content-length")
        case (15, 0x78): self = unsafe .xForwardedFor.when(name, is: "x-forwarded-for", else: .xForwardedOther)
        case (16, 0x78): self = unsafe .xForwardedHost.when(name, is: "x-forwarded-host", else: .xForwardedOther)
        case (16, 0x70): self = unsafe .proxyConnection.when(name, is: "proxy-connection")
        case (17, 0x78): self = unsafe .xForwardedProto.when(name, is: "x-forwarded-proto", else: .xForwardedOther)
        case (17, 0x74): self = unsafe .transferEncoding.when(name, is: "transfer-encoding")
        case (13..., 0x78): self = unsafe FieldID.xForwardedOther.whenPrefix(of: name)
        default: self = .other
        }
    }

    /// This field when `name` is `text`, `.lookalike` when it differs in its separators only.
    private func when(
        _ name: UnsafeBufferPointer<UInt8>, is text: StaticString, else prefixed: FieldID = .other
    ) -> FieldID {
        if unsafe name.matches(text) { return self }
        if unsafe name.resembles(text) { return .lookalike }
        return unsafe prefixed == .other ? .other : prefixed.whenPrefix(of: name)
    }

    private func whenPrefix(of name: UnsafeBufferPointer<UInt8>) -> FieldID {
        guard name.count > 12 else { return .other }
        let front = unsafe UnsafeBufferPointer(rebasing: name[..<12])
        if unsafe front.matches("x-forwarded-") { return self }
        return unsafe front.resembles("x-forwarded-") ? .lookalike : .other
    }

    /// Fields of one connection, which a proxy never passes on (RFC 9110 §7.6.1). `Transfer-Encoding` isn't
    /// here: it goes with the framing.
    @inlinable
    package var isHopByHop: Bool {
        switch self {
        case .connection, .keepAlive, .proxyConnection, .te, .upgrade: true
        default: false
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Whether these bytes are `text` without regard to case.
    ///
    /// Folding by `| 0x20` is exact for the letters, digits, `-` and `_`-free words that are compared here,
    /// given that the bytes are `tchar`.
    ///
    /// - Parameter text: Lower-case ASCII letters, digits and hyphens.
    package func matches(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        let expected = unsafe text.utf8Start
        var difference: UInt8 = 0
        for index in 0..<count {
            unsafe difference |= (self[index] | 0x20) ^ (expected[index] | 0x20)
        }
        return difference == 0
    }

    /// Whether these bytes are `text` without regard to case, and with any separator where `text` has a hyphen.
    ///
    /// - Parameter text: Lower-case ASCII letters, digits and hyphens.
    package func resembles(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where unsafe HTTPSyntax.foldedName(self[index]) != text.utf8Start[index] {
            return false
        }
        return true
    }
}
