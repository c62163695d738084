import TestKit
import Testing

extension ConformanceTests {
    @Suite("RFC 9112 §2.2 and §3: lines")
    struct RequestLineTests {
        static let lineEnds = RefusedRequest.fields([
            "X: y\nZ: z", "X: y\rZ: z", "X: y\r\r\nZ: z", "X: y\r\n\nZ: z", "X: y\r\n\rZ: z", "X: \n", "X:\r y",
            "X\n: y", "\nX: y", "\rX: y", "X: y\n\nGET /smuggled HTTP/1.1\r\nHost: a",
            "X: y\r\n\n", "Content-Length: 0\nTransfer-Encoding: chunked", "X: y\u{0b}\u{0c}\nZ: z",
        ])

        @Test("§2.2: a line ends in CRLF and nothing else", arguments: lineEnds)
        func lineEnd(request: RefusedRequest) throws { try request.check() }

        static let requestLines = RefusedRequest.lines([
            "GET /", "GET", "/ HTTP/1.1", "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1",
            "\tGET / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1", "GET\u{0b}/ HTTP/1.1", "GET / a HTTP/1.1",
            "GET / HTTP/1.1 HTTP/1.1", "GET HTTP/1.1", "GET / http/1.1", "GET / HTTP/1.1\u{0}", "GET / HTTP/11",
            "GET / HTTP/1.10", "GET / HTTP/01.1", "GET / HTTP/1.x", "GET / HTTP/-1.1", "GET / HTTPS/1.1",
            "GET / ICAP/1.0", "G\u{e9}T / HTTP/1.1", "G(T) / HTTP/1.1", "GET: / HTTP/1.1", "\u{0}GET / HTTP/1.1",
            "\"GET\" / HTTP/1.1", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2",
        ])

        @Test("§3: a request line is method, target and version, one space between", arguments: requestLines)
        func requestLine(request: RefusedRequest) throws { try request.check() }

        static let versions = RefusedRequest.lines(
            [
                "GET / HTTP/0.9", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/3.0", "PRI * HTTP/2.0",
                "GET / HTTP/0.0",
            ], 505)

        @Test("§2.3: another version is 505", arguments: versions)
        func version(request: RefusedRequest) throws { try request.check() }

        static let emptyLines = (0...8).map { count in
            AcceptedRequest(
                String(repeating: "\r\n", count: count) + "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n",
                received: ConformanceSite.forwarded(["GET /empty HTTP/1.1", "Host: a"]))
        }

        @Test("§2.2: a few empty lines before a request line are passed over", arguments: emptyLines)
        func emptyLine(request: AcceptedRequest) throws { try request.check() }

        @Test("§2.2: many are not, and other white space never is")
        func tooManyEmptyLines() throws {
            let line = "GET /refused HTTP/1.1\r\nHost: a\r\n\r\n"
            try RefusedRequest(String(repeating: "\r\n", count: 9) + line).check()
            let site = try ConformanceSite.current()
            for cut in 1..<18 {
                // Half an empty line begins a head; those before it count all the same.
                let client = try TCPSocket(connectingTo: site.port)
                let bytes = ConformanceSite.octets(String(repeating: "\r\n", count: 9) + line)
                try client.send(Array(bytes[..<cut]))
                try Eventually.holds("the first part to be taken", every: .milliseconds(1)) {
                    client.acknowledgedBytes > cut
                }
                try client.send(Array(bytes[cut...]))
                #expect(HTTPHead(ConformanceSite.text(try client.receiveToEnd())).status == 400, "cut at \(cut)")
            }
            #expect(try site.recordAfterProbe().isEmpty)
            try RefusedRequest(String(repeating: "\r\n", count: 4000)).check()
            for start in ["\n", " \r\n", "\r\r\n", "\u{0}\r\n"] { try RefusedRequest(start + line).check() }
        }

