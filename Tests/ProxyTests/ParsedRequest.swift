import EventLoop
import HTTP1
import HTTPMessage
import Testing

@testable import Proxy

/// A request head that stays where it is, for what reads it by address.
final class ParsedRequest {
    let head: RequestHead
    let bytes: UnsafePointer<UInt8>

    init(_ lines: [String]) {
        let text = [UInt8]((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: text.count)
        copy.initialize(from: text, count: text.count)
        bytes = UnsafePointer(copy)
        var head = RequestHead()
        var fields = FieldTable()
        let outcome = head.parse(
            text.span, limits: HeadLimits(headBytesMax: 60 * 1024, fieldCountMax: 200), fields: &fields)
        #expect(outcome == .complete)
        self.head = head
    }

    deinit { bytes.deallocate() }

    func view(_ arena: Arena, client: String = "192.0.2.7:4711") -> RequestView {
        RequestView(
            head, bytes, RequestOrigin(client: IPEndpoint(client)!), id: RequestID(high: 1, low: 2),
            route: arena.make("main"), listener: arena.make("web"))
    }
}

/// What was written so far.
func text(of writer: borrowing HeadWriter) -> String {
    String(decoding: UnsafeBufferPointer(start: writer.bytes, count: writer.count), as: UTF8.self)
}
