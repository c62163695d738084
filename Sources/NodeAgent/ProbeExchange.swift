package import EventLoop
import Glibc
package import Snapshot

/// What one probe says of its endpoint.
package enum ProbeResult: Equatable, Sendable {
    case passed
    case failed(ProbeFailure)
    /// This host couldn't even try (no descriptors, memory or ports left): says nothing of the endpoint.
    case inconclusive(CInt)
}

package enum ProbeFailure: Equatable, Sendable, CustomStringConvertible {
    /// `errno` of the connect.
    case connect(CInt)
    case connectTimedOut
    /// `errno` after the connect.
    case broken(CInt)
    /// Closed before a whole status line.
    case closed
    case answerTimedOut
    case notHTTP
    /// A status outside the expected ones.
    case status(Int)

    /// `connect: Connection refused`
    package var description: String {
        switch self {
        case .connect(let code): "connect: \(unsafe String(cString: strerror(code)))"
        case .connectTimedOut: "connect: no answer in time"
        case .broken(let code): "\(unsafe String(cString: strerror(code)))"
        case .closed: "closed without an answer"
        case .answerTimedOut: "no answer in time"
        case .notHTTP: "answer is not HTTP/1.1"
        case .status(let status): "status \(status)"
        }
    }
}

/// One probe without its socket: what happened in, what to send and the result out.
///
///     connecting ──connected──▶ sending ──▶ reading ──status line──▶ result
///          └─────(tcp) passed
package struct ProbeExchange: Sendable {
    private let expected: [ClosedRange<Int>]?
    /// What the endpoint still has to be sent.
    package private(set) var unsent: ArraySlice<UInt8>
    private var answer: [UInt8] = []
    package private(set) var isConnected = false

    package init(_ probe: HealthCheck.Probe, to address: SocketAddress) {
        switch probe {
        case .tcp:
            expected = nil
            unsent = []
        case .http(let path, let expect):
            expected = expect
            unsent = ProbeExchange.request(path: path, to: address)[...]
        }
    }

    private static func request(path: String, to address: SocketAddress) -> [UInt8] {
        let host =
            switch address {
            case .ip(let endpoint): endpoint.description
            // A socket path is no host (RFC 9110 §7.2).
            case .unix: "localhost"
            }
        return Array(
            "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: sluice-health\r\nConnection: close\r\n\r\n".utf8)
    }

    /// - Returns: The result; nil: send `unsent`, then read.
    package mutating func connected() -> ProbeResult? {
        isConnected = true
        return expected == nil ? .passed : nil
    }

    /// The system took so many bytes of `unsent`.
    package mutating func sent(_ count: Int) { unsent = unsent.dropFirst(count) }

    /// - Returns: The result once the status line is whole.
    package mutating func received(_ bytes: ArraySlice<UInt8>) -> ProbeResult? {
        answer.append(contentsOf: bytes.prefix(StatusLine.bytesMax - answer.count))
        switch StatusLine(answer) {
        case .incomplete: return nil
        case .malformed: return .failed(.notHTTP)
        case .status(let status):
            let isExpected = expected?.contains { $0.contains(status) } ?? true
            return isExpected ? .passed : .failed(.status(status))
        }
    }

    /// The endpoint sent FIN.
    package func ended() -> ProbeResult { .failed(.closed) }

    package func timedOut() -> ProbeResult { .failed(isConnected ? .answerTimedOut : .connectTimedOut) }

    /// A system call on the probe's socket failed.
    package func broke(_ code: CInt) -> ProbeResult {
        guard !isConnected else { return .failed(.broken(code)) }
        switch code {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL: return .inconclusive(code)
        default: return .failed(.connect(code))
        }
    }
}
