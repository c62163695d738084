import HTTP1
import HTTPMessage
import Testing

/// A request with a `Host` field and the fields given.
func request(_ line: String = "GET / HTTP/1.1", host: String? = "a", _ fields: String...) -> ParsedRequest {
    let lines = [line] + (host.map { ["Host: \($0)"] } ?? []) + fields
    return ParsedRequest(lines.map { $0 + "\r\n" }.joined() + "\r\n")
}

@Suite("Request line, RFC 9112 §3")
struct RequestLineTests {
    @Test(
        "known methods, and others as they come",
        arguments: [
            ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete), ("OPTIONS", .options),
            ("TRACE", .trace), ("PATCH", .patch), ("get", .other), ("PURGE", .other), ("M-SEARCH", .other),
            ("!", .other),
        ] as [(String, HTTPMessage.Method)])
    func methods(name: String, method: HTTPMessage.Method) {
        let request = request("\(name) /p HTTP/1.1")
        #expect(request.outcome == .complete)
        #expect(request.head.method == method)
        #expect(request.head.methodLength == name.utf8.count)
        #expect(request.target == "/p")
    }

    @Test("versions", arguments: [("1.1", 1), ("1.0", 0)] as [(String, UInt8)])
    func versions(version: String, minor: UInt8) {
        #expect(request("GET / HTTP/\(version)").head.minorVersion == minor)
    }

    @Test(
        "empty lines in front are counted for the caller",
        arguments: [
            ("", 0), ("GET", 0), ("\r", 0), ("\r\n", 2), ("\r\n\r", 2), ("\r\n\r\nGET /", 4), ("\n\r\n", 0),
            ("\r\r\n", 0),
        ])
    func leadingEmptyLines(text: String, count: Int) {
        #expect(withExactCopy(of: octets(text)) { RequestHead.leadingEmptyLines($0) } == count)
    }

    /// A read may end between the CR and the LF of an empty line before the request.
    @Test("half an empty line is waited for")
    func halfEmptyLine() {
        #expect(ParsedRequest("\r").outcome == .incomplete)
        #expect(ParsedRequest("\rG").outcome == .failed(.malformedRequestLine))
    }

    @Test("no bytes are no request yet")
    func empty() {
        #expect(ParsedRequest("").outcome == .incomplete)
        var head = RequestHead()
        var fields = FieldTable()
        let outcome = head.parse(Span(), limits: .standard, fields: &fields)
        #expect(outcome == .incomplete)
    }
}

@Suite("Request target, RFC 9112 §3.2")
struct RequestTargetTests {
    @Test(
        "origin form",
        arguments: [
            ("/", "/"), ("//", "//"), ("/a/b?c=/d?e", "/a/b"), ("/?", "/"), ("/%2e%2E/x;y=1", "/%2e%2E/x;y=1"),
            ("/*", "/*"), ("/?\\%zz%00", "/"), ("/%41?%", "/%41"), ("/http://b/c", "/http://b/c"),
        ])
    func origin(target: String, path: String) {
        let request = request("GET \(target) HTTP/1.1")
        #expect(request.outcome == .complete)
        #expect(request.origin == target)
        #expect(request.path == path)
        #expect(request.host == "a")
        #expect(!request.head.isAbsolute)
    }

    @Test(
        "absolute form: its authority is the host, whatever Host says",
        arguments: [
            ("http://b/c?d", "b", "/c?d", "/c"), ("HTTPS://b:8443/", "b:8443", "/", "/"), ("http://b", "b", "", ""),
            ("http://b?c", "b", "?c", ""), ("http://[::1]:80/", "[::1]:80", "/", "/"),
            ("http://b:/x", "b:", "/x", "/x"),
        ])
    func absolute(target: String, host: String, origin: String, path: String) {
        for field in ["other", ""] {
            let request = request("GET \(target) HTTP/1.1", host: field)
            #expect(request.outcome == .complete)
            #expect(request.head.isAbsolute)
            #expect(request.host == host)
            #expect(request.origin == origin)
            #expect(request.path == path)
            #expect(request.target == target)
        }
    }

    @Test(
        "bytes and escapes that servers read in several ways",
        arguments: [
            "/caf\u{e9}", "/?\u{e9}", "/a\\b", "/%", "/a%4", "/%4g", "/%g4", "/%%41", "/%00", "/a%00", "/%2",
            "http://b/%", "http://b/a\\b", "http://b?\u{80}",
        ])
    func malformed(target: String) {
        #expect(request("GET \(target) HTTP/1.1").outcome == .failed(.malformedTarget))
    }

