import TLS
import Testing

@Suite("Sec-WebSocket-Accept, RFC 6455 §4.2.2")
struct WebSocketAcceptTests {
    @Test("the key of the RFC's example gives the answer of the RFC's example")
    func example() {
        var key = "dGhlIHNhbXBsZSBub25jZQ=="
        var out = [UInt8](repeating: 0xff, count: WebSocketAccept.byteCount + 1)
        key.withUTF8 { key in out.withUnsafeMutableBufferPointer { WebSocketAccept.write(key, to: $0.baseAddress!) } }
        #expect(
            String(decoding: out.prefix(WebSocketAccept.byteCount), as: UTF8.self) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        #expect(out.last == 0)
    }
}
