import NodeAgent
import Testing

@Suite("Status line, RFC 9112 §4")
struct StatusLineTests {
    @Test(
        "whole lines",
        arguments: [
            ("HTTP/1.1 200 OK\r\n", 200), ("HTTP/1.0 404 Not Found\r\nServer: x", 404), ("HTTP/1.1 503 \r\n", 503),
            ("HTTP/1.1 204\r\n", 204), ("HTTP/1.1 999 \u{e9}t\u{e9}\t!\r\n", 999),
        ])
    func whole(text: String, status: Int) {
        #expect(StatusLine(Array(text.utf8)) == .status(status))
    }

    @Test("every prefix of a good line is incomplete")
    func prefixes() {
        let line = Array("HTTP/1.1 200 OK\r\n".utf8)
        for count in 0..<line.count { #expect(StatusLine(Array(line.prefix(count))) == .incomplete, "\(count)") }
        #expect(StatusLine(line) == .status(200))
    }

    @Test(
        "anything else is refused as soon as it is seen",
        arguments: [
            "X", "HTTP/2", "http/1.1 200 OK\r\n", "HTTP/1.x 200 OK\r\n", "HTTP/1.1  200 OK\r\n", "HTTP/1.1 20 OK\r\n",
            "HTTP/1.1 099 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 200 OK\n", "HTTP/1.1 200 O\rK\r\n",
            "HTTP/1.1 200 \u{0}\r\n", "HTTP/1.1 200 \u{7f}\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\r\n",
        ])
    func malformed(text: String) {
        #expect(StatusLine(Array(text.utf8)) == .malformed)
    }

    @Test("the line is bounded: at most 1,024 bytes", arguments: [-1, 0, 1])
    func bound(excess: Int) {
        let fixed = "HTTP/1.1 200 \r\n".utf8.count
        let reason = String(repeating: "x", count: StatusLine.bytesMax - fixed + excess)
        let expected: StatusLine = excess > 0 ? .malformed : .status(200)
        #expect(StatusLine(Array("HTTP/1.1 200 \(reason)\r\n".utf8)) == expected)
    }
}
