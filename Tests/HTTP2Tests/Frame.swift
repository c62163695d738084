/// A frame as bytes (RFC 9113 §4.1), right or wrong: nothing of it is checked.
struct Frame: Equatable, CustomStringConvertible {
    enum Kind: UInt8 {
        case data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation
    }
    static let endStream: UInt8 = 1
    static let ack: UInt8 = 1
    static let endHeaders: UInt8 = 4
    static let padded: UInt8 = 8
    static let hasPriority: UInt8 = 0x20

    var type: UInt8
    var flags: UInt8 = 0
    var stream: UInt32 = 0
    var payload: [UInt8] = []
    /// What the head says, when it isn't the truth.
    var statedLength: Int?

    init(_ kind: Kind, _ flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) {
        type = kind.rawValue
        self.flags = flags
        self.stream = stream
        self.payload = payload
    }

    init(type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) {
        self.type = type
        self.flags = flags
        self.stream = stream
        self.payload = payload
    }

    var bytes: [UInt8] {
        let length = statedLength ?? payload.count
        return [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
            + Frame.word(stream) + payload
    }

    static func word(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    /// All whole frames in `bytes`.
    static func all(in bytes: [UInt8]) -> [Frame] {
        var frames: [Frame] = []
        var rest = bytes[...]
        while rest.count >= 9 {
            let head = [UInt8](rest.prefix(9))
            let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
            guard rest.count >= 9 + length else { break }
            let stream = head[5...8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            frames.append(
                Frame(type: head[3], flags: head[4], stream: stream, [UInt8](rest.dropFirst(9).prefix(length))))
            rest = rest.dropFirst(9 + length)
        }
        return frames
    }

    /// The number in the payload at an offset.
    func number(at offset: Int) -> UInt32 {
        guard payload.count >= offset + 4 else { return .max }
        return payload[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }

    var kind: Kind? { Kind(rawValue: type) }

    var description: String {
        "\(kind.map { "\($0)" } ?? "type \(type)")(\(flags), stream \(stream), \(payload.count) bytes)"
    }
}

/// Field sections, encoded plainly (RFC 7541 §6.2.2: literal, not indexed, new name, no Huffman coding).
enum Fields {
    static let preface = [UInt8]("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    /// A request that is as it should be.
    static let get: [(String, String)] = [
        (":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/a?b=c"),
    ]
    static let post: [(String, String)] = [
        (":method", "POST"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/a"),
    ]

    static func encode(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { encode([UInt8]($0.0.utf8), [UInt8]($0.1.utf8)) }
    }

    static func encode(_ name: [UInt8], _ value: [UInt8]) -> [UInt8] { [0] + text(name) + text(value) }

    private static func text(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        var length: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest >= 128 {
            length.append(UInt8(rest & 127 | 128))
            rest >>= 7
        }
        return length + [UInt8(rest)] + bytes
    }
}

extension Frame {
    /// A whole request head on a stream.
    static func head(
        _ stream: UInt32, _ fields: [(String, String)], ends: Bool = true, flags: UInt8 = 0
    ) -> Frame {
        Frame(.headers, endHeaders | (ends ? endStream : 0) | flags, stream: stream, Fields.encode(fields))
    }

    static func data(_ stream: UInt32, _ text: String, ends: Bool = false) -> Frame {
        Frame(.data, ends ? endStream : 0, stream: stream, [UInt8](text.utf8))
    }

    static func reset(_ stream: UInt32, _ code: UInt32 = 8) -> Frame { Frame(.reset, stream: stream, word(code)) }

    static func settings(_ entries: [(UInt16, UInt32)] = []) -> Frame {
        Frame(.settings, entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + word($0.1) })
    }

    init(_ kind: Kind, _ payload: [UInt8]) { self.init(kind, 0, stream: 0, payload) }

    static func window(_ stream: UInt32, _ increment: UInt32) -> Frame {
        Frame(.windowUpdate, stream: stream, word(increment))
    }

    static let ping = Frame(.ping, [1, 2, 3, 4, 5, 6, 7, 8])
}
