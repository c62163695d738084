import HTTP1
import Testing

/// Bytes that a peer may send and must not get through, and why they are refused.
struct HostileCase: CustomTestStringConvertible {
    let text: String
    let error: HTTP1Error

    init(_ text: String, _ error: HTTP1Error) {
        self.text = text
        self.error = error
    }

    var testDescription: String { text.debugDescription }
}

/// Requests of smuggling corpora (desynchronisation by framing, by line ends, by names, by targets) and of
/// careless peers. Each is a whole head, so the parser has all it needs to say no.
@Suite("Hostile requests")
struct HostileRequestTests {
    private static func withFields(_ fields: [(String, HTTP1Error)]) -> [HostileCase] {
        fields.map { HostileCase("POST / HTTP/1.1\r\nHost: a\r\n\($0.0)\r\n\r\n", $0.1) }
    }

    private static func withLine(_ lines: [(String, HTTP1Error)]) -> [HostileCase] {
        lines.map { HostileCase("\($0.0)\r\nHost: a\r\n\r\n", $0.1) }
    }

    /// Content-Length against Transfer-Encoding, and either against itself.
    static let framing = withFields([
        ("Content-Length: 6\r\nTransfer-Encoding: chunked", .ambiguousLength),
        ("Transfer-Encoding: chunked\r\nContent-Length: 6", .ambiguousLength),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0", .ambiguousLength),
        ("Content-Length: 0\r\nX: y\r\ntransfer-encoding: Chunked", .ambiguousLength),
        ("Content-Length: 6\r\nContent-Length: 5", .ambiguousLength),
        ("Content-Length: 6\r\nContent-Length: 6", .ambiguousLength),
        ("Content-Length: 6\r\nX: y\r\nCONTENT-LENGTH: 6", .ambiguousLength),
        ("Content-Length: 0\r\nContent-Length: 44", .ambiguousLength),
        ("Content-Length: 6, 6", .malformedLength), ("Content-Length: 6,5", .malformedLength),
        ("Content-Length: ,6", .malformedLength),
        ("Content-Length: +6", .malformedLength), ("Content-Length: -6", .malformedLength),
        ("Content-Length: 6 6", .malformedLength),
        ("Content-Length: 0x6", .malformedLength), ("Content-Length: 6e1", .malformedLength),
        ("Content-Length: 6_0", .malformedLength),
        ("Content-Length: 6.0", .malformedLength), ("Content-Length: \"6\"", .malformedLength),
        ("Content-Length: ", .malformedLength),
        ("Content-Length: abc", .malformedLength), ("Content-Length: 6;", .malformedLength),
        ("Content-Length: 6\u{a0}", .malformedLength),
        ("Content-Length: \u{b2}", .malformedLength), ("Content-Length: 18446744073709551616", .malformedLength),
        ("Content-Length: 18446744073709551622", .malformedLength),
        ("Content-Length: 9223372036854775808", .malformedLength),
        ("Content-Length: 00000000000000000006", .malformedLength),
        ("Content-Length: 4294967296000000000", .malformedLength),
        ("Transfer-Encoding: xchunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: chunkedx", .unsupportedTransferCoding),
        ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", .unsupportedTransferCoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", .unsupportedTransferCoding),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: chunked, identity", .unsupportedTransferCoding),
        ("Transfer-Encoding: identity", .unsupportedTransferCoding),
        ("Transfer-Encoding: identity, chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: chunked;a=b", .unsupportedTransferCoding),
        ("Transfer-Encoding: gzip, chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: chunked,", .unsupportedTransferCoding),
        ("Transfer-Encoding: , chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: 'chunked'", .unsupportedTransferCoding),
        ("Transfer-Encoding: \"chunked\"", .unsupportedTransferCoding),
        ("Transfer-Encoding:", .unsupportedTransferCoding),
        ("Transfer-Encoding: \u{85}chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: \u{a0}chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: chu\u{ff}ked", .unsupportedTransferCoding),
        ("Transfer-Encoding: chunked chunked", .unsupportedTransferCoding),
        ("Content-Length: 6\r\nTransfer-Encoding: identity", .unsupportedTransferCoding),
    ])

    /// Framing fields that another parser may see and this one might not.
    static let names = withFields([
        ("Transfer-Encoding : chunked", .malformedField), ("Transfer-Encoding\t: chunked", .malformedField),
        (" Transfer-Encoding: chunked", .malformedField), ("\tTransfer-Encoding: chunked", .malformedField),
        ("Content-Length : 6", .malformedField), ("Content-Length\u{0b}: 6", .malformedField),
        ("Content-Length\u{0}: 6", .malformedField),
        ("\u{0}Content-Length: 6", .malformedField), ("\u{0c}Transfer-Encoding: chunked", .malformedField),
        ("\u{a0}Transfer-Encoding: chunked", .malformedField), ("Transfer-Encoding\u{a0}: chunked", .malformedField),
        ("Transfer-Encoding: \u{0b}chunked", .malformedField), ("Transfer-Encoding: chunked\u{0}", .malformedField),
        ("Transfer-Encoding: \u{1}chunked", .malformedField), ("Transfer-Encoding:\u{0c}chunked", .malformedField),
        ("Content-Length: \u{0b}6", .malformedField), ("Content-Length: 6\u{0}", .malformedField),
        ("Content-Length: 6\u{7f}", .malformedField),
        ("Transfer-Encoding", .malformedField), ("Content-Length", .malformedField), (": chunked", .malformedField),
        (":", .malformedField),
        ("X y: z", .malformedField), ("X\"y\": z", .malformedField), ("(X): y", .malformedField),
        ("X,Y: z", .malformedField),
        ("X=Y: z", .malformedField), ("[X]: y", .malformedField), ("X/Y: z", .malformedField),
        ("X@Y: z", .malformedField),
        ("X\u{7f}: y", .malformedField), ("\u{ef}\u{bb}\u{bf}X: y", .malformedField), ("X: a\u{8}b", .malformedField),
        ("X: \u{1b}[2J", .malformedField),
    ])

    /// Line ends: bare CR, bare LF, folded lines.
    static let lineEnds = withFields([
        ("X: y\nTransfer-Encoding: chunked", .bareLineEnd), ("X: y\rTransfer-Encoding: chunked", .bareLineEnd),
        ("X: y\n\nGET /admin HTTP/1.1", .bareLineEnd), ("X: y\r\r\nContent-Length: 6", .bareLineEnd),
        ("X: y\r\n\nZ: z", .bareLineEnd),
        ("X: y\r\n\rZ: z", .bareLineEnd), ("X: \n", .bareLineEnd), ("X:\r y", .bareLineEnd), ("X\n: y", .bareLineEnd),
        ("\nX: y", .bareLineEnd),
        ("\rX: y", .bareLineEnd), ("Transfer-Encoding:\n chunked", .bareLineEnd),
        ("Transfer-Encoding:\r\n chunked", .unsupportedTransferCoding),
        ("X: y\r\n z", .malformedField), ("X: y\r\n\tTransfer-Encoding: chunked", .malformedField),
        ("X: y\r\n \r\nZ: z", .malformedField),
        ("X\r\n: y", .malformedField), ("X\r: y", .malformedField),
    ])

    static let lines = withLine([
        ("GET /", .malformedRequestLine), ("GET", .malformedRequestLine), ("/ HTTP/1.1", .malformedRequestLine),
        ("GET  / HTTP/1.1", .malformedRequestLine),
        ("GET /  HTTP/1.1", .malformedRequestLine), ("GET / HTTP/1.1 ", .malformedRequestLine),
        (" GET / HTTP/1.1", .malformedRequestLine),
        ("GET\t/ HTTP/1.1", .malformedRequestLine), ("GET /\tHTTP/1.1", .malformedRequestLine),
        ("GET / a HTTP/1.1", .malformedRequestLine),
        ("GET / HTTP/1.1 HTTP/1.1", .malformedRequestLine), ("GET HTTP/1.1", .malformedRequestLine),
        ("GET / http/1.1", .malformedRequestLine),
        ("GET / HTTP/1.1\u{0}", .malformedRequestLine), ("GET / HTTP/11", .malformedRequestLine),
        ("GET / HTTP/1.10", .malformedRequestLine),
        ("GET / HTTP/01.1", .malformedRequestLine), ("GET / HTTP/1.x", .malformedRequestLine),
        ("GET / HTTP/1,1", .malformedRequestLine),
        ("GET / HTTPS/1.1", .malformedRequestLine), ("GET / ICAP/1.0", .malformedRequestLine),
        ("GET / HTTP/ 1.1", .malformedRequestLine),
        ("G\u{e9}T / HTTP/1.1", .malformedRequestLine), ("G(T) / HTTP/1.1", .malformedRequestLine),
        ("GET: / HTTP/1.1", .malformedRequestLine),
        ("\u{0}GET / HTTP/1.1", .malformedRequestLine), ("GET /\u{0} HTTP/1.1", .malformedRequestLine),
        ("GET /a\u{7f} HTTP/1.1", .malformedRequestLine),
        ("GET /a\u{1}b HTTP/1.1", .malformedRequestLine), ("GET /a\rb HTTP/1.1", .malformedRequestLine),
        ("GET /a\nb HTTP/1.1", .malformedRequestLine),
        ("\nGET / HTTP/1.1", .malformedRequestLine), ("\r\nGET / HTTP/1.1", .malformedRequestLine),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}", .malformedRequestLine),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2", .malformedRequestLine),
        ("GET / HTTP/1.1\n", .bareLineEnd), ("GET / HTTP/1.1\rX: y", .bareLineEnd), ("GET / HTTP/1.1\r", .bareLineEnd),
        ("GET / HTTP/1.1\nHost: b", .bareLineEnd),
        ("PRI * HTTP/2.0", .unsupportedVersion), ("GET / HTTP/0.9", .unsupportedVersion),
        ("GET / HTTP/1.2", .unsupportedVersion),
        ("GET / HTTP/3.0", .unsupportedVersion), ("GET / HTTP/9.9", .unsupportedVersion),
        ("GET / HTTP/0.1", .unsupportedVersion),
    ])

    static let targets = withLine([
        ("GET a HTTP/1.1", .malformedTarget), ("GET * HTTP/1.1", .malformedTarget),
        ("OPTIONS ** HTTP/1.1", .malformedTarget),
        ("options * HTTP/1.1", .malformedTarget), ("GET ?a HTTP/1.1", .malformedTarget),
        ("GET /a#b HTTP/1.1", .malformedTarget),
        ("GET /a?b#c HTTP/1.1", .malformedTarget), ("GET # HTTP/1.1", .malformedTarget),
        ("GET a.example:80 HTTP/1.1", .malformedTarget),
        ("GET ftp://a/ HTTP/1.1", .malformedTarget), ("GET file:///etc/passwd HTTP/1.1", .malformedTarget),
        ("GET http:/a HTTP/1.1", .malformedTarget),
        ("GET http:///a HTTP/1.1", .malformedTarget), ("GET http:// HTTP/1.1", .malformedTarget),
        ("GET http://?a HTTP/1.1", .malformedTarget),
        ("GET https:// HTTP/1.1", .malformedTarget), ("GET ws://a/ HTTP/1.1", .malformedTarget),
        ("GET \\a HTTP/1.1", .malformedTarget),
        ("GET @a/ HTTP/1.1", .malformedTarget), ("GET %2f HTTP/1.1", .malformedTarget),
        ("GET http://a/b#c HTTP/1.1", .malformedTarget),
        ("GET http://u@a/ HTTP/1.1", .malformedHost), ("GET http://u:p@a/ HTTP/1.1", .malformedHost),
        ("GET http://a#b/ HTTP/1.1", .malformedHost),
        ("GET http://a\\b/ HTTP/1.1", .malformedHost), ("GET http://:80/ HTTP/1.1", .malformedHost),
        ("GET http://a:b/ HTTP/1.1", .malformedHost),
        ("GET http://a:80:80/ HTTP/1.1", .malformedHost), ("GET http://[::1/ HTTP/1.1", .malformedHost),
        ("GET http://a%/ HTTP/1.1", .malformedHost),
        ("GET http://\u{e9}/ HTTP/1.1", .malformedHost),
        ("CONNECT / HTTP/1.1", .malformedTarget), ("CONNECT * HTTP/1.1", .malformedTarget),
        ("CONNECT a HTTP/1.1", .malformedTarget),
        ("CONNECT a: HTTP/1.1", .malformedTarget), ("CONNECT :80 HTTP/1.1", .malformedTarget),
        ("CONNECT a:80/ HTTP/1.1", .malformedTarget),
        ("CONNECT http://a:80/ HTTP/1.1", .malformedTarget), ("CONNECT u@a:80 HTTP/1.1", .malformedTarget),
        ("CONNECT a:80#b HTTP/1.1", .malformedTarget),
        ("GET /caf\u{e9} HTTP/1.1", .malformedTarget), ("GET /?\u{c3}\u{a9} HTTP/1.1", .malformedTarget),
        ("GET /a\\..\\b HTTP/1.1", .malformedTarget), ("GET /% HTTP/1.1", .malformedTarget),
        ("GET /%4 HTTP/1.1", .malformedTarget), ("GET /%zz HTTP/1.1", .malformedTarget),
        ("GET /a%00b HTTP/1.1", .malformedTarget), ("GET http://a/%00 HTTP/1.1", .malformedTarget),
        ("GET http://a:65536/ HTTP/1.1", .malformedHost), ("CONNECT a:65536 HTTP/1.1", .malformedTarget),
        ("CONNECT [::1] HTTP/1.1", .malformedTarget), ("CONNECT a:http HTTP/1.1", .malformedTarget),
    ])

    static let hosts = [
        HostileCase("GET / HTTP/1.1\r\n\r\n", .missingHost),
        HostileCase("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", .missingHost),
        HostileCase("GET http://a/ HTTP/1.1\r\n\r\n", .missingHost),
        HostileCase("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .malformedField),
        HostileCase("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .malformedHost),
        HostileCase("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", .malformedHost),
        HostileCase("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", .malformedHost),
        HostileCase("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", .malformedHost),
        HostileCase("GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n", .malformedHost),
        HostileCase("GET / HTTP/1.1\r\nHost: a:80@b\r\n\r\n", .malformedHost),
        HostileCase("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", .malformedHost),
        HostileCase("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", .malformedHost),
        HostileCase("GET / HTTP/1.1\r\nHost: a\u{0}b\r\n\r\n", .malformedField),
        HostileCase("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .malformedField),
        HostileCase("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .malformedHost),
        HostileCase("GET http://a/ HTTP/1.1\r\nHost: u@b\r\n\r\n", .malformedHost),
        HostileCase("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .unsupportedTransferCoding),
        HostileCase(
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", .unsupportedTransferCoding),
    ]

    static let all = framing + names + lineEnds + lines + targets + hosts

    @Test("are refused, and say why", arguments: all)
    func refused(hostile: HostileCase) {
        #expect(ParsedRequest(hostile.text).outcome == .failed(hostile.error))
        #expect(HeadInvariants.requestFault(octets(hostile.text)) == nil)
    }

    /// However the bytes arrive, none of it is accepted and nothing is waited for longer than it takes.
    @Test("are refused whatever follows", arguments: all)
    func refusedWithMore(hostile: HostileCase) {
        let text = hostile.text + "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
        #expect(ParsedRequest(text).outcome == .failed(hostile.error))
    }
}
