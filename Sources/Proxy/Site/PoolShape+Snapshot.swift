import Balancing
import EventLoop
import NodeAgent
import Snapshot

/// Who a node is, as far as balancing depends on it.
package struct NodeIdentity: Sendable {
    /// Its name: nodes with other names use other subsets of a pool.
    var id: String
    /// Its zone; nil: that of the site file, for a node on the control plane's host.
    var zone: String?
    /// It is on the control plane's host.
    var isLocal: Bool

    package init(id: String = "", zone: String? = nil, isLocal: Bool = true) {
        self.id = id
        self.zone = zone
        self.isLocal = isLocal
    }

    func zone(_ snapshot: Snapshot) -> String? { zone ?? (isLocal ? snapshot.proxy.zone : nil) }
}

extension PoolShape {
    /// - Parameters:
    ///   - node: Its name; subsets depend on it.
    ///   - zone: The node's own.
    convenience init(_ pool: Pool, _ registry: IdentityRegistry, node: String, zone: String?) {
        let members = pool.endpoints.map { endpoint in
            PoolMember(
                name: endpoint.address.description,
                number: registry.number(of: EndpointKey(pool: pool.name, address: endpoint.address)),
                weight: UInt16(endpoint.weight), isBackup: endpoint.isBackup,
                isLocal: zone != nil && endpoint.zone == zone)
        }
        self.init(members, rules: pool.rules, node: node)
    }
}
