import NodeAgent
import Snapshot
import TLS

/// The TLS contexts of a node's pools, one for each worker; kept where a new snapshot leaves them as they were. Used on the
/// agent's thread only.
final class ClientContexts {
    /// What one pool's workers use, and its number: connections and sessions of another one are of no use.
    struct Entry {
        let identity: UInt32
        let contexts: [TLSClientContext]
    }
    private struct Key: Hashable {
        var pool: String
        var tls: EndpointTLS
        var endpointProtocol: EndpointProtocol
    }
    private let workers: Int
    private var current: [Key: Entry] = [:]
    /// 0 is for pools that are spoken to in the clear.
    private var lastIdentity: UInt32 = 0

    init(workers: Int) { self.workers = workers }

    /// By pool; nil for those without TLS.
    func make(for snapshot: Snapshot) throws(RoleError) -> [Entry?] {
        var next: [Key: Entry] = [:]
        var entries: [Entry?] = []
        for pool in snapshot.pools {
            guard let tls = pool.tls else {
                entries.append(nil)
                continue
            }
            let key = Key(pool: pool.name, tls: tls, endpointProtocol: pool.endpointProtocol)
            let entry: Entry
            if let known = current[key] { entry = known } else { entry = try make(pool, tls) }
            next[key] = entry
            entries.append(entry)
        }
        current = next
        return entries
    }

    private func make(_ pool: Pool, _ tls: EndpointTLS) throws(RoleError) -> Entry {
        let protocols: [ApplicationProtocol] =
            switch pool.endpointProtocol {
            case .http1: [.http11]
            case .http2: [.http2]
            case .auto: [.http2, .http11]
            }
        var contexts: [TLSClientContext] = []
        for _ in 0..<workers {
            do {
                let certificate = try tls.certificate.map { try CertificateChain(chain: $0.chain, key: $0.key) }
                let verification: TLSClientOptions.Verification =
                    switch tls.verification {
                    case .system: .system
                    case .authorities(let pem): .authorities(pem)
                    case .none: .none
                    }
                contexts.append(
                    try TLSClientContext(
                        TLSClientOptions(
                            verification: verification, serverName: tls.serverName, certificate: certificate,
                            protocols: protocols)))
            } catch {
                throw RoleError("pool \(pool.name): its TLS can't be set up: \(error)")
            }
        }
        lastIdentity += 1
        return Entry(identity: lastIdentity, contexts: contexts)
    }
}
