import EventLoop
import Foundation
import Testing

@testable import Telemetry

/// A record with its texts, to be changed by a test.
struct LineInput {
    var record: AccessRecord
    var line = "GET /shop/cart?id=7&x=%20 HTTP/1.1"
    var host = "shop.example"
    var userAgent = "curl/8.5"
    var referer = ""
    var forwardedFor = ""
    var requestID = ""

    init() {
        record = AccessRecord(client: IPEndpoint("192.0.2.7:40000")!)
        record.startedAt = 1_763_690_832_345_000_000
        record.duration = 12_345_678
        record.connectTime = 1_000_000
        record.headTime = 11_000_999
        record.bytesIn = 80
        record.bytesOut = 1180
        record.headBytesOut = 180
        record.idHigh = 0x0123_4567_89ab_cdef
        record.idLow = 0xfedc_ba98_7654_3210
        record.status = 200
        record.attempts = 1
        record.minorVersion = 1
        record.termination = .done
        record.methodLength = 3
        record.pathStart = 4
        record.pathLength = 10
        record.queryStart = 15
        record.queryLength = 10
    }

    /// The line that this becomes, without its newline.
    func formatted(_ settings: AccessLogSettings, lineBytesMax: Int = LineBuffer.lineBytesMax) -> [UInt8] {
        let fixture = RingFixture(capacity: 65_536)
        var texts = AccessTexts()
        var line = Array(line.utf8)
        if line.suffix(9) == Array(" HTTP/1.1".utf8)[...], record.minorVersion != AccessRecord.noVersion {
            line.removeLast(9)
        }
        let parts = [line] + [host, userAgent, referer, forwardedFor, requestID].map { Array($0.utf8) }
        let memory = parts.map { part in
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(part.count, 1))
            copy.initialize(from: part, count: part.count)
            return copy
        }
        defer { for block in memory { block.deallocate() } }
        func text(_ index: Int) -> AccessText {
            AccessText(
                memory[index], parts[index].count,
                max: index == 0 ? AccessTexts.requestLineBytesMax : AccessTexts.textBytesMax)
        }
        texts.requestLine = text(0)
        texts.host = text(1)
        texts.userAgent = text(2)
        texts.referer = text(3)
        texts.forwardedFor = text(4)
        texts.requestID = text(5)
        #expect(fixture.ring.append(record, texts))
        var format = AccessLineFormat(settings)
        var buffer = LineBuffer()
        _ = fixture.ring.read { bytes in
            format.append(bytes, wallOffset: 0, lineBytesMax: lineBytesMax, to: &buffer)
            return true
        }
        #expect(buffer.rest.last == 0x0a)
        return Array(buffer.rest.dropLast())
    }

    func json(_ fields: [AccessField] = AccessField.allCases) -> String {
        String(decoding: formatted(AccessLogSettings(target: .standardOutput, fields: fields)), as: UTF8.self)
    }

    func combined() -> String {
        String(
            decoding: formatted(AccessLogSettings(target: .standardOutput, format: .combined)), as: UTF8.self)
    }
}

@Suite("Lines of the access log")
struct AccessLineTests {
    @Test("a JSON line with every field")
    func jsonGolden() {
        #expect(
            LineInput().json() == #"{"time":"2025-11-21T02:07:12.345Z","client_ip":"192.0.2.7","client_port":40000,"#
                + #""listener":null,"route":null,"pool":null,"endpoint":null,"method":"GET","host":"shop.example","#
                + #""path":"/shop/cart","query":"id=7&x=%20","version":"HTTP/1.1","status":200,"bytes_in":80,"#
                + #""bytes_out":1180,"duration":0.012345,"connect_time":0.001000,"ttfb":0.011000,"attempts":1,"#
                + #""termination":"done","request_id":"0123456789abcdeffedcba9876543210","user_agent":"curl/8.5","#
                + #""referer":null,"x_forwarded_for":null,"request":"GET /shop/cart?id=7&x=%20 HTTP/1.1"}"#)
    }

