import Foundation
import TestKit
import Testing

extension ConformanceTests {
    @Suite("RFC 9112 §4–§7: hostile responses")
    struct HostileResponseTests {
        static let statusLines = RefusedResponse.lines([
            "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 20x OK", "HTTP/1.1 +20 OK", "HTTP/1.1 -20 OK",
            "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK", "HTTP/1.1 200OK", "HTTP/1.1 099 X",
            "HTTP/1.1 000 X", "HTTP/1.1 600 X", "HTTP/1.1 999 X", "HTTP/1.1 OK 200", " HTTP/1.1 200 OK",
            "http/1.1 200 OK", "ICY 200 OK     ", "HTTP/1,1 200 OK", "HTTP/11 200 OK", "HTTP/1.10 200 OK",
            "HTTP 200 OK      ", "GET / HTTP/1.1", "220 mail.example ESMTP", "<html>hello</html>",
            "HTTP/1.1 200 O\u{0}K", "HTTP/1.1 200 \u{1b}[2J", "HTTP/1.1 200 OK\u{7f}", "", "\n", "\r\n",
            "HTTP/2.0 200 OK", "HTTP/0.9 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1 200 OK\nX: y", "HTTP/1.1 200 OK\rX: y",
            "HTTP/1.1 200\rOK", "HTTP/1.1 200 OK\r", "\u{0}\u{0}\u{12}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}",
        ])

        @Test("§4: a status line that is none", arguments: statusLines)
        func statusLine(response: RefusedResponse) throws { try response.check() }

        static let fields = RefusedResponse.fields([
            "Set-Cookie : a=b", " Set-Cookie: a=b", "Set-Cookie", ": a", "X: y\r\n z", "X: a\u{0}b", "X\u{e9}: y",
            "X: \u{1}", "HTTP/1.1 200 OK", "X: y\nSet-Cookie: a=b", "X: y\rSet-Cookie: a=b", "X: y\r\n\nZ: z",
            "X: y\n\nbody", "X y: z", "Content-Length : 5", "X: \u{7f}",
            // §5.2: a proxy may answer 502 to a folded line.
            "Content-Type: text/html;\r\n\tcharset=utf-8",
        ])

        @Test("§5: a line that is no field", arguments: fields)
        func field(response: RefusedResponse) throws { try response.check() }

