import HTTP1
import Testing

@Suite("Chunked bodies, RFC 9112 §7.1")
struct ChunkedDecoderTests {
    static let bodies = [
        ("0\r\n\r\n", ""), ("5\r\nhello\r\n0\r\n\r\n", "hello"), ("1\r\na\r\n2\r\nbc\r\n00\r\n\r\n", "abc"),
        ("a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", "01234567890123456789"),
        ("000000000000005\r\n\r\n\r\n\r\r\n0\r\n\r\n", "\r\n\r\n\r"), ("3;a\r\nabc\r\n0;b=c;d=\"e f\"\r\n\r\n", "abc"),
        ("3;\r\nabc\r\n0\r\n\r\n", "abc"),
        ("2;\t x \u{e9}\r\nab\r\n0\r\nA: b\r\nLong-Name:\r\nc:\t d \u{ff}\r\n\r\n", "ab"),
        ("10\r\n0\r\n\r\n0\r\n\r\nabcdef\r\n0\r\n\r\n", "0\r\n\r\n0\r\n\r\nabcdef"),
    ]

    @Test("whole", arguments: bodies)
    func whole(body: String, data: String) {
        let run = ChunkedRun(octets(body))
        #expect(run.verdict == .ended)
        #expect(run.data == octets(data))
        #expect(run.length == octets(body).count)
        #expect(run == ChunkedRun.reference(octets(body)))
    }

    @Test("cut anywhere, once, twice, and between all bytes", arguments: bodies)
    func splits(body: String, data: String) {
        let bytes = octets(body)
        let whole = ChunkedRun(bytes)
        #expect(ChunkedRun(bytes) { _ in 1 } == whole)
        for first in 1..<bytes.count {
            for second in first..<bytes.count {
                let run = ChunkedRun(bytes) { start in
                    start < first ? first - start : start < second ? second - start : .max / 2
                }
                #expect(run == whole, "cut at \(first) and \(second)")
            }
        }
    }

    @Test("each part of a body is unfinished", arguments: bodies)
    func prefixes(body: String, data: String) {
        let bytes = octets(body)
        for end in 0..<bytes.count {
            let run = ChunkedRun(Array(bytes[..<end]))
            #expect(run.verdict == .unfinished, "first \(end) bytes")
            #expect(octets(data).starts(with: run.data))
        }
    }

    @Test("what follows the body is left alone", arguments: bodies)
    func following(body: String, data: String) {
        for tail in ["\0", "GET / HTTP/1.1\r\n\r\n", "0\r\n\r\n"] {
            let run = ChunkedRun(octets(body + tail))
            #expect(run.verdict == .ended)
            #expect(run.length == octets(body).count)
        }
    }

