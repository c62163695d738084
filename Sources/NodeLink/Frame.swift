/// Messages between the control plane and a node, over a Unix stream socket (between hosts: mTLS).
///
/// On the wire: `UInt32` length of what follows, `UInt8` kind, payload; all little-endian. A peer that sends
/// anything else is disconnected.
package enum Frame: Equatable, Sendable {
    // node → control plane
    case hello(Hello)
    /// The node serves this revision; the digest is that of the encoded snapshot.
    case applied(revision: UInt64, digest: UInt64)
    /// The node keeps what it had; `message` says what could not be done.
    case rejected(revision: UInt64, message: String)
    /// The node acts on this version of the membership.
    case membershipApplied(version: UInt64)
    case report(id: UInt64, Report)
    /// The node is draining and its last connection has ended.
    case drained
    /// What the node knows of endpoints, where that has changed since the last such frame or its `hello`.
    case votes([EndpointVote])

    // control plane → node
    /// A whole encoded snapshot; answered by `applied` or `rejected`.
    case snapshot([UInt8])
    /// The whole membership; answered by `membershipApplied`.
    case membership(Membership)
    /// Answered by `report` with the same id.
    case reportRequest(id: UInt64)
    /// Take no new connections, end keep-alive connections after the response under way; answered by `drained`.
    case drain(deadline: Duration)
    /// Take connections again.
    case resume
    /// Drain, then exit with status 0, at the latest after the deadline.
    case stop(deadline: Duration)
    /// The access log's file was renamed: open its name anew.
    case reopenLog

    /// Length of the largest frame, kind included: a snapshot of about 100,000 routes.
    package static let bytesMax = 64 * 1024 * 1024
    /// Bytes before the kind.
    package static let headerBytes = 4
}

/// What a node says first.
package struct Hello: Equatable, Sendable {
    package enum Role: UInt8, Sendable, CaseIterable {
        case forwarder = 0
        case proxy = 1

        package var name: String {
            switch self {
            case .forwarder: "forwarder"
            case .proxy: "proxy"
            }
        }
    }
    /// Grows with every incompatible change of the frames.
    package static let currentProtocolVersion: UInt16 = 2

    package var protocolVersion: UInt16
    package var role: Role
    /// `forwarder`, `proxy-1`, …: unique within the site.
    package var id: String
    package var pid: UInt32
    package var workers: UInt16
    /// How a forwarder reaches this proxy node; nil for a forwarder.
    package var reach: NodeReach?
    /// What the node serves now; 0 before its first snapshot.
    package var revision: UInt64
    package var digest: UInt64
    package var draining: Bool
    /// Seconds since the node started.
    package var uptimeSeconds: UInt64
    /// All that it knows of endpoints.
    package var votes: [EndpointVote]

    package init(
        role: Role, id: String, pid: UInt32, workers: UInt16, reach: NodeReach?, revision: UInt64, digest: UInt64,
        draining: Bool, uptimeSeconds: UInt64, votes: [EndpointVote] = []
    ) {
        protocolVersion = Hello.currentProtocolVersion
        self.role = role
        self.id = id
        self.pid = pid
        self.workers = workers
        self.reach = reach
        self.revision = revision
        self.digest = digest
        self.draining = draining
        self.uptimeSeconds = uptimeSeconds
        self.votes = votes
    }
}
