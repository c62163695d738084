import Foundation
import Testing

@testable import Forwarder

@Suite("ClientHello, RFC 8446 §4.1.2")
struct ClientHelloTests {
    private static let hello = HelloBytes.message(
        HelloBytes.extensionOf(10, [0, 2, 0, 29]) + HelloBytes.name("Shop.Example.")
            + HelloBytes.alpn(["h2", "http/1.1"]) + HelloBytes.extensionOf(43, [2, 3, 4]))
    private static let read = ReferenceHello(
        serverName: Array("Shop.Example".utf8), protocols: [Array("h2".utf8), Array("http/1.1".utf8)])

    private func read(_ bytes: [UInt8]) -> ReferenceHello.Outcome {
        var records = HelloRecords()
        return HelloInvariants.read(bytes, &records)
    }

    @Test("name and protocols, in one record or in many", arguments: [16 * 1024, 100, 5, 4, 3, 1])
    func fragments(count: Int) {
        let bytes = HelloBytes.records(Self.hello, of: count)
        #expect(read(bytes) == .complete(Self.read))
        // What follows isn't looked at.
        #expect(read(bytes + [0xff, 0xff]) == .complete(Self.read))
        #expect(HelloInvariants.fault(bytes) == nil)
    }

    @Test("every beginning is incomplete", arguments: [16 * 1024, 7, 1])
    func beginnings(count: Int) {
        let bytes = HelloBytes.records(Self.hello, of: count)
        var resumed = HelloRecords()
        for length in 0..<bytes.count {
            #expect(read(Array(bytes.prefix(length))) == .incomplete, "\(length) bytes")
            #expect(resumed.advance(Array(bytes.prefix(length)).span) == .incomplete, "\(length) bytes, resumed")
        }
        #expect(resumed.advance(bytes.span) == .complete)
    }

    @Test("64 protocols are read, 65 are not", arguments: [63, 64, 65])
    func protocols(count: Int) {
        let names = (0..<count).map { "p\($0)" }
        let bytes = HelloBytes.records(HelloBytes.message(HelloBytes.alpn(names)))
        let expected = ReferenceHello(protocols: names.map { Array($0.utf8) })
        #expect(read(bytes) == (count <= 64 ? .complete(expected) : .malformed))
        #expect(HelloInvariants.fault(bytes) == nil)
    }

    @Test("without extensions, without a name, with another type of name")
    func sparse() {
        let other = HelloBytes.extensionOf(0, HelloBytes.vector(2, [1] + HelloBytes.vector(2, [1])))
        for extensions in [nil, [], other] {
            #expect(read(HelloBytes.records(HelloBytes.message(extensions))) == .complete(ReferenceHello()))
        }
    }

    @Test("what is no ClientHello is refused as soon as it is seen")
    func foreign() {
        let cases: [[UInt8]] = [
            Array("GET / HTTP/1.1\r\n".utf8), [0x15], [0x16, 2], [0x16, 3, 1, 0, 0], [0x16, 3, 1, 0x40, 1],
            [0x16, 3, 1, 0, 1, 2], HelloBytes.records([2] + Self.hello.dropFirst()),
            HelloBytes.records(HelloBytes.message(HelloBytes.name("a") + HelloBytes.name("b"))),
            HelloBytes.records(HelloBytes.message(HelloBytes.alpn(["a"]) + HelloBytes.alpn(["a"]))),
            HelloBytes.records(HelloBytes.message(HelloBytes.name(""))),
            HelloBytes.records(HelloBytes.message(HelloBytes.alpn([""]))),
            HelloBytes.records(HelloBytes.message([0, 0, 0])), HelloBytes.records(HelloBytes.message([0, 0, 0, 9, 0])),
            HelloBytes.records([1, 0, 0, 4, 3, 3, 0, 0]), HelloBytes.records([1, 0, 0, 0]),
        ]
        for bytes in cases { #expect(read(bytes) == .malformed, "\(bytes.prefix(16))") }
    }

    @Test("a message has 16 KiB at most", arguments: [(-1, true), (0, true), (1, false)])
    func messageBound(more: Int, isGood: Bool) {
        let overhead = HelloBytes.message(HelloBytes.extensionOf(21, [])).count
        let padding = [UInt8](repeating: 0, count: HelloRecords.messageBytesMax - overhead + more)
        let bytes = HelloBytes.records(HelloBytes.message(HelloBytes.extensionOf(21, padding)), of: 8000)
        #expect(read(bytes) == (isGood ? .complete(ReferenceHello()) : .tooLarge))
        // A message that says that it is too large isn't waited for.
        if !isGood { #expect(read(Array(bytes.prefix(9))) == .tooLarge) }
    }

    @Test("with the headers of its records it has 32 KiB at most", arguments: [(-1, true), (0, true), (1, false)])
    func recordBound(more: Int, isGood: Bool) {
        // Records of one byte, and the rest in a last one.
        let overhead = HelloBytes.message(HelloBytes.extensionOf(21, [])).count
        let message = HelloBytes.message(
            HelloBytes.extensionOf(21, [UInt8](repeating: 0, count: 6000 - overhead)))
        let single = 5352
        let bytes =
            HelloBytes.records(Array(message.prefix(single)), of: 1)
            + HelloBytes.records(
                Array(message.dropFirst(single)) + [UInt8](repeating: 0, count: more + 3))
        #expect(bytes.count == HelloRecords.bytesMax + more)
        #expect(read(bytes) == (isGood ? .complete(ReferenceHello()) : .tooLarge))
    }

    @Test("changed bytes are read as the plain parser reads them, whole and one by one", arguments: 0..<8)
    func mutations(seed: UInt64) {
        var random = HelloRandom(seed: seed)
        for base in [HelloBytes.records(Self.hello, of: 40), HelloBytes.records(Self.hello)] {
            for _ in 0..<1000 {
                var bytes = base
                for _ in 0...random.next(3) { bytes[random.next(bytes.count)] = UInt8(random.next(256)) }
                let fault = HelloInvariants.fault(Array(bytes.prefix(random.next(bytes.count) + 1)))
                #expect(fault == nil, "seed \(seed): \(bytes)")
            }
        }
    }
}

/// `Tests/Corpus/tls/hello`: seeds of the fuzzer and every input that ever broke the parser.
@Suite("Corpus of the ClientHello fuzzer")
struct HelloCorpusTests {
    private static var folder: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Corpus/tls/hello")
    }

    private static var names: [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
        return (names ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    @Test("is there")
    func isThere() { #expect(Self.names.count >= 10) }

    @Test("inputs hold the invariants", arguments: names)
    func input(name: String) throws {
        let bytes = [UInt8](try Data(contentsOf: Self.folder.appending(path: name)))
        #expect(HelloInvariants.fault(bytes) == nil)
    }
}

/// The same numbers for the same seed on every host (Knuth's MMIX generator).
struct HelloRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1 }

    mutating func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
}
