import NodeAgent
import Snapshot
import TLS

/// The TLS contexts of a node's listeners, one for each worker.
///
/// A listener whose TLS a new snapshot leaves as it was keeps its contexts: reading keys and chains costs up to a millisecond
/// each. Used on the agent's thread only.
final class ServerContexts {
    private let workers: Int
    private var current: [Key: [TLSServerContext]] = [:]

    private struct Key: Hashable {
        var listener: String
        var tls: ListenerTLS
    }

    init(workers: Int) { self.workers = workers }

    /// By worker and listener; nil when no listener speaks TLS.
    func make(for snapshot: Snapshot) throws(RoleError) -> [[TLSServerContext?]]? {
        var next: [Key: [TLSServerContext]] = [:]
        var byListener: [[TLSServerContext]?] = []
        for listener in snapshot.listeners {
            guard let tls = listener.tls else {
                byListener.append(nil)
                continue
            }
            let key = Key(listener: listener.name, tls: tls)
            var contexts = current[key] ?? []
            if contexts.isEmpty { contexts = try make(listener.name, tls) }
            next[key] = contexts
            byListener.append(contexts)
        }
        current = next
        guard !next.isEmpty else { return nil }
        return (0..<workers).map { worker in byListener.map { $0?[worker] } }
    }

    private func make(_ name: String, _ tls: ListenerTLS) throws(RoleError) -> [TLSServerContext] {
        let options = TLSServerOptions(
            minimum: tls.minimum, protocols: tls.protocols, identity: Array(name.utf8.prefix(32)),
            clientAuthorities: tls.clientAuthentication?.authorities ?? [],
            requiresClientCertificate: tls.clientAuthentication?.mode == .require, keyLog: tls.keyLog,
            takesEarlyData: tls.takesEarlyData)
        var contexts: [TLSServerContext] = []
        for _ in 0..<workers {
            // Each worker reads its own: keys and certificates count their users, too.
            var chains: [CertificateChain] = []
            for certificate in tls.certificates {
                do throws(CertificateChain.Problem) {
                    let chain = try CertificateChain(chain: certificate.chain, key: certificate.key)
                    chain.ocspResponse = certificate.ocspResponse
                    chains.append(chain)
                } catch {
                    throw RoleError("listener \(name): the certificate \(certificate.name): \(error)")
                }
            }
            do throws(TLSContextError) {
                contexts.append(try TLSServerContext(chains, options))
            } catch {
                throw RoleError("listener \(name): its certificates can't be used: \(error)")
            }
        }
        return contexts
    }
}