    @Test(
        "whether a path is its own normal form",
        arguments: [
            ("/", true), ("/a/b.c/d..", true), ("/a?b=/../c//d&e=%41", true), ("/a.b/?.", true), ("/a;b=c", true),
            ("/.", false), ("/..", false), ("/a/.b", false), ("/a/../b", false), ("//", false), ("/a//b", false),
            ("/%41", false), ("/a%2Fb?c", false), ("http://b/a/./", false), ("http://b/a", true), ("http://b?/.", true),
        ])
    func normality(target: String, isNormal: Bool) {
        #expect(request("GET \(target) HTTP/1.1").head.isPathNormal == isNormal)
    }

    @Test("asterisk form, for OPTIONS")
    func asterisk() {
        let request = request("OPTIONS * HTTP/1.1")
        #expect(request.outcome == .complete)
        #expect(request.target == "*")
        #expect(request.origin.isEmpty && request.path.isEmpty)
        #expect(request.host == "a")
    }

    @Test("authority form, for CONNECT", arguments: ["b:443", "[::1]:443", "b.example:1"])
    func authority(target: String) {
        let request = request("CONNECT \(target) HTTP/1.1", host: target)
        #expect(request.outcome == .complete)
        #expect(request.head.method == .connect)
        #expect(request.target == target)
        #expect(request.origin.isEmpty)
        #expect(request.host == target)
    }

    @Test("the target of CONNECT says where to, whatever Host holds, RFC 9112 §3.2.3")
    func authorityBeforeHost() {
        #expect(request("CONNECT b:443 HTTP/1.1", host: "other").host == "b:443")
    }
}

@Suite("Host, RFC 9112 §3.2 and RFC 9110 §7.2")
struct HostTests {
    @Test(
        "valid values",
        arguments: [
            "a", "a.example", "a.example:80", "a:", "a:65535", "127.0.0.1:1", "[::1]", "[2001:db8::1]:8080",
            "[::ffff:1.2.3.4]",
            "A_b-c~d", "%41", "a!$&'()*+,;=b", "",
        ])
    func accepts(host: String) {
        let request = request(host: host)
        #expect(request.outcome == .complete)
        #expect(request.host == host)
        #expect(request.head.facts.hostCount == 1)
    }

    @Test(
        "invalid values, alone and behind an absolute target",
        arguments: [
            "a b", "a/b", "u@a", "a:b", "a:80:80", "a:123456", ":80", ":", "[::1", "::1", "[]", "[::1]a", "[::1]80",
            "[g]", "a[", "a]",
            "a:65536", "a:99999", "a%", "a%4", "a%4g", "%", "a\\b", "a\"b", "a#b", "a?b", "<a>", "a|b", "a^b", "{a}",
            "a`b", "a\u{e9}",
            "a\tb", "a:8 0", "a:-1",
        ])
    func refuses(host: String) {
        #expect(request(host: host).outcome == .failed(.malformedHost))
        #expect(request("GET http://b/ HTTP/1.1", host: host).outcome == .failed(.malformedHost))
        #expect(request("GET / HTTP/1.0", host: host).outcome == .failed(.malformedHost))
    }

    @Test("HTTP/1.0 may leave it out, HTTP/1.1 not")
    func absence() {
        let old = request("GET / HTTP/1.0", host: nil)
        #expect(old.outcome == .complete)
        #expect(old.host.isEmpty)
        #expect(request("GET http://b/ HTTP/1.0", host: nil).host == "b")
        #expect(request(host: nil).outcome == .failed(.missingHost))
        #expect(request("GET http://b/ HTTP/1.1", host: nil).outcome == .failed(.missingHost))
    }

    @Test("two are one too many, even if equal")
    func twice() {
        for version in ["1.0", "1.1"] {
            #expect(request("GET / HTTP/\(version)", "hOST: a").outcome == .failed(.malformedHost))
        }
    }
}

@Suite("Message body of a request, RFC 9112 §6")
struct RequestFramingTests {
    @Test(
        "framing",
        arguments: [
            ("X: y", BodyFraming.none), ("Content-Length: 0", .none), ("content-length:5", .length(5)),
            ("Content-Length: \t 007 \t", .length(7)),
            ("Content-Length: 999999999999999999", .length(999_999_999_999_999_999)),
            ("Transfer-Encoding: chunked", .chunked), ("TRANSFER-ENCODING:\tChUnKeD ", .chunked),
        ])
    func framing(field: String, framing: BodyFraming) {
        for method in ["GET", "HEAD", "POST", "DELETE", "PURGE"] {
            let request = request("\(method) / HTTP/1.1", field)
            #expect(request.outcome == .complete)
            #expect(request.head.framing == framing)
        }
    }

    @Test(
        "a length that isn't one number",
        arguments: [
            "", "+5", "-5", "5,5", "5, 5", "5;", "0x5", "5 5", "5.0", "five", "1000000000000000000",
            "000000000000000000000005", "\u{b2}",
        ])
    func malformedLength(value: String) {
        #expect(request("POST / HTTP/1.1", "Content-Length: \(value)").outcome == .failed(.malformedLength))
    }

