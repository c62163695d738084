import HTTP1
import HTTPMessage
import Testing

@Suite("Limits on a head: one less, exactly, one more")
struct HeadLimitTests {
    /// A request of exactly `count` bytes, padded in its target or in a field.
    private func request(of count: Int, inTarget: Bool = false) -> [UInt8] {
        let (front, back) =
            inTarget ? ("GET /", " HTTP/1.1\r\nHost: a\r\n\r\n") : ("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n")
        return octets(front) + [UInt8](repeating: 0x78, count: count - front.utf8.count - back.utf8.count)
            + octets(back)
    }

    @Test("bytes of a request head", arguments: [64, 1000, 32 * 1024, 60 * 1024, 65_535], [false, true])
    func requestBytes(limit: Int, inTarget: Bool) {
        let limits = HeadLimits(headBytesMax: limit, fieldCountMax: 100)
        for count in [limit - 1, limit] {
            let parsed = ParsedRequest(request(of: count, inTarget: inTarget), limits: limits)
            #expect(parsed.outcome == .complete)
            #expect(parsed.head.length == count)
            #expect(parsed.lines.last.map { Int($0.lineEnd) } == count - 2)
            let more = ParsedRequest(request(of: count, inTarget: inTarget) + octets("more"), limits: limits)
            #expect(more.outcome == .complete && more.head.length == count)
        }
        let above = request(of: limit + 1, inTarget: inTarget)
        #expect(ParsedRequest(above, limits: limits).outcome == .failed(.headTooLarge))
        #expect(ParsedRequest(Array(above[..<limit]), limits: limits).outcome == .failed(.headTooLarge))
        #expect(ParsedRequest(Array(above[..<(limit - 1)]), limits: limits).outcome == .incomplete)
    }

    /// Offsets are 16 bits wide: in a head of 60 KiB they must not wrap.
    @Test("offsets at the end of the widest head")
    func wideOffsets() throws {
        let tail = "\r\nX-Last: the end\r\n\r\n"
        let front = request(of: 65_535 - tail.utf8.count + 4).dropLast(4)
        let parsed = ParsedRequest(front + octets(tail), limits: .widest)
        #expect(parsed.outcome == .complete)
        #expect(parsed.head.length == 65_535)
        #expect(parsed.fields.last == ParsedField(name: "X-Last", value: "the end", id: .other))
    }

    @Test("bytes of a request line without an end", arguments: [64, 4096])
    func requestLine(limit: Int) {
        let limits = HeadLimits(headBytesMax: limit, fieldCountMax: 100)
        for front in ["GET /", "GET", "GET http://a/"] {
            let line = octets(front) + [UInt8](repeating: 0x78, count: limit)
            #expect(ParsedRequest(Array(line[..<(limit - 1)]), limits: limits).outcome == .incomplete)
            #expect(ParsedRequest(Array(line[..<limit]), limits: limits).outcome == .failed(.targetTooLong))
            #expect(ParsedRequest(line, limits: limits).outcome == .failed(.targetTooLong))
        }
    }

    @Test("bytes of a response head", arguments: [64, 32 * 1024, 65_535])
    func responseBytes(limit: Int) {
        let limits = HeadLimits(headBytesMax: limit, fieldCountMax: 100)
        for (front, back) in [("HTTP/1.1 200 ", "\r\n\r\n"), ("HTTP/1.1 200 OK\r\nX: ", "\r\n\r\n")] {
            func response(of count: Int) -> [UInt8] {
                octets(front) + [UInt8](repeating: 0x78, count: count - front.utf8.count - 4) + octets(back)
            }
            for count in [limit - 1, limit] {
                let parsed = ParsedResponse(response(of: count), limits: limits)
                #expect(parsed.outcome == .complete)
                #expect(parsed.head.length == count)
            }
            #expect(ParsedResponse(response(of: limit + 1), limits: limits).outcome == .failed(.headTooLarge))
            #expect(
                ParsedResponse(Array(response(of: limit + 1)[..<(limit - 1)]), limits: limits).outcome == .incomplete)
        }
    }

    @Test("number of fields", arguments: [1, 2, 100, 255, 256])
    func fieldCount(limit: Int) {
        let limits = HeadLimits(headBytesMax: 65_535, fieldCountMax: limit)
        func head(_ count: Int) -> String { (0..<count).map { "X\($0): y\r\n" }.joined() + "\r\n" }
        for count in [limit - 1, limit, limit + 1] {
            let expected: ParseOutcome = count > limit ? .failed(.tooManyFields) : .complete
            // `Host` is one of them.
            if count > 0 {
                let request = ParsedRequest("GET / HTTP/1.1\r\nHost: a\r\n" + head(count - 1), limits: limits)
                #expect(request.outcome == expected)
                if count <= limit { #expect(request.lines.count == count) }
            }
            #expect(ParsedResponse("HTTP/1.1 200 OK\r\n" + head(count), limits: limits).outcome == expected)
        }
    }

    @Test("the status of each error", arguments: HTTP1Error.allCases)
    func status(error: HTTP1Error) {
        switch error {
        case .headTooLarge, .tooManyFields: #expect(error.status == 431)
        case .targetTooLong: #expect(error.status == 414)
        case .unsupportedVersion: #expect(error.status == 505)
        default: #expect(error.status == 400)
        }
    }
}
