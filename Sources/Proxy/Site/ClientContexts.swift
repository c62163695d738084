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
            let key = Key(pool: pool.name, tls: tls)
            let entry: Entry
            if let known = current[key] { entry = known } else { entry = try make(pool.name, tls) }
            next[key] = entry
            entries.append(entry)
        }
        current = next
        return entries
    }

    private func make(_ pool: String, _ tls: EndpointTLS) throws(RoleError) -> Entry {
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
                            protocols: [.http11])))
            } catch {
                throw RoleError("pool \(pool): its TLS can't be set up: \(error)")
            }
        }
        lastIdentity += 1
        return Entry(identity: lastIdentity, contexts: contexts)
    }
}
