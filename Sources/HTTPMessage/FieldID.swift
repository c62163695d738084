/// Fields that the proxy itself acts on; everything else is `other` and passes by.
@usableFromInline
package enum FieldID: UInt8, BitwiseCopyable, Sendable {
    case other
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
        case (9, 0x78): self = unsafe name.matches("x-real-ip") ? .xRealIP : .other
        case (10, 0x63): self = unsafe name.matches("connection") ? .connection : .other
        case (10, 0x6b): self = unsafe name.matches("keep-alive") ? .keepAlive : .other
        case (12, 0x78): self = unsafe name.matches("x-request-id") ? .xRequestID : .other
        case (14, 0x63): self = unsafe name.matches("content-length") ? .contentLength : .other
        case (15, 0x78): self = unsafe name.matches("x-forwarded-for") ? .xForwardedFor : .other
        case (16, 0x78): self = unsafe name.matches("x-forwarded-host") ? .xForwardedHost : .other
        case (16, 0x70): self = unsafe name.matches("proxy-connection") ? .proxyConnection : .other
        case (17, 0x78): self = unsafe name.matches("x-forwarded-proto") ? .xForwardedProto : .other
        case (17, 0x74): self = unsafe name.matches("transfer-encoding") ? .transferEncoding : .other
        default: self = .other
        }
    }

    /// Fields of one connection, which a proxy never passes on (RFC 9110 §7.6.1). `Transfer-Encoding` isn't
    /// here: it goes with the framing.
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
}
