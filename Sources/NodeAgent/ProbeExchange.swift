package import EventLoop
import Glibc
package import Snapshot
package import TLS

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
    /// TLS that failed, in OpenSSL's words or ours.
    case tls(String)
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
    case grpc(GRPCFailure)

    /// `connect: Connection refused`
    package var description: String {
        switch self {
        case .connect(let code): "connect: \(unsafe String(cString: strerror(code)))"
        case .connectTimedOut: "connect: no answer in time"
        case .tls(let reason): "TLS: \(reason)"
        case .broken(let code): "\(unsafe String(cString: strerror(code)))"
        case .closed: "closed without an answer"
        case .answerTimedOut: "no answer in time"
        case .notHTTP: "answer is not HTTP/1.1"
        case .status(let status): "status \(status)"
        case .body: "answer without the expected text"
        case .grpc(let failure): failure.description
        }
    }
}

/// One probe without its socket and without TLS: what happened in, what to send and the result out.
///
///     connecting ──connected──▶ (securing ──secured──▶) asking ──▶ reading ──status line──▶ result
///          └─────(tcp) passed                                           ├──expected body──▶ reading on ──▶ result
///                                                                       └──(grpc) trailers──▶ result
package struct ProbeExchange: ~Copyable {
    private enum Stage {
        case connecting
        /// TLS shakes hands.
        case securing
        case asking
    }
    private let probe: HealthCheck.Probe
    private let host: String
    private let isSecure: Bool
    private var stage = Stage.connecting
    /// What the endpoint still has to be sent, inside of TLS if there is one.
    package private(set) var unsent: ArraySlice<UInt8> = []
    private var answer: [UInt8] = []
    /// Of a probe by gRPC that is connected.
    private var call: GRPCCall?

    package var isConnected: Bool { stage != .connecting }

    /// - Parameter tls: How the pool's endpoints are spoken to; a probe by connecting does without.
    package init(_ probe: HealthCheck.Probe, to address: SocketAddress, tls: EndpointTLS? = nil) {
        self.probe = probe
        isSecure = tls != nil && probe != .tcp
        host =
            if let name = tls?.serverName {
                name
            } else {
                switch address {
                case .ip(let endpoint): endpoint.description
                // A socket path is no host (RFC 9110 §7.2).
                case .unix: "localhost"
                }
            }
        if case .http(let http) = probe { unsent = ProbeExchange.request(http, host: host)[...] }
    }

    private static func request(_ probe: HTTPProbe, host: String) -> [UInt8] {
        var text = "\(probe.method) \(probe.path) HTTP/1.1\r\n"
        for (name, value) in [("Host", host), ("User-Agent", "sluice-health")]
        where !probe.fields.contains(where: { $0.name.lowercased() == name.lowercased() }) {
            text += "\(name): \(value)\r\n"
        }
        for field in probe.fields { text += "\(field.name): \(field.value)\r\n" }
        if probe.method == "POST" { text += "Content-Length: 0\r\n" }
        return Array((text + "Connection: close\r\n\r\n").utf8)
    }

    /// - Returns: The result; nil: shake hands where there is TLS, send `unsent`, then read.
    package mutating func connected() -> ProbeResult? {
        stage = isSecure ? .securing : .asking
        switch probe {
        case .tcp: return .passed
        case .http: return nil
        case .grpc(let service):
            guard let call = GRPCCall(service: service, authority: host, isSecure: isSecure) else {
                return .inconclusive(ENOMEM)
            }
            self.call = call
            unsent = call.takeOutput()[...]
            return nil
        }
    }

    /// The handshake is over.
    ///
    /// - Parameter chosen: By ALPN.
    package mutating func secured(_ chosen: ApplicationProtocol?) -> ProbeResult? {
        stage = .asking
        // RFC 9113 §3.2: HTTP/2 inside of TLS is chosen by ALPN.
        return call != nil && chosen != .http2 ? .failed(.grpc(.noHTTP2)) : nil
    }

    /// The system took so many bytes of `unsent`.
    package mutating func sent(_ count: Int) { unsent = unsent.dropFirst(count) }

    /// - Returns: The result once the status line is whole and, where a text is expected, the text has come; of a probe by
    ///   gRPC once the answer has ended.
    package mutating func received(_ bytes: ArraySlice<UInt8>) -> ProbeResult? {
        switch probe {
        case .tcp: return .passed
        case .http(let http): return received(bytes, http)
        case .grpc:
            guard let call else { preconditionFailure("bytes before the call, in \(stage)") }
            let result = call.received(bytes)
            unsent += call.takeOutput()
            return result
        }
    }

    private mutating func received(_ bytes: ArraySlice<UInt8>, _ probe: HTTPProbe) -> ProbeResult? {
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
        if stage == .securing { return .failed(.tls("closed by the endpoint")) }
        if case .http(let http) = probe, http.body != nil, case .status = StatusLine(answer),
            ProbeAnswer(answer).hasHead
        {
            return .failed(.body)
        }
        return .failed(.closed)
    }

    package func timedOut() -> ProbeResult {
        switch stage {
        case .connecting: .failed(.connectTimedOut)
        case .securing: .failed(.tls("no answer in time"))
        case .asking: .failed(.answerTimedOut)
        }
    }

    /// A system call on the probe's socket failed.
    package func broke(_ code: CInt) -> ProbeResult {
        stage == .connecting ? ProbeExchange.unconnected(code) : .failed(.broken(code))
    }

    /// The socket couldn't be made or connected.
    package static func unconnected(_ code: CInt) -> ProbeResult {
        switch code {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL: .inconclusive(code)
        default: .failed(.connect(code))
        }
    }
}
