import Balancing
import EventLoop
import NodeLink

/// The nodes of one version of the membership and the order in which each connection prefers them. Built on the
/// agent's thread, immutable, shared by all workers.
final class NodeTable: Sendable {
    struct Node: Sendable {
        let id: String
        let reach: NodeReach
        /// Takes new connections.
        let isOpen: Bool
    }

    /// Version of the membership.
    let version: UInt64
    let nodes: [Node]
    private let members: [NodeMember]
    /// Over `nodes`; those that take nothing have no entries.
    let maglev: MaglevTable

    /// Preferences taken from the table before the nodes are tried one after the other. With half of the nodes
    /// usable, one connection in 2¹⁶ gets there.
    static let preferencesMax: UInt32 = 16

    /// How a node is reached is the node's word: with `hand_over: never` the control plane starts local nodes so that they
    /// say an address, and one that was started before is still handed sockets.
    ///
    /// - Parameter previous: Whose Maglev table is taken over when the nodes are the same: endpoints that go up and down change
    ///   the membership too.
    init(_ membership: Membership, previous: NodeTable? = nil) {
        version = membership.version
        members = membership.nodes
        if let previous, previous.members == members {
            nodes = previous.nodes
            maglev = previous.maglev
            return
        }
        nodes = membership.nodes.map { member in
            let isReachable =
                switch member.reach {
                case .handOver(_, let workers): workers > 0
                case .relay: true
                }
            return Node(id: member.id, reach: member.reach, isOpen: !member.draining && isReachable)
        }
        maglev = MaglevTable(
            zip(nodes, membership.nodes).map { node, member in
                MaglevMember(name: node.id, weight: node.isOpen ? UInt32(max(member.weight, 1)) : 0)
            })
    }

    /// The next node for a connection: its first preference, then each other node once.
    ///
    /// - Parameters:
    ///   - position: 0 at first; moved on past the node that is returned.
    ///   - usable: One flag per node.
    /// - Returns: Index in `nodes`; nil when every usable node has been given.
    func next(hash: UInt64, position: inout UInt32, usable: UnsafePointer<Bool>) -> Int? {
        guard !maglev.isEmpty else { return nil }
        while position < NodeTable.preferencesMax {
            let attempt = Int(position)
            position += 1
            let node = maglev.preference(hash: hash, attempt: attempt)
            if unsafe usable[node] && !isPreferred(node, hash: hash, before: attempt) { return node }
        }
        let count = UInt32(nodes.count)
        let first = UInt32(Hash64.mix(hash).multipliedFullWidth(by: UInt64(count)).high)
        while position < NodeTable.preferencesMax + count {
            let node = Int((first + position - NodeTable.preferencesMax) % count)
            position += 1
            if unsafe usable[node] && !isPreferred(node, hash: hash, before: Int(NodeTable.preferencesMax)) {
                return node
            }
        }
        return nil
    }

    private func isPreferred(_ node: Int, hash: UInt64, before attempts: Int) -> Bool {
        for attempt in 0..<attempts where maglev.preference(hash: hash, attempt: attempt) == node { return true }
        return false
    }
}
