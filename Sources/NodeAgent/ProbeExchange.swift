package import EventLoop
import Glibc
package import Snapshot

/// What one probe says of its endpoint.
package enum ProbeResult: Equatable, Sendable {
    case passed
    case failed(ProbeFailure)
    /// This host couldn't even try (no descriptors, memory or ports left): says nothing of the endpoint.
    case inconclusive(CInt)
    /// This host looked too late to tell whether the endpoint was slow: says nothing of it either.
    case late
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
    /// The expected text isn't in the body, or not in its first `HTTPProbe.bodyBytesMax` bytes.
    case body

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
        case .body: "answer without the expected text"
        }
    }
}

/// One probe without its socket: what happened in, what to send and the result out.
///
///     connecting ──connected──▶ sending ──▶ reading ──status line──▶ result
///          └─────(tcp) passed                           └──expected body──▶ reading on ──▶ result
package struct ProbeExchange: Sendable {
    /// nil: connecting is enough.
    private let probe: HTTPProbe?
    /// What the endpoint still has to be sent.
    package private(set) var unsent: ArraySlice<UInt8>
    private var answer: [UInt8] = []
    package private(set) var isConnected = false

    package init(_ probe: HealthCheck.Probe, to address: SocketAddress) {
        switch probe {
        case .tcp:
            self.probe = nil
            unsent = []
        case .http(let http):
            self.probe = http
            unsent = ProbeExchange.request(http, to: address)[...]
        }
    }

    private static func request(_ probe: HTTPProbe, to address: SocketAddress) -> [UInt8] {
        let host =
            switch address {
            case .ip(let endpoint): endpoint.description
            // A socket path is no host (RFC 9110 §7.2).
            case .unix: "localhost"
            }
        var text = "\(probe.method) \(probe.path) HTTP/1.1\r\n"
        for (name, value) in [("Host", host), ("User-Agent", "sluice-health")]
        where !probe.fields.contains(where: { $0.name.lowercased() == name.lowercased() }) {
            text += "\(name): \(value)\r\n"
        }
        for field in probe.fields { text += "\(field.name): \(field.value)\r\n" }
        if probe.method == "POST" { text += "Content-Length: 0\r\n" }
        return Array((text + "Connection: close\r\n\r\n").utf8)
    }

    /// - Returns: The result; nil: send `unsent`, then read.
    package mutating func connected() -> ProbeResult? {
        isConnected = true
        return probe == nil ? .passed : nil
    }

    /// The system took so many bytes of `unsent`.
    package mutating func sent(_ count: Int) { unsent = unsent.dropFirst(count) }

    /// - Returns: The result once the status line is whole and, where a text is expected, the text has come.
    package mutating func received(_ bytes: ArraySlice<UInt8>) -> ProbeResult? {
        guard let probe else { return .passed }
        let room = probe.body == nil ? StatusLine.bytesMax : ProbeAnswer.bytesMax
        answer.append(contentsOf: bytes.prefix(max(room - answer.count, 0)))
        switch StatusLine(answer) {
        case .incomplete: return nil
        case .malformed: return .failed(.notHTTP)
        case .status(let status):
            guard probe.expect.contains(where: { $0.contains(status) }) else { return .failed(.status(status)) }
            guard let text = probe.body else { return .passed }
            return ProbeAnswer(answer).result(expecting: text)
        }
    }

    /// The endpoint sent FIN.
    package func ended() -> ProbeResult {
        if probe?.body != nil, case .status = StatusLine(answer), ProbeAnswer(answer).hasHead { return .failed(.body) }
        return .failed(.closed)
    }

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
