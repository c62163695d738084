import TestKit
import Testing

extension ConformanceTests {
    @Suite("RFC 9112 §6: message bodies of requests")
    struct RequestFramingTests {
        static let lengths = RefusedRequest.fields([
            "Content-Length: 6\r\nContent-Length: 5", "Content-Length: 6\r\nContent-Length: 6",
            "Content-Length: 0\r\nX: y\r\nCONTENT-LENGTH: 44", "Content-Length: 6, 6", "Content-Length: 6,5",
            "Content-Length: ,6", "Content-Length: 6,", "Content-Length: +6", "Content-Length: -6",
            "Content-Length: -0", "Content-Length: 6 6", "Content-Length: 0x6", "Content-Length: 6e1",
            "Content-Length: 6_0", "Content-Length: 6.0", "Content-Length: \"6\"", "Content-Length: ",
            "Content-Length: abc", "Content-Length: 6;", "Content-Length: 6\u{a0}", "Content-Length: \u{b2}",
            "Content-Length: 18446744073709551616", "Content-Length: 18446744073709551622",
            "Content-Length: 9223372036854775808", "Content-Length: 00000000000000000006",
            "Content-Length: 99999999999999999999999999999",
        ])

        @Test("§6.2: a length that is not one decimal number", arguments: lengths)
        func length(request: RefusedRequest) throws { try request.check() }

        static let codings = RefusedRequest.fields([
            "Content-Length: 6\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 6",
            "Transfer-Encoding: chunked\r\nContent-Length: 0", "Content-Length: 0\r\ntransfer-encoding: Chunked",
            "Content-Length: 6\r\nTransfer-Encoding: identity", "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunkedx", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: identity", "Transfer-Encoding: identity, chunked", "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked;a=b", "Transfer-Encoding: chunked,",
            "Transfer-Encoding: , chunked", "Transfer-Encoding: 'chunked'", "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding:", "Transfer-Encoding: \u{a0}chunked", "Transfer-Encoding: \u{85}chunked",
            "Transfer-Encoding: chunked chunked", "Transfer-Encoding: chu nked", "Transfer-Encoding: \tchunke\u{e4}",
        ])

        @Test("§6.1: a coding that is not chunked alone, or with a length", arguments: codings)
        func coding(request: RefusedRequest) throws { try request.check() }

