import Testing

@testable import Proxy

@Suite("What gRPC asks of a proxy")
struct GRPCMessageTests {
    private func isCall(_ contentType: String) -> Bool {
        let head = [UInt8]("POST /a.B/C HTTP/1.1\r\nhost: a\r\n\(contentType)\r\nte: trailers\r\n\r\n".utf8)
        return head.withUnsafeBufferPointer { GRPCMessage.isCall($0.baseAddress!, $0.count) }
    }

    @Test(
        "a call is told by its content type",
        arguments: [
            ("content-type: application/grpc", true), ("content-type: application/grpc+proto", true),
            ("Content-Type:Application/GRPC;charset=utf-8", true), ("content-type: application/grpc-web", false),
            ("content-type: application/grpc-web+proto", false), ("content-type: application/grp", false),
            ("content-type: application/json", false), ("x-content-type: application/grpc", false), ("x: y", false),
        ])
    func calls(field: String, isOne: Bool) { #expect(isCall(field) == isOne) }

    private func timeout(_ text: String) -> UInt64? {
        var text = text
        return text.withUTF8 { GRPCMessage.timeout($0) }
    }

    @Test("a timeout has one to eight digits and a unit")
    func timeouts() {
        #expect(
            timeout("1H") == 3_600_000_000_000 && timeout("2M") == 120_000_000_000 && timeout("3S") == 3_000_000_000)
        #expect(timeout("250m") == 250_000_000 && timeout("5u") == 5000 && timeout("7n") == 7 && timeout("0S") == 0)
        #expect(timeout("99999999S") == 99_999_999_000_000_000)
        #expect(timeout("99999999H") == .max)
        for bad in ["", "1", "S", "123456789S", "-1S", "1.5S", "1s", "1 S", "1SS"] {
            #expect(timeout(bad) == nil, "\(bad)")
        }
    }

    @Test("statuses have codes of gRPC")
    func codes() {
        for (status, code) in [
            (400, 13), (401, 16), (403, 7), (404, 12), (405, 12), (408, 4), (413, 8), (429, 8), (431, 8), (500, 13),
            (502, 14),
            (503, 14), (504, 4), (421, 2),
        ] { #expect(GRPCMessage.code(of: status) == code, "\(status)") }
    }
}
