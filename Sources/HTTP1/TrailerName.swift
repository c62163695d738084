import HTTPMessage

/// The name of a trailer field as its bytes come: a decoder without a buffer can't look back at it.
///
/// RFC 9110 §6.5.1 forbids trailer fields that frame, route, authorise or describe the message. Peers that merge trailers
/// into the header section would act on them after everyone else has decided, so a body that brings one is refused.
@usableFromInline
struct TrailerName: BitwiseCopyable, Sendable {
    /// FNV-1a of the bytes, folded as gateways fold names: `Content_Length` is `content-length`.
    @usableFromInline var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    @usableFromInline var count = 0

    @inlinable init() {}

    mutating func append(_ byte: UInt8) {
        hash = (hash ^ UInt64(HTTPSyntax.foldedName(byte))) &* 0x100_0000_01b3
        count += 1
    }

    /// A name that only has the hash of one of these is refused too: that harms nobody but who searched for it.
    var isForbidden: Bool {
        switch count {
        case 2: isOne(of: "te")
        case 3: isOne(of: "via")
        case 4: isOne(of: "host")
        case 6: isOne(of: "cookie") || isOne(of: "expect")
        case 7: isOne(of: "trailer") || isOne(of: "upgrade")
        case 9: isOne(of: "forwarded") || isOne(of: "x-real-ip")
        case 10: isOne(of: "connection") || isOne(of: "keep-alive") || isOne(of: "set-cookie")
        case 12: isOne(of: "content-type") || isOne(of: "x-request-id") || isOne(of: "max-forwards")
        case 13: isOne(of: "authorization") || isOne(of: "cache-control") || isOne(of: "content-range")
        case 14: isOne(of: "content-length")
        case 15: isOne(of: "x-forwarded-for")
        case 16: isOne(of: "x-forwarded-host") || isOne(of: "content-encoding") || isOne(of: "proxy-connection")
        case 17: isOne(of: "transfer-encoding") || isOne(of: "x-forwarded-proto")
        case 19: isOne(of: "proxy-authorization")
        default: false
        }
    }

    private func isOne(of text: StaticString) -> Bool {
        var other = TrailerName()
        for index in 0..<text.utf8CodeUnitCount { unsafe other.append(text.utf8Start[index]) }
        return other.hash == hash
    }
}