    @Test(
        "malformed",
        arguments: [
            // Size: no digits, sign, prefix, space, letters, too many digits.
            "\r\n", "\n", ";a\r\n", " 5\r\n", "5 \r\n", "5\t;a\r\n", "+5\r\n", "-1\r\n", "0x5\r\n", "5h\r\n", "5,\r\n",
            "5.0\r\n", "g\r\n", "\0",
            "5_\r\n", "\u{b2}\r\n", "0000000000000005\r\n", "fffffffffffffffff\r\n", "8000000000000000\r\n",
            "10000000000000000\r\n",
            // Ends of lines.
            "5\nhello\r\n", "5\r\r\nhello", "5\rhello", "5;a\nhello", "5;a\rb\r\n", "5;a\0\r\n", "5;\u{7f}\r\n",
            "5;a=\"\r\nhello\"\r\n",
            // After the data.
            "5\r\nhelloX", "5\r\nhello\n", "5\r\nhello\rX", "5\r\nhello\r\r", "5\r\nhello0\r\n\r\n",
            "5\r\nhell\r\n0\r\n\r\n", "5\r\nhello\r\n\r\n",
            // The last chunk and the trailer section.
            "0\n", "0\r\n\n", "0\r\n\rX", "0\r\n A: b\r\n", "0\r\nA\r\n", "0\r\n: b\r\n", "0\r\nA : b\r\n",
            "0\r\nA: b\n", "0\r\nA: b\r\r",
            "0\r\nA: b\r\n c\r\n", "0\r\nA: \0\r\n", "0\r\nA\u{e9}: b\r\n", "0\r\nA: b\u{1}\r\n\r\n", "0\r\nA b: c\r\n",
            "0\r\nA: b\r\nGET / HTTP/1.1\r\n",
        ])
    func malformed(body: String) {
        // In front of it a good chunk, so that the fault isn't at the start only.
        for front in ["", "3\r\nabc\r\n"] {
            let bytes = octets(front + body)
            let run = ChunkedRun(bytes)
            #expect(run.verdict == .malformed)
            #expect(ChunkedRun(bytes) { _ in 1 } == run)
            for extra in ["\r\n", "0\r\n\r\n"] { #expect(ChunkedRun(bytes + octets(extra)).verdict == .malformed) }
        }
    }

    @Test("fifteen digits are the most a size may have")
    func largestSize() {
        var decoder = ChunkedDecoder()
        let line = octets("fffffffffffffff\r\nab")
        #expect(withExactCopy(of: line) { decoder.step($0, from: 0) } == .framing(17))
        #expect(withExactCopy(of: line) { decoder.step($0, from: 17) } == .data(2))
        #expect(!decoder.hasEnded)
    }

    @Test("a size line has its limit, each anew")
    func sizeLine() {
        func line(_ count: Int) -> String { "1;" + String(repeating: "x", count: count - 4) + "\r\n" }
        let most = ChunkedDecoder.lineBytesMax
        for count in [most - 1, most] {
            let run = ChunkedRun(octets(line(count) + "a\r\n" + line(count) + "b\r\n0\r\n\r\n"))
            #expect(run.verdict == .ended)
            #expect(run.data == octets("ab"))
        }
        #expect(ChunkedRun(octets(line(most + 1) + "a\r\n0\r\n\r\n")).verdict == .malformed)
        #expect(ChunkedRun(octets("1;" + String(repeating: "x", count: most - 2))).verdict == .unfinished)
        #expect(ChunkedRun(octets("1;" + String(repeating: "x", count: most - 1))).verdict == .malformed)
    }

    @Test("the trailer section has its limit, all lines together")
    func trailerSection() {
        let most = ChunkedDecoder.trailerBytesMax
        func section(_ count: Int) -> String {
            "A: b\r\nC: " + String(repeating: "x", count: count - 13) + "\r\n\r\n"
        }
        for count in [most - 1, most] {
            #expect(section(count).utf8.count == count)
            #expect(ChunkedRun(octets("0\r\n" + section(count))).verdict == .ended)
        }
        #expect(ChunkedRun(octets("0\r\n" + section(most + 1))).verdict == .malformed)
        #expect(ChunkedRun(octets("0\r\n" + String(repeating: "A:\r\n", count: most / 4 + 1))).verdict == .malformed)
    }

    @Test("a thousand random bodies, cut at random", arguments: [1, 2, 3, 4] as [UInt64])
    func random(seed: UInt64) {
        var generator = SplitMix(state: seed)
        for _ in 0..<250 {
            var body: [UInt8] = []
            var data: [UInt8] = []
            for _ in 0..<(generator.next() % 5) {
                let chunk = (0..<(1 + generator.next() % 40)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
                body +=
                    octets(String(chunk.count, radix: 16) + (generator.next() % 3 == 0 ? ";x\r\n" : "\r\n")) + chunk + [
                        13, 10,
                    ]
                data += chunk
            }
            body += octets("0\r\n" + (generator.next() % 3 == 0 ? "T: u\r\n\r\n" : "\r\n"))
            let run = ChunkedRun(body) { _ in Int(generator.next() % 30) }
            #expect(run.verdict == .ended, "seed \(seed)")
            #expect(run.data == data, "seed \(seed)")
            #expect(run.length == body.count, "seed \(seed)")
        }
    }
}

@Suite("Trailer fields, RFC 9110 §6.5.1")
struct TrailerTests {
    private func verdict(_ name: String) -> ChunkedRun.Verdict {
        let bytes = octets("3\r\nabc\r\n0\r\nA: b\r\n\(name): c\r\n\r\n")
        let run = ChunkedRun(bytes)
        #expect(ChunkedRun(bytes) { _ in 1 } == run)
        return run.verdict
    }

    @Test("a name that may not come last, in any case and with any separator", arguments: ChunkedRun.forbiddenTrailers)
    func forbidden(name: String) {
        for name in [name, name.uppercased(), name.replacing("-", with: "_"), name.replacing("-", with: ".")] {
            #expect(verdict(name) == .malformed, "\(name)")
        }
    }

    @Test("names beside those pass", arguments: ChunkedRun.forbiddenTrailers)
    func neighbours(name: String) {
        for other in [name + "s", "x" + name, String(name.dropLast()) + "0"] {
            #expect(verdict(other) == .ended, "\(other)")
        }
    }

    @Test("the fault says which it is")
    func fault() {
        for (text, fault) in [
            ("0\r\nHost: a\r\n", HTTP1Error.forbiddenTrailer), ("0\r\nA b\r\n", .malformedChunk),
            ("x", .malformedChunk),
        ] {
            var decoder = ChunkedDecoder()
            let bytes = octets(text)
            var position = 0
            withExactCopy(of: bytes) { span in
                while true {
                    switch decoder.step(span, from: position) {
                    case .data(let count), .framing(let count), .chunkExtension(let count), .end(let count):
                        position += count
                    case .more, .malformed: return
                    }
                }
            }
            #expect(decoder.fault == fault)
        }
    }
}