        static let oldCodings = [
            RefusedRequest("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
            RefusedRequest("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"),
            RefusedRequest(
                "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ]

        @Test("§6.1: HTTP/1.0 has no transfer codings", arguments: oldCodings)
        func oldCoding(request: RefusedRequest) throws { try request.check() }

        private static let post = ["POST /p HTTP/1.1", "Host: a"]

        static let passed = [
            AcceptedRequest(post + ["Content-Length: 5"], body: "hello", becomes: post + ["Content-Length: 5"]),
            AcceptedRequest(post + ["Content-Length: 0"], becomes: post + ["Content-Length: 0"]),
            AcceptedRequest(
                post + ["content-length:\t005 ", "X: y"], body: "hello", becomes: post + ["X: y", "Content-Length: 5"]),
            AcceptedRequest(post + ["Content-Length: 00"], becomes: post + ["Content-Length: 0"]),
            AcceptedRequest(
                post + ["Transfer-Encoding: chunked"], body: "0\r\n\r\n", becomes: post + ["Transfer-Encoding: chunked"]
            ),
            AcceptedRequest(
                post + ["TRANSFER-ENCODING:\tChUnKeD ", "X: y"], body: "5\r\nhello\r\n0\r\n\r\n",
                becomes: post + ["X: y", "Transfer-Encoding: chunked"]),
            AcceptedRequest(
                ["GET / HTTP/1.1", "Host: a", "Content-Length: 5"], body: "hello",
                becomes: ["GET / HTTP/1.1", "Host: a", "Content-Length: 5"]),
            AcceptedRequest(
                ["DELETE / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"], body: "1\r\nx\r\n0\r\n\r\n",
                becomes: ["DELETE / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]),
            AcceptedRequest(["HEAD / HTTP/1.1", "Host: a"], becomes: ["HEAD / HTTP/1.1", "Host: a"]),
            AcceptedRequest(post, becomes: post),
        ]

        @Test("§6.3: bodies whose end is known go on, their framing in one spelling", arguments: passed)
        func body(request: AcceptedRequest) throws { try request.check() }

        @Test("§9.3.2: pipelined requests keep their order, each with its own body")
        func pipelining() throws {
            let lines = (0..<20).map { ["POST /\($0) HTTP/1.1", "Host: a", "Content-Length: 1"] }
            let requests = lines.map { $0.joined(separator: "\r\n") + "\r\n\r\nx" }.joined()
            let site = try ConformanceSite.current()
            site.expectEmptyRecord()
            let client = try TCPSocket(connectingTo: site.port)
            try client.send(requests)
            let reader = HTTPReader(client)
            for _ in lines {
                let head = try #require(try reader.head())
                #expect(head.status == 200)
                _ = try reader.body(.ofResponse(head, to: "POST"))
            }
            let expected = lines.map { ConformanceSite.forwarded($0) + "x" }.joined()
            #expect(try site.recordAfterProbe(on: client, reader) == expected)
        }

        @Test("§9.6: what follows a request that closes is not read")
        func afterClose() throws {
            let lines = ["GET / HTTP/1.1", "Host: a"]
            var request = AcceptedRequest(
                (lines + ["Connection: close"]).joined(separator: "\r\n")
                    + "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
                received: ConformanceSite.forwarded(lines), closes: true)
            request.isSentAtOnce = true
            try request.check()
        }
    }

    @Suite("RFC 9112 §7.1: chunked requests")
    struct ChunkTests {
        static let malformed = RefusedRequest.chunks([
            "\r\n", "\n", ";a\r\n", " 5\r\nhello", "5 \r\nhello", "5\t;a\r\nhello", "+5\r\nhello", "-1\r\n",
            "0x5\r\nhello", "5h\r\nhello", "5,\r\nhello", "5.0\r\n", "g\r\n", "\u{0}\r\n", "5_\r\n", "\u{b2}\r\n",
            "0000000000000005\r\nhello", "10000000000000005\r\nhello", "8000000000000000\r\n", "ffffffffffffffff\r\n",
            "5\nhello\r\n", "5\r\r\nhello", "5\rhello", "5;a\nhello\r\n", "5;a\rb\r\nhello", "5;a\u{0}\r\nhello",
            "5;\u{7f}\r\nhello", "5;a=\"\r\nhello\"\r\n", "5\r\nhelloX", "5\r\nhello\n", "5\r\nhello\rX",
            "5\r\nhello0\r\n\r\n", "5\r\nhell\r\n0\r\n\r\n", "3\r\nhello\r\n0\r\n\r\n", "0\n\n", "0\r\n\n", "0\r\n\rX",
            "5\r\nhello\r\n0\r\nA: b\n\r\n", "1;\(String(repeating: "x", count: 5000))\r\nx\r\n0\r\n\r\n",
        ])

        @Test("§7.1: what is no chunk", arguments: malformed)
        func chunk(request: RefusedRequest) throws { try request.check() }

        static let trailers = RefusedRequest.chunks(
            [
                " A: b", "A", ": b", "A : b", "A: b\r\n c", "A: \u{0}", "A\u{e9}: b", "A b: c", "GET / HTTP/1.1",
                "Content-Length: 5", "content-length: 0", "Content_Length: 5", "Transfer-Encoding: chunked", "Host: b",
                "A: b\r\nTransfer-Encoding: identity", "Connection: close", "Trailer: A", "TE: trailers",
                "X-Forwarded-For: 10.0.0.1", "X_Forwarded_For: 10.0.0.1", "X-Real-IP: 10.0.0.1", "Cookie: a=b",
                "Authorization: Basic YTpi", "Expect: 100-continue", "Content-Type: text/html", "Upgrade: h2c",
                "Forwarded: for=10.0.0.1", "A: \(String(repeating: "x", count: 17_000))",
            ].map { "5\r\nhello\r\n0\r\n\($0)\r\n\r\n" })

        @Test("§7.1.2 and RFC 9110 §6.5.1: what is no trailer field, or none that may come last", arguments: trailers)
        func trailer(request: RefusedRequest) throws { try request.check() }

        private static func chunked(_ body: String, becomes kept: String? = nil) -> AcceptedRequest {
            let lines = ["POST /c HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]
            return AcceptedRequest(lines, body: body, becomes: lines, body: kept ?? body)
        }

        static let passed = [
            chunked("5\r\nhello\r\n0\r\n\r\n"), chunked("A\r\n0123456789\r\n00\r\n\r\n"),
            chunked("00000000000000a\r\n0123456789\r\n0\r\n\r\n"),
            chunked("1\r\na\r\n2\r\nbc\r\n3\r\n\r\n\n\r\n0\r\n\r\n"),
            // §7.1.1: extensions end at this hop.
            chunked("5;a\r\nhello\r\n0;b=c\r\n\r\n", becomes: "5\r\nhello\r\n0\r\n\r\n"),
            chunked("5;a=\"; \\\"0\"\r\nhello\r\n0;\r\n\r\n", becomes: "5\r\nhello\r\n0\r\n\r\n"),
            chunked(
                "1;\(String(repeating: "x", count: 4000))\r\na\r\n0\r\n\r\n", becomes: "1\r\na\r\n0\r\n\r\n"),
        ]

        @Test("§7.1: chunks go on, without their extensions", arguments: passed)
        func goodChunk(request: AcceptedRequest) throws { try request.check() }

        @Test("§7.1: a bad chunk behind a good one: 400, and the endpoint never sees the end of the body")
        func lateFault() throws {
            let site = try ConformanceSite.current()
            let lines = ["POST /late HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]
            for fault in ["zz\r\n", "5\r\nhelloX", "0\r\nContent-Length: 5\r\n\r\n", "5;\u{0}\r\n"] {
                site.expectEmptyRecord()
                let client = try TCPSocket(connectingTo: site.port)
                try client.send(lines.joined(separator: "\r\n") + "\r\n\r\n5\r\nhello\r\n")
                let good = ConformanceSite.forwarded(lines) + "5\r\nhello\r\n"
                try Eventually.holds("the good part at the endpoint", every: .milliseconds(1)) {
                    ConformanceSite.text(site.endpoint.record) == good
                }
                try client.send(ConformanceSite.octets(fault + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"))
                let head = HTTPHead(ConformanceSite.text(try client.receiveToEnd()))
                #expect(head.status == 400 && head["Connection"] == "close", "\(head)")
                #expect(try site.recordAfterProbe() == good)
            }
        }
    }
}
