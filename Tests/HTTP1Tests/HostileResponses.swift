import HTTP1
import Testing

/// What a broken or captured endpoint may answer, and why it isn't passed on.
@Suite("Hostile responses")
struct HostileResponseTests {
    private static func withLine(_ lines: [(String, HTTP1Error)]) -> [HostileCase] {
        lines.map { HostileCase("\($0.0)\r\nContent-Length: 0\r\n\r\n", $0.1) }
    }

    private static func withFields(_ fields: [(String, HTTP1Error)]) -> [HostileCase] {
        fields.map { HostileCase("HTTP/1.1 200 OK\r\n\($0.0)\r\n\r\n", $0.1) }
    }

    static let lines = withLine([
        ("HTTP/1.1 20 OK", .malformedStatusLine), ("HTTP/1.1 2000 OK", .malformedStatusLine),
        ("HTTP/1.1 20x OK", .malformedStatusLine),
        ("HTTP/1.1 +20 OK", .malformedStatusLine), ("HTTP/1.1 -20 OK", .malformedStatusLine),
        ("HTTP/1.1  200 OK", .malformedStatusLine),
        ("HTTP/1.1\t200 OK", .malformedStatusLine), ("HTTP/1.1 200\tOK", .malformedStatusLine),
        ("HTTP/1.1 200OK", .malformedStatusLine),
        ("HTTP/1.1 099 X", .malformedStatusLine), ("HTTP/1.1 000 X", .malformedStatusLine),
        ("HTTP/1.1 600 X", .malformedStatusLine),
        ("HTTP/1.1 999 X", .malformedStatusLine), ("HTTP/1.1 OK 200", .malformedStatusLine),
        ("HTTP/1.1200 OK   ", .malformedStatusLine),
        (" HTTP/1.1 200 OK", .malformedStatusLine), ("http/1.1 200 OK", .malformedStatusLine),
        ("ICY 200 OK     ", .malformedStatusLine),
        ("HTTP/1,1 200 OK", .malformedStatusLine), ("HTTP/11 200 OK", .malformedStatusLine),
        ("HTTP/1.10 200 OK", .malformedStatusLine),
        ("HTTP 200 OK      ", .malformedStatusLine), ("GET / HTTP/1.1", .malformedStatusLine),
        ("220 mail.example ESMTP", .malformedStatusLine),
        ("<html>hello</html>", .malformedStatusLine), ("HTTP/1.1 200 O\u{0}K", .malformedStatusLine),
        ("HTTP/1.1 200 \u{1b}[2J", .malformedStatusLine),
        ("HTTP/1.1 200 OK\u{7f}", .malformedStatusLine), ("HTTP/1.1 200\u{0}OK", .malformedStatusLine),
        ("HTTP/1.1 2\r\n\r\nxxxxx", .malformedStatusLine),
        ("", .malformedStatusLine), ("\u{0}\u{0}\u{12}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}", .malformedStatusLine),
        ("HTTP/2.0 200 OK", .unsupportedVersion), ("HTTP/0.9 200 OK", .unsupportedVersion),
        ("HTTP/1.2 200 OK", .unsupportedVersion),
        ("HTTP/1.1 200 OK\nX: y", .bareLineEnd), ("HTTP/1.1 200 OK\rX: y", .bareLineEnd),
        ("HTTP/1.1 200\rOK", .bareLineEnd),
        ("HTTP/1.1 200 OK\r", .bareLineEnd),
    ])

    static let fields = withFields([
        ("Content-Length: 5\r\nContent-Length: 6", .ambiguousLength),
        ("Content-Length: 5\r\nContent-Length: 5", .ambiguousLength),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", .ambiguousLength),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", .ambiguousLength),
        ("Content-Length: 5, 5", .malformedLength), ("Content-Length: -1", .malformedLength),
        ("Content-Length: 18446744073709551616", .malformedLength),
        ("Content-Length:", .malformedLength), ("Content-Length: 5 bytes", .malformedLength),
        ("Transfer-Encoding: gzip", .unsupportedTransferCoding),
        ("Transfer-Encoding: gzip, chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .unsupportedTransferCoding),
        ("Transfer-Encoding: x", .unsupportedTransferCoding),
        ("Set-Cookie : a=b", .malformedField), (" Set-Cookie: a=b", .malformedField), ("Set-Cookie", .malformedField),
        (": a", .malformedField),
        ("X: y\r\n z", .malformedField), ("X: a\u{0}b", .malformedField), ("X\u{e9}: y", .malformedField),
        ("HTTP/1.1 200 OK", .malformedField),
        ("X: y\nSet-Cookie: a=b", .bareLineEnd), ("X: y\rSet-Cookie: a=b", .bareLineEnd),
        ("X: y\r\n\nZ: z", .bareLineEnd), ("X: y\n\nbody", .bareLineEnd),
    ])

    static let interim = [
        HostileCase("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", .interimWithBody),
        HostileCase("HTTP/1.1 101 Switching Protocols\r\nTransfer-Encoding: chunked\r\n\r\n", .interimWithBody),
        HostileCase("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", .interimWithBody),
        HostileCase("HTTP/1.0 199 X\r\nContent-Length: 1\r\n\r\n", .interimWithBody),
    ]

    static let old = [
        HostileCase("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .unsupportedTransferCoding)
    ]

    static let all = lines + fields + interim + old

    @Test("are refused, and say why", arguments: all)
    func refused(hostile: HostileCase) {
        #expect(ParsedResponse(hostile.text).outcome == .failed(hostile.error))
        #expect(ParsedResponse(hostile.text + "hello\r\n\r\n").outcome == .failed(hostile.error))
        #expect(HeadInvariants.responseFault(octets(hostile.text)) == nil)
    }
}