        /// Limits of the site: 8 KiB and 40 fields.
        @Test("§3 and RFC 6585 §5: a line that is too long is 414, a head 431, each one byte or field over its limit")
        func limits() throws {
            func target(_ headBytes: Int) -> [String] {
                let rest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8.count
                return ["GET /\(String(repeating: "t", count: headBytes - rest)) HTTP/1.1", "Host: a"]
            }
            func field(_ headBytes: Int) -> [String] {
                let rest = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".utf8.count
                return ["GET / HTTP/1.1", "Host: a", "X: \(String(repeating: "v", count: headBytes - rest))"]
            }
            func fields(_ count: Int) -> [String] {
                ["GET / HTTP/1.1", "Host: a"] + (2..<count + 1).map { "X-\($0): y" }
            }
            let most = ConformanceSite.headBytesMax
            for lines in [target(most - 1), target(most), field(most - 1), field(most), fields(39), fields(40)] {
                try AcceptedRequest(lines, becomes: lines).check()
            }
            func text(_ lines: [String]) -> String { lines.joined(separator: "\r\n") + "\r\n\r\n" }
            try RefusedRequest(text(field(most + 1)), 431).check()
            // The line itself fits; the head with it doesn't.
            try RefusedRequest(text(target(most + 1)), 431).check()
            try RefusedRequest(text(target(most + 40)), 414).check()
            try RefusedRequest("GET /" + String(repeating: "t", count: 3 * most), 414).check()
            try RefusedRequest(String(repeating: "M", count: 2 * most), 414).check()
            try RefusedRequest("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "v", count: 3 * most), 431)
                .check()
            try RefusedRequest(text(fields(41)), 431).check()
            try RefusedRequest(text(fields(1000)), 431).check()
        }
    }

    @Suite("RFC 9112 §3.2: request targets and Host")
    struct TargetTests {
        static let targets = RefusedRequest.lines([
            "GET a HTTP/1.1", "GET * HTTP/1.1", "OPTIONS ** HTTP/1.1", "options * HTTP/1.1", "GET ?a HTTP/1.1",
            "GET /a#b HTTP/1.1", "GET /a?b#c HTTP/1.1", "GET a.example:80 HTTP/1.1", "GET ftp://a/ HTTP/1.1",
            "GET http:/a HTTP/1.1", "GET http:///a HTTP/1.1", "GET http:// HTTP/1.1", "GET http://?a HTTP/1.1",
            "GET http://u@a/ HTTP/1.1", "GET http://u:p@a/ HTTP/1.1", "GET http://a\\b/ HTTP/1.1",
            "GET http://a:b/ HTTP/1.1", "GET http://a:65536/ HTTP/1.1", "GET http://[::1/ HTTP/1.1",
            "GET /\u{0} HTTP/1.1", "GET /a\u{7f} HTTP/1.1", "GET /a\u{1}b HTTP/1.1", "GET /caf\u{e9} HTTP/1.1",
            "GET /?caf\u{c3}\u{a9} HTTP/1.1", "GET /a\\..\\b HTTP/1.1", "GET /% HTTP/1.1", "GET /%4 HTTP/1.1",
            "GET /%zz HTTP/1.1", "GET /%+1 HTTP/1.1", "GET /a%00b HTTP/1.1", "CONNECT / HTTP/1.1",
            "CONNECT a HTTP/1.1", "CONNECT a:65536 HTTP/1.1", "CONNECT u@a:80 HTTP/1.1",
        ])

        @Test("a target of no form, or with what no URI has", arguments: targets)
        func target(request: RefusedRequest) throws { try request.check() }

