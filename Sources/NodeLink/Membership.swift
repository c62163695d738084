package import EventLoop
package import TLS

/// Which proxy nodes take connections, which endpoints an operator drains, which are down, and what session tickets are sealed with. Sent whole, apart from snapshots,
/// so that a node that comes or goes is no new revision.
package struct Membership: Equatable, Sendable {
    /// Grows with every change.
    package var version: UInt64
    /// Proxy nodes that a forwarder may use; those that are down are left out.
    package var nodes: [NodeMember]
    /// Endpoints in a state other than what health says.
    package var endpoints: [EndpointMember]
    /// Of all proxy nodes; nil for forwarders, which have no use for them.
    package var ticketKeys: TicketKeys?

    package init(
        version: UInt64, nodes: [NodeMember] = [], endpoints: [EndpointMember] = [], ticketKeys: TicketKeys? = nil
    ) {
        self.ticketKeys = ticketKeys
        self.version = version
        self.nodes = nodes
        self.endpoints = endpoints
    }
}

/// How a forwarder passes connections to a proxy node.
package enum NodeReach: Hashable, Sendable {
    /// Same host: one `SOCK_SEQPACKET` socket per worker, at `<prefix>.<worker>.sock`.
    case handOver(prefix: String, workers: Int)
    /// Another host: TCP with PROXY protocol v2.
    case relay(IPEndpoint)
}

package struct NodeMember: Equatable, Sendable {
    package var id: String
    package var reach: NodeReach
    /// Takes no new connections; those it has go on.
    package var draining: Bool
    /// Share of the connections against the other nodes; 1…256.
    package var weight: Int

    package init(id: String, reach: NodeReach, draining: Bool = false, weight: Int = 1) {
        self.id = id
        self.reach = reach
        self.draining = draining
        self.weight = weight
    }
}

package struct EndpointMember: Equatable, Sendable {
    package enum State: UInt8, Sendable, CaseIterable {
        /// Finishes what it has and takes no new requests or connections.
        case draining = 0
        /// The nodes that probe it say that it is down: for those that don't.
        case down = 1
    }
    package var pool: String
    package var address: SocketAddress
    package var state: State

    package init(pool: String, address: SocketAddress, state: State) {
        self.pool = pool
        self.address = address
        self.state = state
    }
}
