import HTTP1
import HTTPMessage
import Testing

func response(_ line: String = "HTTP/1.1 200 OK", _ fields: String...) -> ParsedResponse {
    ParsedResponse(([line] + fields).map { $0 + "\r\n" }.joined() + "\r\n")
}

@Suite("Status line, RFC 9112 §4")
struct StatusLineTests {
    @Test(
        "status and reason",
        arguments: [
            ("HTTP/1.1 200 OK", 200, "200 OK"), ("HTTP/1.1 200 ", 200, "200 "), ("HTTP/1.1 200", 200, "200"),
            ("HTTP/1.0 404 Not\tFound at all", 404, "404 Not\tFound at all"),
            ("HTTP/1.1 100 Continue", 100, "100 Continue"),
            ("HTTP/1.1 599 \u{dc}bel", 599, "599 \u{dc}bel"),
            ("HTTP/1.1 299 HTTP/1.1 200 OK", 299, "299 HTTP/1.1 200 OK"),
        ])
    func line(line: String, status: Int, text: String) {
        let response = response(line)
        #expect(response.outcome == .complete)
        #expect(response.head.status == status)
        #expect(response.statusText == text)
        #expect(response.head.minorVersion == (line.hasPrefix("HTTP/1.0") ? 0 : 1))
        #expect(response.head.length == line.unicodeScalars.count + 4)
    }

    @Test(
        "interim responses",
        arguments: [(100, true), (102, true), (103, true), (199, true), (101, false), (200, false)])
    func interim(status: Int, isInterim: Bool) {
        #expect(response("HTTP/1.1 \(status) X").head.isInterim == isInterim)
    }

    @Test("no bytes are no response yet")
    func empty() {
        #expect(ParsedResponse("").outcome == .incomplete)
        var head = ResponseHead()
        var fields = FieldTable()
        let outcome = head.parse(Span(), limits: .standard, fields: &fields)
        #expect(outcome == .incomplete)
    }

    @Test(
        "less than the shortest line is refused as soon as it can't become one",
        arguments: [
            ("200 OK\r\n\r\n", .malformedStatusLine), ("X", .malformedStatusLine),
            ("HTTP/1.1 \r\n\r\n", .malformedStatusLine),
            ("HTTP/1.1 20\r", .malformedStatusLine), ("HTTP/1.1\r\n", .malformedStatusLine),
            ("HTTP/2.0 2", .unsupportedVersion),
            ("\r\n", .malformedStatusLine), ("HTTP/1.1 200 OK\n", .bareLineEnd), ("http/1.1 2", .malformedStatusLine),
        ] as [(String, HTTP1Error)])
    func hopeless(text: String, error: HTTP1Error) {
        #expect(ParsedResponse(text).outcome == .failed(error))
    }
}

@Suite("Message body of a response, RFC 9112 §6.3")
struct ResponseFramingTests {
    static let cases = [
        ("X: y", BodyFraming.untilClose), ("Content-Length: 0", .length(0)), ("Content-Length: 12", .length(12)),
        ("Transfer-Encoding: chunked", .chunked),
    ]

    @Test("by its fields", arguments: cases, [HTTPMessage.Method.get, .post, .options, .other])
    func byFields(field: (String, BodyFraming), method: HTTPMessage.Method) {
        for status in [200, 201, 206, 301, 302, 400, 404, 500, 599] {
            let response = response("HTTP/1.1 \(status) X", field.0)
            #expect(response.outcome == .complete)
            #expect(response.head.framing(answering: method) == field.1)
        }
    }

    @Test("never a body: HEAD, 1xx, 204, 304", arguments: cases)
    func bodyless(field: (String, BodyFraming)) {
        for status in [204, 304] {
            #expect(response("HTTP/1.1 \(status) X", field.0).head.framing(answering: .get) == .none)
        }
        let announcesBody = field.1 != .untilClose && field.1 != .length(0)
        for status in [100, 101, 103, 199] {
            let interim = response("HTTP/1.1 \(status) X", field.0)
            #expect(interim.outcome == (announcesBody ? .failed(.interimWithBody) : .complete))
            #expect(interim.head.framing(answering: .get) == .none)
        }
        for status in [200, 206, 404, 500] {
            #expect(response("HTTP/1.1 \(status) X", field.0).head.framing(answering: .head) == .none)
        }
    }

    @Test("2xx to CONNECT is a tunnel, anything else a response", arguments: cases)
    func connect(field: (String, BodyFraming)) {
        for status in [200, 201, 299] {
            #expect(response("HTTP/1.1 \(status) X", field.0).head.framing(answering: .connect) == .untilClose)
        }
        for status in [300, 403, 502] {
            #expect(response("HTTP/1.1 \(status) X", field.0).head.framing(answering: .connect) == field.1)
        }
    }

    @Test(
        "ambiguous or unknown framing is refused whatever the status",
        arguments: [
            ("Content-Length: 5\r\nContent-Length: 5", .ambiguousLength),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", .ambiguousLength),
            ("Content-Length: 5, 5", .malformedLength),
            ("Transfer-Encoding: gzip, chunked", .unsupportedTransferCoding),
        ] as [(String, HTTP1Error)])
    func refused(fields: String, error: HTTP1Error) {
        for status in [100, 200, 204, 304, 500] {
            #expect(response("HTTP/1.1 \(status) X", fields).outcome == .failed(error))
        }
    }
}

@Suite("Persistence of an endpoint's connection, RFC 9112 §9.3")
struct ResponsePersistenceTests {
    @Test(
        "as far as the fields say",
        arguments: [
            ("1.1", "X: y", true), ("1.1", "Connection: close", false), ("1.1", "Connection: a, Close", false),
            ("1.0", "X: y", false),
            ("1.0", "Connection: keep-alive", true), ("1.0", "Connection: close, keep-alive", false),
        ])
    func persistence(version: String, field: String, expected: Bool) {
        #expect(response("HTTP/\(version) 200 OK", field).head.isPersistent == expected)
    }

    @Test(
        "a 204 that announces a body may be followed by one",
        arguments: [
            ("X: y", true), ("Content-Length: 0", true), ("Content-Length: 1", false),
            ("Transfer-Encoding: chunked", false),
        ])
    func noContent(field: String, expected: Bool) {
        #expect(response("HTTP/1.1 204 X", field).head.isPersistent == expected)
        #expect(response("HTTP/1.1 304 X", field).head.isPersistent)
    }

    @Test("Date is noticed")
    func date() {
        #expect(response("HTTP/1.1 200 OK", "DATE: x").head.facts.hasDate)
        #expect(!response("HTTP/1.1 200 OK", "Dated: x").head.facts.hasDate)
    }
}
