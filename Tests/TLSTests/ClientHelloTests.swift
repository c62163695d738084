import Testing

@testable import TLS

@Suite("ClientHello, RFC 8446 §4.1.2")
struct ClientHelloTests {
    private static func vector(_ lengthBytes: Int, _ bytes: [UInt8]) -> [UInt8] {
        (0..<lengthBytes).reversed().map { UInt8(truncatingIfNeeded: bytes.count >> ($0 * 8)) } + bytes
    }

    private static func extensionOf(_ type: UInt8, _ content: [UInt8]) -> [UInt8] { [0, type] + vector(2, content) }

    private static func name(_ text: String) -> [UInt8] {
        extensionOf(0, vector(2, [0] + vector(2, Array(text.utf8))))
    }

    private static func alpn(_ names: [String]) -> [UInt8] {
        extensionOf(16, vector(2, names.flatMap { vector(1, Array($0.utf8)) }))
    }

    /// The handshake message.
    private static func message(_ extensions: [UInt8]?) -> [UInt8] {
        var body: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32) + vector(1, [UInt8](repeating: 1, count: 32))
        body += vector(2, [0x13, 1, 0x13, 2]) + vector(1, [0])
        if let extensions { body += vector(2, extensions) }
        return [1] + vector(3, body)
    }

    /// In records of at most so many bytes.
    private static func records(_ message: [UInt8], of count: Int = 16 * 1024) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = message[...]
        while !rest.isEmpty {
            bytes += [0x16, 3, 1] + vector(2, Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return bytes
    }

    private static let hello = message(
        extensionOf(10, [0, 2, 0, 29]) + name("Shop.Example.") + alpn(["h2", "http/1.1"]) + extensionOf(43, [2, 3, 4]))
    private static let read = ClientHello(
        serverName: Array("shop.example".utf8), protocols: [Array("h2".utf8), Array("http/1.1".utf8)])

    @Test("name and protocols, in one record or in many", arguments: [16 * 1024, 100, 5, 4, 3, 1])
    func fragments(count: Int) {
        let bytes = Self.records(Self.hello, of: count)
        #expect(ClientHello.read(bytes.span) == .complete(Self.read))
        // What follows isn't looked at.
        #expect(ClientHello.read((bytes + [0xff, 0xff]).span) == .complete(Self.read))
    }

    @Test("every beginning is incomplete", arguments: [16 * 1024, 7, 1])
    func beginnings(count: Int) {
        let bytes = Self.records(Self.hello, of: count)
        for length in 0..<bytes.count {
            #expect(ClientHello.read(Array(bytes.prefix(length)).span) == .incomplete, "\(length) bytes")
        }
    }

    @Test("without extensions, without a name, with another type of name")
    func sparse() {
        for extensions in [nil, [], Self.extensionOf(0, Self.vector(2, [1] + Self.vector(2, [1])))] {
            #expect(ClientHello.read(Self.records(Self.message(extensions)).span) == .complete(ClientHello()))
        }
    }

    @Test("what is no ClientHello is refused as soon as it is seen")
    func foreign() {
        let cases: [[UInt8]] = [
            Array("GET / HTTP/1.1\r\n".utf8), [0x15], [0x16, 2], [0x16, 3, 1, 0, 0], [0x16, 3, 1, 0x40, 1],
            [0x16, 3, 1, 0, 1, 2], Self.records([2] + Self.hello.dropFirst()),
            Self.records(Self.message(Self.name("a") + Self.name("b"))),
            Self.records(Self.message(Self.alpn(["a"]) + Self.alpn(["a"]))),
            Self.records(Self.message(Self.name(""))), Self.records(Self.message(Self.alpn([""]))),
            Self.records(Self.message([0, 0, 0])), Self.records(Self.message([0, 0, 0, 9, 0])),
            Self.records([1, 0, 0, 4, 3, 3, 0, 0]),
        ]
        for bytes in cases { #expect(ClientHello.read(bytes.span) == .malformed, "\(bytes.prefix(16))") }
    }

    @Test("a message has 16 KiB at most", arguments: [(-1, true), (0, true), (1, false)])
    func bound(more: Int, isGood: Bool) {
        let overhead = Self.message(Self.extensionOf(21, [])).count
        let count = ClientHello.bytesMax - overhead + more
        let bytes = Self.records(Self.message(Self.extensionOf(21, [UInt8](repeating: 0, count: count))), of: 8000)
        #expect(ClientHello.read(bytes.span) == (isGood ? .complete(ClientHello()) : .malformed))
    }

    @Test("changed bytes are read, waited for or refused, and never trap", arguments: 0..<8)
    func mutations(seed: UInt64) {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let base = Self.records(Self.hello, of: 40)
        for _ in 0..<5000 {
            var bytes = base
            for _ in 0...next(3) { bytes[next(bytes.count)] = UInt8(next(256)) }
            if case .complete(let hello) = ClientHello.read(Array(bytes.prefix(next(bytes.count) + 1)).span) {
                #expect(hello.serverName.count < 64)
            }
        }
    }
}