        static let framing =
            RefusedResponse.fields([
                "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5\r\nContent-Length: 5",
                "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
                "Content-Length: 5, 5", "Content-Length: 5,6", "Content-Length: -1", "Content-Length: +5",
                "Content-Length: 0x5", "Content-Length: 18446744073709551616", "Content-Length:",
                "Content-Length: 5 bytes",
                "Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity",
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: xchunked",
                "Transfer-Encoding: chunked, identity", "Transfer-Encoding: \u{a0}chunked",
            ]) + [
                RefusedResponse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                RefusedResponse("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
                RefusedResponse("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
            ]

        @Test("§6: a body whose end is ambiguous", arguments: framing)
        func ambiguous(response: RefusedResponse) throws { try response.check() }

        static let chunks = [
            "xyz\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n", "0x5\r\nhello\r\n",
            "5\nhello\n0\n\n", "3\r\nhello\r\n0\r\n\r\n", "\r\n", "ffffffffffffffff\r\nhello", "5\r\r\nhello\r\n",
            "0\r\nContent-Length: 5\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\nSet-Cookie: a=b\r\n\r\n",
            "0\r\n A: b\r\n\r\n", "5\r\nhello\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n",
        ].map { RefusedResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\($0)") }

        @Test("§7.1: what is no chunk", arguments: chunks)
        func chunk(response: RefusedResponse) throws { try response.check() }

        static let others = [
            // RFC 9110 §15.2: nothing was asked to switch, and an interim response has no body.
            RefusedResponse("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
            RefusedResponse("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            RefusedResponse(
                "HTTP/1.1 100 Continue\r\nContent-Length: 38\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            RefusedResponse("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            RefusedResponse("HTTP/1.1 103 Early Hints\r\nLink: a\nSet-Cookie: b\r\n\r\n"),
            // The connection ends inside a head.
            RefusedResponse("H", closes: true), RefusedResponse("HTTP/1.1 200 OK\r\n", closes: true),
            RefusedResponse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", closes: true),
            // Heads beyond the limits of the site: 8 KiB and 40 fields.
            RefusedResponse("HTTP/1.1 200 \(String(repeating: "r", count: 9000))\r\nContent-Length: 0\r\n\r\n"),
            RefusedResponse("HTTP/1.1 200 OK\r\nX: \(String(repeating: "v", count: 60_000))\r\n\r\n"),
            RefusedResponse("HTTP/1.1 200 OK\r\n\(String(repeating: "X: y\r\n", count: 41))\r\n"),
        ]

        @Test("RFC 9110 §15.2 and limits: interim responses, heads without end", arguments: others)
        func other(response: RefusedResponse) throws { try response.check() }

        @Test("a head at its limit passes, one byte or field over it doesn't")
        func limits() throws {
            func head(_ bytes: Int) -> String {
                let rest = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: \(RecordingEndpoint.date)\r\nX: \r\n\r\n".utf8
                    .count
                let value = String(repeating: "v", count: bytes - rest)
                return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: \(RecordingEndpoint.date)\r\nX: \(value)\r\n\r\n"
            }
            func fields(_ count: Int) -> String {
                let more = String(repeating: "X: y\r\n", count: count - 2)
                return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: \(RecordingEndpoint.date)\r\n\(more)\r\n"
            }
            let most = ConformanceSite.headBytesMax
            for text in [head(most - 1), head(most), fields(39), fields(40)] {
                try AcceptedResponse(text, received: text).check()
            }
            for text in [head(most + 1), fields(41)] { try RefusedResponse(text).check() }
        }

        @Test("RFC 9110 §15.2: interim responses are bounded by number; the rest of the exchange is 502")
        func interimResponses() throws {
            let interim = "HTTP/1.1 102 Processing\r\n\r\n"
            let final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: \(RecordingEndpoint.date)\r\n\r\nok"
            let most = String(repeating: interim, count: 16)
            try AcceptedResponse(most + final, received: most + final).check()
            let site = try ConformanceSite.current()
            site.endpoint.answer(with: .init(ConformanceSite.octets(most + interim + final)))
            let client = try TCPSocket(connectingTo: site.port)
            try client.send("GET /answer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let text = ConformanceSite.text(try client.receiveToEnd())
            #expect(text.hasPrefix(most + "HTTP/1.1 502 "), "\(text)")
            try Eventually.holds("the end of the endpoint's connection", every: .milliseconds(1)) {
                site.endpoint.openConnections == 0
            }
            _ = site.endpoint.takeRecord()
        }

        @Test(
            "a fault behind the head: the client sees the response cut off, not ended",
            arguments: [
                "zz\r\n", "5\r\nhelloX", "0\r\nContent-Length: 5\r\n\r\n", "5;\u{0}\r\n", "5;a\rb\r\n",
            ])
        func lateFault(fault: String) throws {
            let site = try ConformanceSite.current()
            let gate = Gate()
            let good =
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: \(RecordingEndpoint.date)\r\n\r\n5\r\nhello\r\n"
            site.endpoint.answer(
                with: .init(ConformanceSite.octets(good), rest: (ConformanceSite.octets(fault), gate)))
            let client = try TCPSocket(connectingTo: site.port)
            try client.send("GET /answer HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(ConformanceSite.text(try client.receive(exactly: good.utf8.count)) == good)
            gate.open()
            #expect(throws: SystemCallError.self) { _ = try client.receiveToEnd() }
            try Eventually.holds("the end of the endpoint's connection", every: .milliseconds(1)) {
                site.endpoint.openConnections == 0
            }
            _ = site.endpoint.takeRecord()
        }
    }

    @Suite("RFC 9112 §6.3 and RFC 9110: responses that are passed on")
    struct ResponseTests {
        private static let date = "Date: \(RecordingEndpoint.date)\r\n"
        private static let old = "GET /answer HTTP/1.0\r\nHost: a\r\n\r\n"
        private static let head = "HEAD /answer HTTP/1.1\r\nHost: a\r\n\r\n"

        static let plain = [
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(date)\r\nok",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(date)\r\nok"),
            // RFC 9110 §6.6.1: whoever passes on a response without a date adds it.
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: NOW\r\n\r\n"),
            // §4: no reason, an empty one, a strange one.
            AcceptedResponse(
                "HTTP/1.1 200\r\nContent-Length: 0\r\n\(date)\r\n",
                received: "HTTP/1.1 200\r\nContent-Length: 0\r\n\(date)\r\n"),
            AcceptedResponse(
                "HTTP/1.1 418 \r\nContent-Length: 0\r\n\(date)\r\n",
                received: "HTTP/1.1 418 \r\nContent-Length: 0\r\n\(date)\r\n"),
            AcceptedResponse(
                "HTTP/1.1 599 a\tb \u{e9}\r\nContent-Length: 0\r\n\(date)\r\n",
                received: "HTTP/1.1 599 a\tb \u{e9}\r\nContent-Length: 0\r\n\(date)\r\n"),
            // Framing in one spelling.
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\ncontent-length:\t002 \r\n\(date)\r\nok",
                received: "HTTP/1.1 200 OK\r\n\(date)Content-Length: 2\r\n\r\nok"),
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nTRANSFER-encoding:  Chunked\r\n\(date)\r\n2;a=b\r\nok\r\n0;c\r\nA: b\r\n\r\n",
                received: "HTTP/1.1 200 OK\r\n\(date)Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n"),
            // RFC 9110 §7.6.1.
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\(date)\r\n",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(date)\r\n"),
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nConnection: Content-Length, Date\r\nContent-Length: 2\r\n\(date)\r\nok",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(date)\r\nok"),
        ]

        @Test("heads and bodies", arguments: plain)
        func passed(response: AcceptedResponse) throws { try response.check() }

        static let bodiless = [
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\(date)\r\n",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\(date)\r\n", request: head),
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(date)\r\n",
                received: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(date)\r\n", request: head),
            AcceptedResponse(
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\(date)\r\n",
                received: "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\(date)\r\n"),
            AcceptedResponse(
                "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\(date)\r\n",
                received: "HTTP/1.1 204 No Content\r\n\(date)\r\n"),
            // What a 204 must not have is not passed on, and what may follow it is not read.
            AcceptedResponse(
                "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\(date)\r\nhello",
                received: "HTTP/1.1 204 No Content\r\n\(date)\r\n", endsEndpoint: true),
            AcceptedResponse(
                "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\(date)\r\n",
                received: "HTTP/1.1 204 No Content\r\n\(date)\r\n", endsEndpoint: true),
            AcceptedResponse(
                "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\(date)\r\n0\r\n\r\n",
                received: "HTTP/1.1 204 No Content\r\n\(date)\r\n", endsEndpoint: true),
        ]

        @Test(
            "RFC 9110 §9.3.2, §15.3.5, §15.4.5: HEAD, 204 and 304 have no body, whatever they say", arguments: bodiless)
        func noBody(response: AcceptedResponse) throws { try response.check() }

        static let interim = [
            AcceptedResponse(
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(date)\r\n",
                received:
                    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(date)\r\n"),
            AcceptedResponse(
                "HTTP/1.1 102 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(date)\r\n",
                received: "HTTP/1.1 102 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(date)\r\n"),
            // RFC 9110 §15.2: not to HTTP/1.0.
            AcceptedResponse(
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(date)\r\n",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(date)Connection: close\r\n\r\n", request: old,
                closes: true),
        ]

        @Test("RFC 9110 §15.2: interim responses", arguments: interim)
        func interimResponse(response: AcceptedResponse) throws { try response.check() }

        static let ends = [
            // §6.3 rule 8: until the end of the connection, and the client's ends with it.
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\n\(date)\r\nhello",
                received: "HTTP/1.1 200 OK\r\n\(date)Connection: close\r\n\r\nhello", closes: true, endpointCloses: true
            ),
            AcceptedResponse(
                "HTTP/1.0 200 OK\r\n\(date)\r\nhello",
                received: "HTTP/1.1 200 OK\r\n\(date)Connection: close\r\n\r\nhello", closes: true, endpointCloses: true
            ),
            // §9.3: HTTP/1.0 stays only when it says so.
            AcceptedResponse(
                "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\(date)\r\nok",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(date)\r\nok", endsEndpoint: true),
            AcceptedResponse(
                "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\(date)\r\nok",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(date)\r\nok"),
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\(date)\r\nok",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(date)\r\nok", endsEndpoint: true),
            // A second response that nobody asked for is nobody's.
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(date)\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
                received: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(date)\r\nok", endsEndpoint: true),
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(date)\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
                received: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(date)\r\n0\r\n\r\n", endsEndpoint: true),
            AcceptedResponse(
                "HTTP/1.1 304 Not Modified\r\n\(date)\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
                received: "HTTP/1.1 304 Not Modified\r\n\(date)\r\n", endsEndpoint: true),
            // §6.1: HTTP/1.0 clients get no transfer coding.
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(date)\r\n2;x\r\nok\r\n0\r\nA: b\r\n\r\n",
                received: "HTTP/1.1 200 OK\r\n\(date)Connection: close\r\n\r\nok", request: old, closes: true),
            AcceptedResponse(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(date)\r\n",
                received: "HTTP/1.1 200 OK\r\n\(date)Connection: close\r\n\r\n",
                request: "HEAD /answer HTTP/1.0\r\nHost: a\r\n\r\n", closes: true),
        ]

        @Test("§6.3 and §9: where responses and connections end", arguments: ends)
        func end(response: AcceptedResponse) throws { try response.check() }

        /// Bytes of head and body together: what fills the first read of a response, and what is spliced.
        @Test(
            "§6.3: bytes behind a response that were not read with it are nobody's either",
            arguments: [16_384, 300_000])
        func behindUnread(total: Int) throws {
            let site = try ConformanceSite.current()
            let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
            func head(_ bodyBytes: Int) -> String {
                "HTTP/1.1 200 OK\r\nContent-Length: \(bodyBytes)\r\n\(Self.date)\r\n"
            }
            let bodyBytes = total - head(total).utf8.count
            let response = head(bodyBytes) + String(repeating: "b", count: bodyBytes)
            site.endpoint.answer(with: .init(ConformanceSite.octets(response + evil)))
            for _ in 0..<20 {
                let client = try TCPSocket(connectingTo: site.port)
                try client.send("GET /answer HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(ConformanceSite.text(try client.receive(exactly: response.utf8.count)) == response)
                _ = try site.recordAfterProbe(on: client)
            }
        }
    }
}
