import EventLoop
package import Snapshot
import TLS
import Telemetry

/// An endpoint that a node probes.
package struct PlannedProbe: Sendable {
    package var key: EndpointKey
    package var check: HealthCheck
    /// How its pool's endpoints are spoken to; nil in the clear, and for a probe by connecting.
    package var tls: EndpointTLS?

    package init(_ key: EndpointKey, _ check: HealthCheck, tls: EndpointTLS? = nil) {
        self.key = key
        self.check = check
        self.tls = check.probe == .tcp ? nil : tls
    }
}

/// How the endpoints of one pool are probed inside of TLS.
final class ProbeTLS {
    let settings: EndpointTLS
    /// nil: it can't be set up. The data path has the same settings, so this host lacks something.
    let context: TLSClientContext?

    init(_ pool: String, _ settings: EndpointTLS, _ protocol: ApplicationProtocol) {
        self.settings = settings
        do {
            let certificate = try settings.certificate.map { try CertificateChain(chain: $0.chain, key: $0.key) }
            let verification: TLSClientOptions.Verification =
                switch settings.verification {
                case .system: .system
                case .authorities(let pem): .authorities(pem)
                case .none: .none
                }
            context = try TLSClientContext(
                TLSClientOptions(
                    verification: verification, serverName: settings.serverName, certificate: certificate,
                    protocols: [`protocol`]))
        } catch {
            Log.error("health", "pool \(pool): its endpoints can't be probed: its TLS can't be set up: \(error)")
            context = nil
        }
    }
}

/// The TLS of all pools that are probed inside of it; kept where a new snapshot leaves it as it was, so that sessions with
/// endpoints stay of use.
struct ProbeContexts {
    private struct Key: Hashable {
        var pool: String
        var tls: EndpointTLS
        var `protocol`: ApplicationProtocol
    }
    private var current: [Key: ProbeTLS] = [:]

    /// - Returns: By pool; nothing for those that are probed in the clear.
    mutating func adopt(_ probes: [PlannedProbe]) -> [String: ProbeTLS] {
        var (next, byPool): ([Key: ProbeTLS], [String: ProbeTLS]) = ([:], [:])
        for probe in probes where byPool[probe.key.pool] == nil {
            guard let tls = probe.tls else { continue }
            let isCall = if case .grpc = probe.check.probe { true } else { false }
            let key = Key(pool: probe.key.pool, tls: tls, protocol: isCall ? .http2 : .http11)
            let made = current[key] ?? ProbeTLS(key.pool, tls, key.protocol)
            next[key] = made
            byPool[key.pool] = made
        }
        current = next
        return byPool
    }
}

/// What all probes inside of TLS share: the way between OpenSSL and their sockets, and memory for what a socket doesn't take.
final class ProbeTransport {
    var tls = TLSTransport()
    var buffers = BufferPool(blocksMax: Prober.probesMax)
}