        static let hosts =
            [
                "a b", "a/b", "u@a", "a:b", "a:80:80", "a:65536", ":80", "[::1", "::1", "[]", "[::1]a", "a%", "a\\b",
                "a\"b", "a#b", "a?b", "<a>", "a\u{e9}", "a, b", "http://a", "a\tb", "a\u{0}b",
            ].map { RefusedRequest("GET / HTTP/1.1\r\nHost: \($0)\r\n\r\n") } + [
                RefusedRequest("GET / HTTP/1.1\r\n\r\n"), RefusedRequest("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"),
                RefusedRequest("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
                RefusedRequest("GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n"),
                RefusedRequest("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
                RefusedRequest("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
                RefusedRequest("GET http://a/ HTTP/1.1\r\n\r\n"),
                RefusedRequest("GET http://a/ HTTP/1.1\r\nHost: u@b\r\n\r\n"),
                RefusedRequest("GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
                RefusedRequest("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
            ]

        @Test("no Host, two, or one that is none", arguments: hosts)
        func host(request: RefusedRequest) throws { try request.check() }

        static let normalised = [
            // §3.2.2: origin form goes on, and the authority is the Host, whatever Host said.
            AcceptedRequest(
                ["GET http://b/c?d HTTP/1.1", "Host: a", "X: y"], becomes: ["GET /c?d HTTP/1.1", "X: y", "Host: b"],
                host: "b"),
            AcceptedRequest(["GET http://b HTTP/1.1", "Host: b"], becomes: ["GET / HTTP/1.1", "Host: b"], host: "b"),
            AcceptedRequest(
                ["GET HTTP://b?c=/../d HTTP/1.1", "Host:"], becomes: ["GET /?c=/../d HTTP/1.1", "Host: b"], host: "b"),
            AcceptedRequest(
                ["OPTIONS http://b:80 HTTP/1.1", "Host: b"], becomes: ["OPTIONS * HTTP/1.1", "Host: b:80"],
                host: "b:80"),
            AcceptedRequest(
                ["GET http://b/%7e/../c HTTP/1.1", "Host: a"], becomes: ["GET /c HTTP/1.1", "Host: b"], host: "b"),
            AcceptedRequest(["OPTIONS * HTTP/1.1", "Host: a"], becomes: ["OPTIONS * HTTP/1.1", "Host: a"]),
            // RFC 3986 §6.2.2: what routes see is what endpoints get.
            AcceptedRequest(["GET /a/../b HTTP/1.1", "Host: a"], becomes: ["GET /b HTTP/1.1", "Host: a"]),
            AcceptedRequest(["GET /a/%2e%2E/b/. HTTP/1.1", "Host: a"], becomes: ["GET /b/ HTTP/1.1", "Host: a"]),
            AcceptedRequest(["GET /../../b HTTP/1.1", "Host: a"], becomes: ["GET /b HTTP/1.1", "Host: a"]),
            AcceptedRequest(["GET /%61%2fb%3F HTTP/1.1", "Host: a"], becomes: ["GET /a%2fb%3F HTTP/1.1", "Host: a"]),
            AcceptedRequest(["GET //a//b HTTP/1.1", "Host: a"], becomes: ["GET //a//b HTTP/1.1", "Host: a"]),
            AcceptedRequest(["GET /a//../b HTTP/1.1", "Host: a"], becomes: ["GET /a/b HTTP/1.1", "Host: a"]),
            // A query is none of our business, as long as a URI may hold it.
            AcceptedRequest(
                ["GET /?q=100%&x=%00&y=/../z\\{|} HTTP/1.1", "Host: a"],
                becomes: ["GET /?q=100%&x=%00&y=/../z\\{|} HTTP/1.1", "Host: a"]),
            AcceptedRequest(["GET /?/../? HTTP/1.1", "Host: a"], becomes: ["GET /?/../? HTTP/1.1", "Host: a"]),
            // §3.2: Host in one spelling; empty where the client had none to name.
            AcceptedRequest(["GET / HTTP/1.1", "Host:a"], becomes: ["GET / HTTP/1.1", "Host: a"]),
            AcceptedRequest(
                ["GET / HTTP/1.1", "HOST:\t a \t", "X: y"], becomes: ["GET / HTTP/1.1", "X: y", "Host: a"]),
            AcceptedRequest(["GET / HTTP/1.1", "Host:"], becomes: ["GET / HTTP/1.1", "Host: "], host: nil),
            AcceptedRequest(
                ["GET / HTTP/1.1", "Host: [::1]:80"], becomes: ["GET / HTTP/1.1", "Host: [::1]:80"], host: "[::1]:80"),
            AcceptedRequest(["BREW /pot HTTP/1.1", "Host: a"], becomes: ["BREW /pot HTTP/1.1", "Host: a"]),
        ]

        @Test("what has several spellings goes on in one", arguments: normalised)
        func normal(request: AcceptedRequest) throws { try request.check() }

        @Test(
            "HTTP/1.0: goes on as HTTP/1.1, closed unless asked to stay, with the endpoint as Host when none is named")
        func oldClients() throws {
            let endpoint = try ConformanceSite.current().endpoint.address
            try AcceptedRequest(
                ["GET / HTTP/1.0"], becomes: ["GET / HTTP/1.1", "Host: \(endpoint)"], host: nil, via: "1.0",
                closes: true
            ).check()
            try AcceptedRequest(
                ["GET / HTTP/1.0", "Host: a", "Connection: keep-alive"], becomes: ["GET / HTTP/1.1", "Host: a"],
                via: "1.0"
            ).check()
            try AcceptedRequest(
                ["GET http://b/ HTTP/1.0"], becomes: ["GET / HTTP/1.1", "Host: b"], host: "b", via: "1.0", closes: true
            ).check()
            // RFC 9110 §10.1.1: an expectation of HTTP/1.0 is ignored.
            try AcceptedRequest(
                ["POST / HTTP/1.0", "Host: a", "Expect: 100-continue", "Content-Length: 2"], body: "hi",
                becomes: ["POST / HTTP/1.1", "Host: a", "Content-Length: 2"], via: "1.0", closes: true
            ).check()
        }
    }
}
