import HTTPMessage
import Testing

@testable import Proxy

@Suite("Bodies passed on, RFC 9112 §6–§7")
struct BodyProgressTests {
    /// Feeds `body` in pieces of `size`, sends at most `room` bytes at once, and gives what was passed on.
    private func pass(
        _ body: String, _ framing: BodyFraming, dropsFraming: Bool = false, size: Int, room: Int
    ) -> (passed: String, isComplete: Bool, isMalformed: Bool, left: Int) {
        var progress = BodyProgress(framing, dropsFraming: dropsFraming)
        var buffer: [UInt8] = []
        var passed: [UInt8] = []
        var rest = [UInt8](body.utf8)[...]
        while true {
            var isWaiting = false
            while !isWaiting {
                let piece = (buffer + [0]).withUnsafeBufferPointer { progress.next($0.baseAddress!, buffer.count) }
                switch piece {
                case .send(let count):
                    let sent = min(count, room)
                    passed += buffer[..<sent]
                    buffer.removeFirst(sent)
                    progress.advance(sent)
                case .skip(let count): buffer.removeFirst(count)
                case .wait: isWaiting = true
                case .malformed: return (String(decoding: passed, as: UTF8.self), false, true, buffer.count)
                }
            }
            if progress.isComplete || rest.isEmpty { break }
            buffer += rest.prefix(size)
            rest = rest.dropFirst(size)
        }
        return (String(decoding: passed, as: UTF8.self), progress.isComplete, false, buffer.count + rest.count)
    }

    private static let sizes = [1, 2, 3, 5, 7, 100]
    private static let chunked = "4\r\nWiki\r\n5;ext=1\r\npedia\r\n0;last\r\nX-Trailer: 1\r\n\r\n"

    @Test("a body of known length ends there, and what follows stays", arguments: sizes, sizes)
    func length(size: Int, room: Int) {
        let result = pass("helloGET / HTTP/1.1", .length(5), size: size, room: room)
        #expect(result.passed == "hello")
        #expect(result.isComplete)
        #expect(result.left == 14)
    }

    @Test("a chunked body goes on without its extensions, up to its last byte", arguments: sizes, sizes)
    func chunkedWithoutExtensions(size: Int, room: Int) {
        let result = pass(Self.chunked + "GET", .chunked, size: size, room: room)
        #expect(result.passed == Self.chunked.replacing(";ext=1", with: "").replacing(";last", with: ""))
        #expect(result.isComplete)
        #expect(result.left == 3)
    }

    @Test("without its framing a chunked body is its data", arguments: sizes, sizes)
    func chunkedWithoutFraming(size: Int, room: Int) {
        let result = pass(Self.chunked, .chunked, dropsFraming: true, size: size, room: room)
        #expect(result.passed == "Wikipedia")
        #expect(result.isComplete)
    }

    @Test("a malformed chunk is seen", arguments: sizes, ["4\nWiki", "xyz\r\n", "4\r\nWikiX\r\n", "-1\r\n"])
    func malformed(size: Int, body: String) {
        #expect(pass(body, .chunked, size: size, room: 100).isMalformed)
    }

    @Test("the end of the stream completes only a body that is delimited by it")
    func endOfStream() {
        for (framing, completes) in [
            (BodyFraming.untilClose, true), (.length(1), false), (.chunked, false), (.none, true), (.length(0), true),
        ] {
            var progress = BodyProgress(framing)
            #expect(progress.endOfStream() == completes, "\(framing)")
        }
    }

    @Test("only plain bodies may be spliced")
    func spliceable() {
        #expect(BodyProgress(.length(70_000)).spliceable == 70_000)
        #expect(BodyProgress(.untilClose).spliceable == UInt64.max)
        #expect(BodyProgress(.chunked).spliceable == 0)
        #expect(BodyProgress(.none).spliceable == 0)
    }
}
