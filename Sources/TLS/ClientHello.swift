/// What a client says first (RFC 8446 §4.1.2), as far as its connection is placed by it. Bytes in, value out; nothing is
/// decrypted.
package struct ClientHello: Equatable, Sendable {
    /// The host that it asks for (RFC 6066 §3), in lower case and without a dot at its end; empty for none.
    package var serverName: [UInt8] = []
    /// What it offers by ALPN (RFC 7301), in its order.
    package var protocols: [[UInt8]] = []

    package enum Outcome: Equatable {
        /// All bytes so far are those of a ClientHello, which isn't whole yet.
        case incomplete
        case complete(ClientHello)
        /// No ClientHello, or one that is larger than `bytesMax`.
        case malformed
    }

    /// Of the message, and of the records that carry it. Real ones have 200 to 2,000.
    package static let bytesMax = 16 * 1024

    /// - Parameter received: A connection's first bytes. The message may be spread over several records (RFC 8446 §5.1).
    package static func read(_ received: Span<UInt8>) -> Outcome {
        var message: [UInt8] = []
        var position = 0
        while true {
            guard received.count - position >= 5 else {
                return isBeginning(of: received, at: position) ? .incomplete : .malformed
            }
            guard isBeginning(of: received, at: position) else { return .malformed }
            let length = Int(received[position + 3]) << 8 | Int(received[position + 4])
            guard length > 0, length <= 16 * 1024 else { return .malformed }
            let end = position + 5 + length
            for index in position + 5..<min(end, received.count) { message.append(received[index]) }
            guard message.count <= bytesMax else { return .malformed }
            if let first = message.first, first != 1 { return .malformed }
            if message.count >= 4 {
                let count = Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
                guard count + 4 <= bytesMax else { return .malformed }
                if message.count >= count + 4 {
                    return body(message[4..<count + 4]).map { .complete($0) } ?? .malformed
                }
            }
            guard end <= received.count else { return end <= 2 * bytesMax ? .incomplete : .malformed }
            position = end
            // Records with next to nothing in them would make a short message a long wait.
            guard position <= 2 * bytesMax else { return .malformed }
        }
    }

    /// Whether what is there of a record's header is that of a handshake record of TLS.
    private static func isBeginning(of received: Span<UInt8>, at position: Int) -> Bool {
        if received.count > position, received[position] != 0x16 { return false }
        if received.count > position + 1, received[position + 1] != 3 { return false }
        return true
    }

    /// - Returns: nil when lengths contradict each other.
    private static func body(_ bytes: ArraySlice<UInt8>) -> ClientHello? {
        var reader = HelloReader(bytes)
        var hello = ClientHello()
        // legacy_version, random, legacy_session_id, cipher_suites, legacy_compression_methods
        guard reader.skip(2 + 32), reader.vector(lengthBytes: 1) != nil, reader.vector(lengthBytes: 2) != nil,
            reader.vector(lengthBytes: 1) != nil
        else { return nil }
        if reader.isAtEnd { return hello }
        guard var extensions = reader.vector(lengthBytes: 2), reader.isAtEnd else { return nil }
        var seen: (name: Bool, protocols: Bool) = (false, false)
        while !extensions.isAtEnd {
            guard let type = extensions.number(bytes: 2), let content = extensions.vector(lengthBytes: 2) else {
                return nil
            }
            // There must not be two of one type (RFC 8446 §4.2): which one counts would be a guess.
            switch type {
            case 0:
                guard !seen.name, let name = serverName(content) else { return nil }
                seen.name = true
                hello.serverName = name
            case 16:
                guard !seen.protocols, let protocols = protocols(content) else { return nil }
                seen.protocols = true
                hello.protocols = protocols
            default: break
            }
        }
        return hello
    }

    private static func serverName(_ content: HelloReader) -> [UInt8]? {
        var content = content
        guard var list = content.vector(lengthBytes: 2), content.isAtEnd else { return nil }
        var name: [UInt8]?
        while !list.isAtEnd {
            guard let type = list.number(bytes: 1), let value = list.vector(lengthBytes: 2) else { return nil }
            guard type == 0 else { continue }
            guard name == nil, !value.isAtEnd else { return nil }
            name = value.rest.map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }
        }
        if name?.last == 0x2e { name?.removeLast() }
        return name ?? []
    }

    private static func protocols(_ content: HelloReader) -> [[UInt8]]? {
        var content = content
        guard var list = content.vector(lengthBytes: 2), content.isAtEnd else { return nil }
        var protocols: [[UInt8]] = []
        while !list.isAtEnd {
            guard let name = list.vector(lengthBytes: 1), !name.isAtEnd else { return nil }
            protocols.append(Array(name.rest))
        }
        return protocols
    }
}

/// Reads numbers and vectors of RFC 8446 §3; every step is checked.
private struct HelloReader {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func skip(_ count: Int) -> Bool {
        guard rest.count >= count else { return false }
        rest = rest.dropFirst(count)
        return true
    }

    mutating func number(bytes count: Int) -> Int? {
        guard rest.count >= count else { return nil }
        let value = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(count)
        return value
    }

    mutating func vector(lengthBytes: Int) -> HelloReader? {
        guard let count = number(bytes: lengthBytes), rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return HelloReader(rest.prefix(count))
    }
}
