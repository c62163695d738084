/// What is wrong with an endpoint's answer to a call of the gRPC health protocol.
package enum GRPCFailure: Equatable, Sendable, CustomStringConvertible {
    /// The bytes are another protocol's, such as HTTP/1.1's.
    case notHTTP2
    /// They break the rules of HTTP/2, or go beyond the bounds of a probe.
    case broken
    /// The stream was reset, with a code of RFC 9113 §7.
    case reset(UInt32)
    /// TLS is there, but the endpoint doesn't choose `h2`.
    case noHTTP2
    case notGRPC
    /// Another `grpc-status` than 0.
    case code(Int)
    /// Ended without a `grpc-status`, or with one that is no number.
    case noCode
    /// `grpc-status` 0, but no message.
    case noMessage
    case compressed
    /// Not one whole HealthCheckResponse.
    case malformed
    /// A message of more than `GRPCAnswer.messageBytesMax` bytes.
    case oversized
    /// Another ServingStatus than SERVING.
    case status(UInt64)

    package var description: String {
        switch self {
        case .notHTTP2: "answer is not HTTP/2"
        case .broken: "answer breaks the rules of HTTP/2"
        case .reset(let code): "stream reset (HTTP/2 error \(code))"
        case .noHTTP2: "the endpoint does not choose h2 (ALPN)"
        case .notGRPC: "answer is not gRPC"
        case .code(let code): "grpc-status \(code)\(GRPCFailure.name(ofCode: code))"
        case .noCode: "answer without a grpc-status"
        case .noMessage: "answer without a message"
        case .compressed: "message is compressed"
        case .malformed: "message is no HealthCheckResponse"
        case .oversized: "message is too large"
        case .status(0): "UNKNOWN"
        case .status(2): "NOT_SERVING"
        case .status(3): "SERVICE_UNKNOWN"
        case .status(let status): "serving status \(status)"
        }
    }

    /// Those that a health service answers with; what they are called is in statuscodes.md of gRPC.
    private static func name(ofCode code: Int) -> String {
        switch code {
        case 1: " CANCELLED"
        case 2: " UNKNOWN"
        case 3: " INVALID_ARGUMENT"
        case 4: " DEADLINE_EXCEEDED"
        case 5: " NOT_FOUND"
        case 7: " PERMISSION_DENIED"
        case 8: " RESOURCE_EXHAUSTED"
        case 12: " UNIMPLEMENTED"
        case 13: " INTERNAL"
        case 14: " UNAVAILABLE"
        case 16: " UNAUTHENTICATED"
        default: ""
        }
    }
}

/// An endpoint's answer to `grpc.health.v1.Health/Check`, as it comes: head, one message, trailers
/// (PROTOCOL-HTTP2.md of gRPC). Field lines and bytes in, the result out.
///
///     nothing ──head──▶ answering ──message──▶ answering ──trailers──▶ ended
///        └──── head that ends the stream ("trailers only") ─────────────┘
package struct GRPCAnswer: Sendable {
    /// Of the message. A HealthCheckResponse has two bytes; the rest is for fields of later versions.
    package static let messageBytesMax = 1024
    /// Compressed or not, and the length (Length-Prefixed-Message).
    private static let prefixBytes = 5

    private enum Code: Equatable {
        case absent, malformed, stated(Int)
    }
    private var hasHead = false
    private var code = Code.absent
    /// Prefix and message.
    private var bytes: [UInt8] = []

    package init() {}

    /// The head of the answer; interim ones aren't given.
    ///
    /// - Parameter lines: As in HTTP/1.1, status line included. Names are in lower case, as HTTP/2 has them.
    /// - Returns: The result if there is one already.
    package mutating func head(_ lines: [UInt8], status: Int) -> ProbeResult? {
        guard status == 200 else { return .failed(.status(status)) }
        hasHead = true
        var isGRPC = false
        GRPCAnswer.forEachField(lines) { name, value in
            if name == "content-type" { isGRPC = GRPCAnswer.isGRPC(value) }
        }
        guard isGRPC else { return .failed(.grpc(.notGRPC)) }
        readCode(lines)
        return nil
    }

    package mutating func data(_ more: some Collection<UInt8>) -> ProbeResult? {
        guard hasHead else { return .failed(.grpc(.broken)) }
        let bytesMax = GRPCAnswer.prefixBytes + GRPCAnswer.messageBytesMax
        bytes.append(contentsOf: more.prefix(bytesMax + 1 - bytes.count))
        guard bytes.count >= GRPCAnswer.prefixBytes else { return nil }
        switch bytes[0] {
        case 0: break
        case 1: return .failed(.grpc(.compressed))
        default: return .failed(.grpc(.malformed))
        }
        let length = bytes[1...4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= GRPCAnswer.messageBytesMax else { return .failed(.grpc(.oversized)) }
        // One call, one message.
        return bytes.count > GRPCAnswer.prefixBytes + length ? .failed(.grpc(.malformed)) : nil
    }

    package mutating func trailers(_ lines: [UInt8]) { readCode(lines) }

    /// The stream has ended, and with it the answer.
    package func ended() -> ProbeResult {
        switch code {
        case .absent, .malformed: return .failed(.grpc(.noCode))
        case .stated(let code) where code != 0: return .failed(.grpc(.code(code)))
        case .stated: break
        }
        guard !bytes.isEmpty else { return .failed(.grpc(.noMessage)) }
        guard bytes.count >= GRPCAnswer.prefixBytes,
            bytes.count == GRPCAnswer.prefixBytes + bytes[1...4].reduce(0, { $0 << 8 | Int($1) }),
            let status = HealthCheckMessage.servingStatus(bytes.dropFirst(GRPCAnswer.prefixBytes))
        else { return .failed(.grpc(.malformed)) }
        return status == HealthCheckMessage.serving ? .passed : .failed(.grpc(.status(status)))
    }

    private mutating func readCode(_ lines: [UInt8]) {
        var found = code
        GRPCAnswer.forEachField(lines) { name, value in
            guard name == "grpc-status" else { return }
            let isNumber = (1...3).contains(value.utf8.count) && value.utf8.allSatisfy { (0x30...0x39).contains($0) }
            // Twice: which one counts would be a guess.
            found = found == .absent && isNumber ? .stated(Int(value)!) : .malformed
        }
        code = found
    }

    /// `application/grpc`, alone or with what follows a `+` or `;`.
    private static func isGRPC(_ value: String) -> Bool {
        let text = value.lowercased()
        guard text.hasPrefix("application/grpc") else { return false }
        return text.dropFirst("application/grpc".count).first.map { "+; ".contains($0) } ?? true
    }

    private static func forEachField(_ lines: [UInt8], _ body: (_ name: String, _ value: String) -> Void) {
        for line in lines.split(separator: 0x0a) {
            let text = line.last == 0x0d ? line.dropLast() : line
            guard let colon = text.firstIndex(of: 0x3a) else { continue }
            let value = text[(colon + 1)...].drop { $0 == 0x20 }
            body(String(decoding: text[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self))
        }
    }
}
