/// What a client says first (RFC 8446 §4.1.2), as far as its connection is placed by it: where its parts stand in the
/// message. Bytes in, offsets out; nothing is decrypted, and nothing allocated.
struct ClientHello: Equatable {
    /// A part of the message.
    struct Part: Equatable, BitwiseCopyable {
        var start = 0
        var end = 0

        var isEmpty: Bool { start == end }
    }

    /// The host that it asks for (RFC 6066 §3), as it was sent but without a dot at its end; empty for none.
    var serverName = Part()
    /// What it offers by ALPN (RFC 7301 §3.1), in its order: names of 1…255 bytes, each behind a byte that says how many;
    /// empty for none.
    var protocols = Part()
    /// Names in `protocols` at most: each route compares them with those that it wants. Browsers offer two.
    static let protocolsMax = 64

    /// - Parameter body: The message without the four bytes of type and length.
    /// - Returns: nil when lengths contradict each other, or a part stands there twice.
    init?(_ body: Span<UInt8>) {
        var reader = HelloReader(Part(start: 0, end: body.count))
        // legacy_version, random, legacy_session_id, cipher_suites, legacy_compression_methods
        guard reader.skip(2 + 32), reader.vector(lengthBytes: 1, of: body) != nil,
            reader.vector(lengthBytes: 2, of: body) != nil, reader.vector(lengthBytes: 1, of: body) != nil
        else { return nil }
        if reader.isAtEnd { return }
        guard var extensions = reader.vector(lengthBytes: 2, of: body), reader.isAtEnd else { return nil }
        var hasName = false
        var hasProtocols = false
        while !extensions.isAtEnd {
            guard let type = extensions.number(bytes: 2, of: body),
                let content = extensions.vector(lengthBytes: 2, of: body)
            else { return nil }
            // There must not be two of one type (RFC 8446 §4.2): which one counts would be a guess.
            switch type {
            case 0:
                guard !hasName, readName(content, body) else { return nil }
                hasName = true
            case 16:
                guard !hasProtocols, readProtocols(content, body) else { return nil }
                hasProtocols = true
            default: break
            }
        }
    }

    private mutating func readName(_ content: HelloReader, _ body: Span<UInt8>) -> Bool {
        var content = content
        guard var list = content.vector(lengthBytes: 2, of: body), content.isAtEnd else { return false }
        while !list.isAtEnd {
            guard let type = list.number(bytes: 1, of: body), let name = list.vector(lengthBytes: 2, of: body) else {
                return false
            }
            guard type == 0 else { continue }
            guard serverName.end == 0, !name.isAtEnd else { return false }
            serverName = name.rest
            if body[serverName.end - 1] == 0x2e { serverName.end -= 1 }
        }
        return true
    }

    private mutating func readProtocols(_ content: HelloReader, _ body: Span<UInt8>) -> Bool {
        var content = content
        guard var list = content.vector(lengthBytes: 2, of: body), content.isAtEnd else { return false }
        protocols = list.rest
        var count = 0
        while !list.isAtEnd {
            count += 1
            guard let name = list.vector(lengthBytes: 1, of: body), !name.isAtEnd, count <= ClientHello.protocolsMax
            else {
                return false
            }
        }
        return true
    }
}

/// Reads numbers and vectors of RFC 8446 §3; every step is checked.
private struct HelloReader {
    private(set) var rest: ClientHello.Part

    init(_ part: ClientHello.Part) { rest = part }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func skip(_ count: Int) -> Bool {
        guard rest.end - rest.start >= count else { return false }
        rest.start += count
        return true
    }

    mutating func number(bytes count: Int, of body: Span<UInt8>) -> Int? {
        let start = rest.start
        guard skip(count) else { return nil }
        var value = 0
        for index in start..<start + count { value = value << 8 | Int(body[index]) }
        return value
    }

    mutating func vector(lengthBytes: Int, of body: Span<UInt8>) -> HelloReader? {
        guard let count = number(bytes: lengthBytes, of: body) else { return nil }
        let start = rest.start
        guard skip(count) else { return nil }
        return HelloReader(ClientHello.Part(start: start, end: start + count))
    }
}