    @Test(
        "a length that is ambiguous",
        arguments: [
            ["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5", "content-length: 5"],
            ["Content-Length: 5", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 0"],
        ])
    func ambiguousLength(fields: [String]) {
        #expect(request("POST / HTTP/1.1", fields[0], "X: y", fields[1]).outcome == .failed(.ambiguousLength))
    }

    @Test(
        "a coding that isn't chunked alone",
        arguments: [
            "", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked,", ",chunked", "chunked;q=1",
            "identity",
            "chunked, identity", "xchunked", "chunke", "chunkedd", "\"chunked\"", "chunked\u{a0}", "chunk\u{e9}d",
            "chun ked", "CHUNKEd0",
        ])
    func unsupportedCoding(value: String) {
        #expect(
            request("POST / HTTP/1.1", "Transfer-Encoding: \(value)").outcome == .failed(.unsupportedTransferCoding))
    }

    @Test("a coding twice, or from HTTP/1.0")
    func misplacedCoding() {
        let field = "Transfer-Encoding: chunked"
        #expect(request("POST / HTTP/1.1", field, field).outcome == .failed(.unsupportedTransferCoding))
        #expect(request("POST / HTTP/1.0", field).outcome == .failed(.unsupportedTransferCoding))
    }
}

@Suite("Persistence, RFC 9112 §9.3")
struct RequestPersistenceTests {
    @Test(
        "whether the connection may serve another request",
        arguments: [
            ("1.1", [], true), ("1.1", ["Connection: close"], false), ("1.1", ["Connection: keep-alive"], true),
            ("1.1", ["connection: x, CLOSE"], false), ("1.1", ["Connection: keep-alive, close"], false),
            ("1.1", ["Connection: keep-alive", "Connection: close"], false), ("1.1", ["Connection: closed"], true),
            ("1.1", ["Connection: ,, ,\tclose\t,"], false), ("1.1", ["Connection: clo se"], true),
            ("1.1", ["Keep-Alive: close"], true),
            ("1.0", [], false), ("1.0", ["Connection: Keep-Alive"], true),
            ("1.0", ["Connection: keep-alive,close"], false),
            ("1.0", ["Connection: foo, keep-alive"], true), ("1.0", ["Connection: keepalive"], false),
            ("1.0", ["Proxy-Connection: keep-alive"], false),
        ] as [(String, [String], Bool)])
    func persistence(version: String, fields: [String], expected: Bool) {
        let text = (["GET / HTTP/\(version)", "Host: a"] + fields).map { $0 + "\r\n" }.joined() + "\r\n"
        let request = ParsedRequest(text)
        #expect(request.outcome == .complete)
        #expect(request.head.isPersistent == expected)
    }

    @Test(
        "options that name fields (RFC 9110 §7.6.1)",
        arguments: [
            ("close", false), ("keep-alive", false), ("close, keep-alive", false), ("", false), (" , ,", false),
            ("upgrade", false),
            ("close, X-Secret", true), ("keep-alive , te", true), ("content-length", true),
        ])
    func options(value: String, names: Bool) {
        #expect(request("GET / HTTP/1.1", "Connection: \(value)").head.facts.namesHopByHopFields == names)
    }

    @Test("WebSocket is asked for by a GET without a body that says so twice (RFC 6455 §4.1)")
    func webSocket() {
        let asks = ["Upgrade: WebSocket", "Connection: keep-alive, Upgrade"]
        func isAsked(_ line: String, _ fields: [String]) -> Bool {
            request(line, fields.joined(separator: "\r\n")).head.asksForWebSocket
        }
        #expect(isAsked("GET / HTTP/1.1", asks))
        #expect(!isAsked("GET / HTTP/1.0", asks))
        #expect(!isAsked("POST / HTTP/1.1", asks))
        #expect(!isAsked("GET / HTTP/1.1", asks + ["Content-Length: 1"]))
        #expect(!isAsked("GET / HTTP/1.1", ["Upgrade: websocket"]))
        #expect(!isAsked("GET / HTTP/1.1", ["Connection: upgrade"]))
        #expect(!isAsked("GET / HTTP/1.1", ["Upgrade: h2c", "Connection: upgrade"]))
        #expect(!isAsked("GET / HTTP/1.1", ["Upgrade: websocket, h2c", "Connection: upgrade"]))
    }

    @Test(
        "trailers are taken when TE and Connection say so (RFC 9110 §10.1.4)",
        arguments: [
            ("trailers", "te", true), ("gzip;q=0.5, Trailers", "close, TE", true), ("trailers", "close", false),
            ("gzip", "te", false), ("xtrailers", "te", false), ("", "te", false), ("trailers ; q=1", "te", true),
        ])
    func trailers(te: String, connection: String, isTaken: Bool) {
        let head = request("GET / HTTP/1.1", "TE: \(te)\r\nConnection: \(connection)").head
        #expect(head.facts.takesTrailers == isTaken)
    }
}
