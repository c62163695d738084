import HTTP1
import HTTPMessage
import Testing

/// A head arrives in pieces of any size: until its last byte it is incomplete, never refused and never complete.
@Suite("Incremental parsing")
struct IncrementalParsingTests {
    static let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
        "GET http://b:80/c?d HTTP/1.1\r\nHost: other\r\nX:\t \r\n\r\n",
        "POST /a/long/path/with/many/parts?and=a&query=too HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nConnection: close, x\r\nX-Long: \(String(repeating: "y", count: 70))\r\n\r\n",
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked \r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
    ]
    static let responses = [
        "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 500 \r\nTransfer-Encoding: chunked\r\n\r\n",
    ]

    @Test("each part of a request is incomplete", arguments: requests)
    func requestPrefixes(text: String) {
        let bytes = octets(text)
        for end in 0..<bytes.count {
            #expect(ParsedRequest(Array(bytes[..<end])).outcome == .incomplete, "first \(end) bytes")
        }
        #expect(ParsedRequest(bytes).outcome == .complete)
        #expect(ParsedRequest(bytes).head.length == bytes.count)
        #expect(HeadInvariants.requestFault(bytes) == nil)
    }

    @Test("each part of a response is incomplete", arguments: responses)
    func responsePrefixes(text: String) {
        let bytes = octets(text)
        for end in 0..<bytes.count {
            #expect(ParsedResponse(Array(bytes[..<end])).outcome == .incomplete, "first \(end) bytes")
        }
        #expect(ParsedResponse(bytes).outcome == .complete)
        #expect(ParsedResponse(bytes).head.length == bytes.count)
        #expect(HeadInvariants.responseFault(bytes) == nil)
    }

    @Test("pipelined requests are taken one after the other")
    func pipeline() {
        var rest = octets(Self.requests.joined())
        for text in Self.requests {
            let request = ParsedRequest(rest)
            #expect(request.outcome == .complete)
            #expect(request.head.length == text.utf8.count)
            rest.removeFirst(request.head.length)
        }
        #expect(rest.isEmpty)
    }

    /// Nothing of an earlier request may show in the next that the same head and table parse.
    @Test("a head and a table serve again and again")
    func reuse() {
        var head = RequestHead()
        var fields = FieldTable()
        for text in Self.requests + Self.requests.reversed() {
            let outcome = withExactCopy(of: octets(text)) { head.parse($0, limits: .standard, fields: &fields) }
            let fresh = ParsedRequest(text)
            #expect(outcome == .complete)
            let count = fields.count
            #expect(count == fresh.lines.count)
            #expect(String(describing: head) == String(describing: fresh.head))
        }
    }

    @Test(
        "a request line that no byte can mend isn't waited for",
        arguments: [
            "GET / \r\n\r\n", "GET / X", "GET /  ", "GET  ", "GET / HTTP/1.1\n", "GET / HTTP/1\r\n", "GET / HTTP/x",
            "GET\r\n", "GET /\r", "\n", "\r\r", " ",
        ])
    func hopeless(text: String) {
        guard case .failed = ParsedRequest(text).outcome else {
            Issue.record("\(ParsedRequest(text).outcome)")
            return
        }
        #expect(HeadInvariants.requestFault(octets(text)) == nil)
    }
}
