/// ClientHellos (RFC 8446 §4.1.2), byte by byte.
enum HelloBytes {
    static func vector(_ lengthBytes: Int, _ bytes: [UInt8]) -> [UInt8] {
        (0..<lengthBytes).reversed().map { UInt8(truncatingIfNeeded: bytes.count >> ($0 * 8)) } + bytes
    }

    static func extensionOf(_ type: UInt8, _ content: [UInt8]) -> [UInt8] { [0, type] + vector(2, content) }

    static func name(_ text: String) -> [UInt8] {
        extensionOf(0, vector(2, [0] + vector(2, Array(text.utf8))))
    }

    /// The list in the extension.
    static func protocolList(_ names: [String]) -> [UInt8] { names.flatMap { vector(1, Array($0.utf8)) } }

    static func alpn(_ names: [String]) -> [UInt8] { extensionOf(16, vector(2, protocolList(names))) }

    /// The handshake message.
    static func message(_ extensions: [UInt8]?) -> [UInt8] {
        var body: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32) + vector(1, [UInt8](repeating: 1, count: 32))
        body += vector(2, [0x13, 1, 0x13, 2]) + vector(1, [0])
        if let extensions { body += vector(2, extensions) }
        return [1] + vector(3, body)
    }

    /// In records of at most so many bytes.
    static func records(_ message: [UInt8], of count: Int = 16 * 1024) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = message[...]
        while !rest.isEmpty {
            bytes += [0x16, 3, 1] + vector(2, Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return bytes
    }

    /// What a client of that name sends first.
    static func hello(_ name: String?, _ protocols: [String] = [], of count: Int = 16 * 1024) -> [UInt8] {
        records(
            message(
                (name.map(HelloBytes.name) ?? []) + (protocols.isEmpty ? [] : alpn(protocols))
                    + extensionOf(43, [2, 3, 4])), of: count)
    }
}
