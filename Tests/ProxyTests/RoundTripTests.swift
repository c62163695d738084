import Foundation
import HTTP1
import Testing

@testable import Proxy

@Suite("What composers write is one message, with the same end")
struct RoundTripTests {
    private static let starts = [
        "GET / HTTP/1.1", "POST /a/../b?c HTTP/1.1", "HEAD //a%41/%2e%2e/b HTTP/1.0", "OPTIONS * HTTP/1.1",
        "GET http://b:80?c HTTP/1.1", "OPTIONS HTTP://b HTTP/1.1", "PUT /%2f/.?%zz HTTP/1.0", "X-Y /. HTTP/1.1",
        "GET http://b/./c HTTP/1.0", "DELETE /...//.. HTTP/1.1",
    ]
    private static let statusLines = [
        "HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.1 204 No Content", "HTTP/1.1 304 X", "HTTP/1.1 103 Early",
        "HTTP/1.1 599 \u{e9}", "HTTP/1.1 101 Switching Protocols",
    ]
    private static let fields = [
        "Host: a", "host:b", "Host:", "Host: \t[::1]:1 ", "Content-Length: 5", "content-length:\t007 ",
        "Content-Length: 0", "Transfer-Encoding: chunked", "TRANSFER-ENCODING:\tCHUNKED", "Connection: close",
        "Connection: X-A, Host, content-length", "Connection: keep-alive, X-Forwarded-For,x-request-id", "X-A: 1",
        "X_Forwarded_For: 1", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2", "X-Request-Id: abc",
        "X-Request-Id: def", "X-Real-IP: 10.0.0.1", "X-Forwarded-Port: 1", "Forwarded: for=a", "Content_Length: 9",
        "Upgrade: h2c", "TE: trailers", "Connection: TE", "Connection: keep-alive, Upgrade", "Upgrade: websocket",
        "Keep-Alive: 5", "Expect: 100-continue", "Via: 1.0 b", "Date: x", "Empty:",
        "Obs: \u{80}\u{ff}", "Trailer: A", "Proxy-Connection: close", "Max-Forwards: 1",
    ]

    private static func heads(_ seed: UInt64, _ starts: [String]) -> [[UInt8]] {
        var random = SeededRandom(seed)
        return (0..<400).map { _ in
            var lines = [starts[random.below(starts.count)]]
            if random.below(4) > 0 { lines.append("Host: a") }
            for _ in 0..<random.below(6) { lines.append(fields[random.below(fields.count)]) }
            return (lines.joined(separator: "\r\n") + "\r\n\r\n").unicodeScalars.map { UInt8($0.value) }
        }
    }

    @Test("requests of random lines", arguments: 1...25 as ClosedRange<UInt64>)
    func requests(seed: UInt64) {
        var accepted = 0
        for bytes in Self.heads(seed, Self.starts) {
            #expect(RoundTrip.requestFault(bytes) == nil, "seed \(seed)")
            if RoundTrip.Request(bytes, .init(headBytesMax: 32_768, fieldCountMax: 100)) != nil { accepted += 1 }
        }
        #expect(accepted > 40, "too few of seed \(seed) are requests: \(accepted)")
    }

    @Test("responses of random lines", arguments: 1...25 as ClosedRange<UInt64>)
    func responses(seed: UInt64) {
        for bytes in Self.heads(seed, Self.statusLines) {
            #expect(RoundTrip.responseFault(bytes) == nil, "seed \(seed)")
        }
    }

    @Test("chunked bodies of random parts", arguments: 1...25 as ClosedRange<UInt64>)
    func chunkedBodies(seed: UInt64) {
        var random = SeededRandom(seed)
        let extensions = ["", "", ";a", ";a=\"b;c\"", ";", ";\t "]
        for _ in 0..<200 {
            var body = ""
            for _ in 0..<random.below(5) {
                let count = 1 + random.below(20)
                body += String(count, radix: 16) + extensions[random.below(extensions.count)] + "\r\n"
                body += String(repeating: ";", count: count) + "\r\n"
            }
            body +=
                "0" + extensions[random.below(extensions.count)] + "\r\n" + (random.below(2) == 0 ? "A: b\r\n" : "")
                + "\r\n"
            #expect(RoundTrip.chunkedFault([UInt8](body.utf8)) == nil, "seed \(seed): \(body.debugDescription)")
        }
    }

    /// All inputs of the fuzzers: each is tried as whatever it may be.
    @Test("the corpus", arguments: ["request", "response", "chunked", "roundtrip"])
    func corpus(folder: String) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Corpus/http1/\(folder)")
        for name in try FileManager.default.contentsOfDirectory(atPath: root.path) where !name.hasPrefix(".") {
            let bytes = [UInt8](try Data(contentsOf: root.appending(path: name)))
            #expect(RoundTrip.requestFault(bytes) == nil, "\(name)")
            #expect(RoundTrip.responseFault(bytes) == nil, "\(name)")
            #expect(RoundTrip.chunkedFault(bytes) == nil, "\(name)")
        }
    }
}
