import TestKit
import Testing

extension ConformanceTests {
    @Suite("RFC 9112 §5 and RFC 9110 §5: fields")
    struct FieldTests {
        static let malformed = RefusedRequest.fields([
            // §5.1: no white space before the colon.
            "X : y", "X\t: y", "Content-Length : 0", "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked",
            "Content-Length\u{0b}: 5", "Transfer-Encoding\u{a0}: chunked",
            // §5.2: no folded lines, and no white space before the first one.
            " X: y", "\tX: y", "X: y\r\n z", "X: y\r\n\tTransfer-Encoding: chunked", "X: y\r\n \r\nZ: z",
            "Transfer-Encoding:\r\n chunked", "Content-Length:\r\n\t5",
            // RFC 9110 §5.1: a name is a token.
            "X y: z", "X\"y\": z", "(X): y", "X,Y: z", "[X]: y", "X/Y: z", "X@Y: z", "X=Y: z", "{X}: y", ": y", ":",
            "X", "nonsense", "X\u{7f}: y", "X\u{e9}: y", "\u{ef}\u{bb}\u{bf}X: y", "\u{0}X: y", "X\u{0}: y",
            "\u{0c}Transfer-Encoding: chunked", "Content-Length",
            // RFC 9110 §5.5: a value has no control characters but tab.
            "X: a\u{0}b", "X: \u{1}", "X: a\u{8}b", "X: \u{1b}[2J", "X: a\u{7f}", "X: a\u{0b}b", "X: a\u{0c}b",
            "Transfer-Encoding: \u{0b}chunked", "Transfer-Encoding: chunked\u{0}", "Content-Length: 5\u{0}",
        ])

        @Test("a line that is no field", arguments: malformed)
        func line(request: RefusedRequest) throws { try request.check() }

        private static func kept(_ fields: [String]) -> AcceptedRequest {
            let lines = ["GET / HTTP/1.1", "Host: a"] + fields
            return AcceptedRequest(lines, becomes: lines)
        }

        private static func dropped(_ fields: [String], but kept: [String] = []) -> AcceptedRequest {
            let lines = ["GET / HTTP/1.1", "Host: a"]
            return AcceptedRequest(lines + fields + ["X-End: kept"], becomes: lines + kept + ["X-End: kept"])
        }

        static let passed = [
            kept(["Empty:", "Spaces:   a  b \t", "!#$%&'*+-.^_`|~09: token", "Obs: \u{80}\u{ff}", "a:b"]),
            kept(["my_own_field: 1", "Access_Token: 2", "X.Dotted: 3"]),
            kept(["Cookie: a=b", "cookie: c=d", "Cookie: e=f"]),
        ]

        @Test("other fields go on as they came", arguments: passed)
        func field(request: AcceptedRequest) throws { try request.check() }

        static let connection = [
            dropped(
                [
                    "Connection: keep-alive, X-Hop , ,\tX-Other", "X-Hop: 1", "x-hop: 2", "X-OTHER: 3", "Keep-Alive: 5",
                    "Proxy-Connection: close", "Upgrade: h2c", "X-Hop-Not: x",
                ], but: ["X-Hop-Not: x"]),
            // Nobody may have our fields or Host taken away.
            dropped(["Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Real-IP, X-Request-Id, Via"]),
            dropped(["Connection: X-Forwarded-For", "X-Forwarded-For: 10.0.0.1"]),
            dropped(["Connection: host"]),
            dropped(["Connection: Host, Content-Length, Transfer-Encoding"]),
        ]

        @Test("RFC 9110 §7.6.1: Connection and what it names", arguments: connection)
        func hopByHop(request: AcceptedRequest) throws { try request.check() }

        @Test("RFC 9110 §7.6.1: a length that Connection names still frames the body")
        func namedLength() throws {
            let lines = ["POST / HTTP/1.1", "Host: a", "Content-Length: 5"]
            try AcceptedRequest(lines + ["Connection: content-length"], body: "hello", becomes: lines).check()
            let chunked = ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]
            try AcceptedRequest(
                chunked + ["Connection: transfer-encoding"], body: "5\r\nhello\r\n0\r\n\r\n", becomes: chunked
            ).check()
            try AcceptedRequest(
                ["GET / HTTP/1.1", "Host: a", "Connection: close, Host"], becomes: ["GET / HTTP/1.1", "Host: a"],
                closes: true
            ).check()
        }

        static let forged = [
            "X-Forwarded-For: 10.0.0.1", "x-forwarded-FOR: 10.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: b",
            "X-Real-IP: 10.0.0.1", "X-Request-Id: chosen", "X-Forwarded-Port: 443", "X-Forwarded-Prefix: /admin",
            "X-Forwarded-Server: b", "Forwarded: for=10.0.0.1;proto=https",
            // Gateways to CGI make one variable of these and the real ones (RFC 3875 §4.1.18).
            "X_Forwarded_For: 10.0.0.1", "X-Forwarded_For: 10.0.0.1", "x_forwarded-proto: https", "X.Forwarded.Host: b",
            "X_Real_IP: 10.0.0.1", "X~Request~Id: chosen", "X_Forwarded_Port: 443", "Content_Length: 5",
            "Transfer_Encoding: chunked", "Keep_Alive: 5", "Content.Length: 5", "Proxy_Connection: close",
        ].map { dropped([$0, $0]) }

        @Test("forwarding and framing fields that a client forges, in every spelling", arguments: forged)
        func forgedField(request: AcceptedRequest) throws { try request.check() }
    }
}
