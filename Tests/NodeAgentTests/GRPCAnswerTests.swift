import NodeAgent
import Testing

@Suite("Answers of the gRPC health protocol")
struct GRPCAnswerTests {
    static let serving: [UInt8] = [0, 0, 0, 0, 2, 8, 1]

    private static func lines(_ fields: [String], status: Int? = nil) -> [UInt8] {
        let first = status.map { "HTTP/1.1 \($0) \r\n" } ?? ""
        return Array((first + fields.map { $0 + "\r\n" }.joined()).utf8)
    }

    private func answer(
        status: Int = 200, head: [String] = ["content-type: application/grpc"], message: [UInt8]? = serving,
        trailers: [String]? = ["grpc-status: 0"], piece: Int = .max
    ) -> ProbeResult {
        var answer = GRPCAnswer()
        if let result = answer.head(Self.lines(head, status: status), status: status) { return result }
        var rest = (message ?? [])[...]
        while !rest.isEmpty {
            if let result = answer.data(rest.prefix(piece)) { return result }
            rest = rest.dropFirst(piece)
        }
        if let trailers { answer.trailers(Self.lines(trailers)) }
        return answer.ended()
    }

    @Test("SERVING passes, whole or byte by byte", arguments: [Int.max, 1, 2])
    func passes(piece: Int) { #expect(answer(piece: piece) == .passed) }

    @Test(
        "every other status fails by its name",
        arguments: [
            ([], "UNKNOWN"), ([8, 0], "UNKNOWN"), ([8, 2], "NOT_SERVING"), ([8, 3], "SERVICE_UNKNOWN"),
            ([8, 4], "serving status 4"), ([8, 0x81, 2], "serving status 257"),
        ] as [([UInt8], String)])
    func statuses(message: [UInt8], text: String) {
        guard case .failed(let failure) = answer(message: [0, 0, 0, 0, UInt8(message.count)] + message) else {
            Issue.record("passed")
            return
        }
        #expect(failure.description == text)
    }

    @Test(
        "what decides, in the order of its coming",
        arguments: [
            (503, ["content-type: application/grpc"], .status(503)),
            (200, ["content-type: text/html"], .grpc(.notGRPC)), (200, [], .grpc(.notGRPC)),
            (200, ["content-type: application/grpc-web"], .grpc(.notGRPC)),
            (200, ["content-type: application/grpcx"], .grpc(.notGRPC)),
            (200, ["content-type: application/grpc+proto"], nil),
            (200, ["content-type: Application/gRPC; charset=utf-8"], nil),
        ] as [(Int, [String], ProbeFailure?)])
    func heads(status: Int, head: [String], failure: ProbeFailure?) {
        #expect(answer(status: status, head: head) == failure.map { .failed($0) } ?? .passed)
    }

    @Test(
        "trailers: grpc-status is 0, stated once",
        arguments: [
            (["grpc-status: 0", "grpc-message: ok"], nil), (["grpc-status: 5"], .code(5)),
            (["grpc-status: 12"], .code(12)), (["grpc-status: 0", "grpc-status: 0"], .noCode), ([], .noCode),
            (["grpc-status: "], .noCode), (["grpc-status: -1"], .noCode), (["grpc-status: 1000"], .noCode),
            (["grpc-status: ٠"], .noCode), (["x-grpc-status: 0"], .noCode),
        ] as [([String], GRPCFailure?)])
    func codes(trailers: [String], failure: GRPCFailure?) {
        #expect(answer(trailers: trailers) == failure.map { .failed(.grpc($0)) } ?? .passed)
    }

    @Test("the body's end is no end of the answer")
    func withoutTrailers() { #expect(answer(trailers: nil) == .failed(.grpc(.noCode))) }

    @Test(
        "trailers only: an error's way; without an error it lacks the message",
        arguments: [("5", .code(5)), ("12", .code(12)), ("0", .noMessage)] as [(String, GRPCFailure)])
    func trailersOnly(code: String, failure: GRPCFailure) {
        let head = ["content-type: application/grpc", "grpc-status: \(code)"]
        #expect(answer(head: head, message: nil, trailers: nil) == .failed(.grpc(failure)))
    }

    @Test("a grpc-status in head and trailers is two")
    func codeTwice() {
        let head = ["content-type: application/grpc", "grpc-status: 0"]
        #expect(answer(head: head) == .failed(.grpc(.noCode)))
    }

    @Test(
        "one whole message that isn't compressed",
        arguments: [
            ([1, 0, 0, 0, 2, 8, 1], .compressed), ([2, 0, 0, 0, 2, 8, 1], .malformed), ([0, 0, 0, 0], .malformed),
            ([0, 0, 0, 0, 3, 8, 1], .malformed), ([0, 0, 0, 0, 2, 8, 1, 0], .malformed),
            ([0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 2, 8, 1], .malformed), ([0, 0, 0, 4, 1], .oversized),
            ([0, 255, 255, 255, 255], .oversized), ([0, 0, 0, 0, 1, 8], .malformed),
        ] as [([UInt8], GRPCFailure)])
    func framing(bytes: [UInt8], failure: GRPCFailure) {
        #expect(answer(message: bytes) == .failed(.grpc(failure)))
        #expect(answer(message: bytes, piece: 1) == .failed(.grpc(failure)))
    }

    @Test("a message of the largest size is read", arguments: [-1, 0, 1])
    func sizes(beyond: Int) {
        let count = GRPCAnswer.messageBytesMax + beyond
        // SERVING, and an unknown field of bytes that fills the rest.
        let filler = count - 2 - 3
        let head: [UInt8] = [8, 1, 0x12, UInt8(filler & 0x7f | 0x80), UInt8(filler >> 7)]
        let message = head + [UInt8](repeating: 7, count: filler)
        let prefix: [UInt8] = [0, 0, 0, UInt8(count >> 8), UInt8(count & 255)]
        #expect(answer(message: prefix + message) == (beyond > 0 ? .failed(.grpc(.oversized)) : .passed))
    }

    @Test("bytes before the head are no answer")
    func dataFirst() {
        var answer = GRPCAnswer()
        #expect(answer.data([0]) == .failed(.grpc(.broken)))
    }
}

@Suite("Messages of the gRPC health protocol")
struct HealthCheckMessageTests {
    @Test(
        "a request: the service's name with its length; nothing for the whole server",
        arguments: [
            ("", [0, 0, 0, 0, 0]), ("a", [0, 0, 0, 0, 3, 0x0a, 1, 0x61]),
            ("é", [0, 0, 0, 0, 4, 0x0a, 2, 0xc3, 0xa9]),
        ] as [(String, [UInt8])])
    func requests(service: String, bytes: [UInt8]) { #expect(HealthCheckMessage.request(service: service) == bytes) }

    @Test("a long name has a length of two bytes", arguments: [127, 128, 256])
    func longNames(count: Int) {
        let request = HealthCheckMessage.request(service: String(repeating: "s", count: count))
        var length: [UInt8] = [UInt8(truncatingIfNeeded: count)]
        if count >= 128 { length = [UInt8(count & 127 | 128), UInt8(count >> 7)] }
        let messageCount = 1 + length.count + count
        #expect(Array(request.prefix(5)) == [0, 0, 0, UInt8(messageCount >> 8), UInt8(messageCount & 255)])
        #expect(Array(request[5..<(6 + length.count)]) == [0x0a] + length)
        #expect(request.count == 5 + messageCount)
    }

    @Test(
        "responses",
        arguments: [
            ([], 0), ([8, 1], 1), ([8, 1, 8, 2], 2), ([8, 0x81, 0x80, 0], 1),
            // Fields that aren't known: number, 64 bits, bytes, 32 bits.
            ([0x10, 5, 8, 1], 1), ([0x11, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1], 1), ([0x12, 2, 9, 9, 8, 1], 1),
            ([0x15, 1, 2, 3, 4, 8, 1], 1),
            ([8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], UInt64.max),
            // Cut off, too long, another type, a group, field 0, an 11th byte.
            ([8], nil), ([8, 0x80], nil), ([0x12, 3, 1, 2], nil), ([0x11, 1], nil), ([0x15, 1, 2, 3], nil),
            ([0x0a, 1, 1], nil), ([0x13], nil), ([0x0b], nil), ([0, 1], nil), ([0x0e], nil),
            ([8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], nil),
            ([8, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1], nil),
            ([0x12, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], nil),
        ] as [([UInt8], UInt64?)])
    func responses(bytes: [UInt8], status: UInt64?) {
        #expect(HealthCheckMessage.servingStatus(bytes[...]) == status)
    }
}