    @Test("the chosen fields, in the chosen order")
    func chosen() {
        #expect(LineInput().json([.status, .path]) == #"{"status":200,"path":"/shop/cart"}"#)
    }

    @Test("times that never came are null, a trusted client's id stands for ours")
    func absent() {
        var input = LineInput()
        input.record.connectTime = AccessRecord.never
        input.record.headTime = AccessRecord.never
        input.record.minorVersion = AccessRecord.noVersion
        input.requestID = "theirs"
        #expect(
            input.json([.connectTime, .ttfb, .version, .requestID])
                == #"{"connect_time":null,"ttfb":null,"version":null,"request_id":"theirs"}"#)
    }

    @Test("a combined line")
    func combinedGolden() {
        var input = LineInput()
        #expect(
            input.combined()
                == #"192.0.2.7 - - [21/Nov/2025:02:07:12 +0000] "GET /shop/cart?id=7&x=%20 HTTP/1.1" 200 1000 "-" "curl/8.5""#
        )
        input.record.client = IPEndpoint("[2001:db8::1]:1")!
        input.referer = "http://a/"
        #expect(input.combined().hasPrefix("2001:db8::1 - - ["))
        #expect(input.combined().hasSuffix(#" "http://a/" "curl/8.5""#))
    }

    @Test("a first line that is no request line is written as it came")
    func unreadable() {
        var input = LineInput()
        input.line = "\u{16}\u{3}\u{1}"
        input.record.methodLength = 0
        input.record.pathLength = 0
        input.record.queryLength = 0
        input.record.minorVersion = AccessRecord.noVersion
        #expect(
            input.json([.method, .path, .query, .request])
                == #"{"method":null,"path":null,"query":null,"request":"\u0016\u0003\u0001"}"#)
        #expect(input.combined().contains(#" "\x16\x03\x01" 200 "#))
    }

    /// Bytes of a header value, the inside of the JSON string, and of the combined one.
    static let hostile: [(bytes: [UInt8], json: String, combined: String)] = [
        (Array("a\"b\\c".utf8), #"a\"b\\c"#, #"a\x22b\x5Cc"#),
        ([0x0a, 0x0d, 0x09, 0x00, 0x1b, 0x7f], #"\u000a\u000d\u0009\u0000\u001b\u007f"#, #"\x0A\x0D\x09\x00\x1B\x7F"#),
        (Array("\",\"status\":500,\"".utf8), #"\",\"status\":500,\""#, #"\x22,\x22status\x22:500,\x22"#),
        (Array("é€😀".utf8), "é€😀", #"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"#),
        // Line ends of Unicode: NEL, LS, PS.
        (Array("\u{85}\u{2028}\u{2029}".utf8), #"\u0085\u2028\u2029"#, #"\xC2\x85\xE2\x80\xA8\xE2\x80\xA9"#),
        // No UTF-8: alone, cut short, overlong, a surrogate, beyond U+10FFFF.
        ([0x61, 0xff, 0x62], "a\u{fffd}b", #"a\xFFb"#),
        ([0xe2, 0x82], "\u{fffd}", #"\xE2\x82"#), ([0xc0, 0xaf], "\u{fffd}\u{fffd}", #"\xC0\xAF"#),
        ([0xed, 0xa0, 0x80], "\u{fffd}\u{fffd}\u{fffd}", #"\xED\xA0\x80"#),
        ([0xf4, 0x90, 0x80, 0x80], "\u{fffd}\u{fffd}\u{fffd}\u{fffd}", #"\xF4\x90\x80\x80"#),
        ([0xf0, 0x9f, 0x98, 0x41], "\u{fffd}A", #"\xF0\x9F\x98A"#),
    ]

    @Test("hostile bytes are escaped", arguments: hostile)
    func escapes(bytes: [UInt8], json: String, combined: String) {
        bytes.withUnsafeBufferPointer { pointer in
            let text = AccessText(pointer.baseAddress, pointer.count)
            var out = LineBuffer()
            out.append(json: text)
            #expect(String(decoding: out.rest, as: UTF8.self) == json)
            out.removeAll()
            out.append(combined: text)
            #expect(String(decoding: out.rest, as: UTF8.self) == combined)
        }
    }

    @Test(
        "whatever the bytes, a line is one line, and a JSON line is valid JSON",
        arguments: 1...200 as ClosedRange<UInt64>)
    func anyBytes(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in
            // Mostly what begins or goes on a UTF-8 sequence, or must be escaped.
            let interesting: [UInt8] = [
                0x22, 0x5c, 0x0a, 0xc2, 0x85, 0xe2, 0x80, 0xa8, 0xed, 0xa0, 0xf0, 0x9f, 0x98, 0xff,
            ]
            return Bool.random(using: &random)
                ? interesting.randomElement(using: &random)! : UInt8.random(in: 0...255, using: &random)
        }
        try bytes.withUnsafeBufferPointer { pointer in
            let text = AccessText(pointer.baseAddress, pointer.count)
            var out = LineBuffer()
            out.append("[\"")
            out.append(json: text)
            out.append("\"]")
            let line = Array(out.rest)
            #expect(!line.contains { $0 < 0x20 || $0 == 0x7f }, "seed \(seed)")
            let value = try JSONSerialization.jsonObject(with: Data(line)) as? [String]
            // Swift's own repair is the second implementation.
            #expect(value == [String(decoding: bytes, as: UTF8.self)], "seed \(seed)")
            out.removeAll()
            out.append(combined: text)
            #expect(out.rest.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != 0x22 }, "seed \(seed)")
        }
    }

    @Test("a text is cut at its limit", arguments: [-1, 0, 1])
    func textLimit(excess: Int) {
        var input = LineInput()
        input.userAgent = String(repeating: "u", count: AccessTexts.textBytesMax + excess)
        let kept = AccessTexts.textBytesMax + min(excess, 0)
        #expect(input.json([.userAgent]).utf8.count == #"{"user_agent":""}"#.utf8.count + kept)
    }

    @Test("a path is cut where the logged part of the request line ends")
    func lineLimit() {
        var input = LineInput()
        input.line = "GET /" + String(repeating: "p", count: 9000)
        input.record.pathLength = 9001
        input.record.queryStart = 9006
        input.record.queryLength = 5
        #expect(
            input.json([.path, .query])
                == #"{"path":"/\#(String(repeating: "p", count: AccessTexts.requestLineBytesMax - 5))","query":null}"#)
    }

    @Test("the longest line fits, and one for a pipe is made shorter until it does", arguments: [nil, 4096, 1888])
    func lineBound(limit: Int?) throws {
        var input = LineInput()
        let worst = String(repeating: "\u{1}", count: 5000)
        input.line = worst
        input.host = worst
        input.userAgent = worst
        input.referer = worst
        input.forwardedFor = worst
        input.requestID = worst
        input.record.methodLength = 1
        input.record.pathStart = 0
        input.record.pathLength = 2000
        input.record.queryStart = 2000
        input.record.queryLength = 2000
        let settings = AccessLogSettings(target: .standardOutput, fields: AccessField.allCases)
        let line = input.formatted(settings, lineBytesMax: limit ?? LineBuffer.lineBytesMax)
        #expect(line.count < limit ?? LineBuffer.lineBytesMax)
        if limit == nil { #expect(line.count > 6 * (8000 + 5 * AccessTexts.textBytesMax)) }
        _ = try JSONSerialization.jsonObject(with: Data(line))
    }

    @Test("numbers", arguments: [0, 9, 10, 99, 100, 999_999_999_999_999_999, .max] as [UInt64])
    func numbers(value: UInt64) {
        var out = LineBuffer()
        out.append(decimal: value)
        #expect(String(decoding: out.rest, as: UTF8.self) == "\(value)")
    }
}

struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
