package import EventLoop
package import NodeLink
package import Snapshot

/// What forwarder and proxy do for the agent of their process. All calls come from the agent's thread; the role's
/// workers answer through `AgentMailbox`.
package protocol DataRole: AnyObject {
    var role: Hello.Role { get }
    var workerCount: Int { get }
    /// How forwarders reach this node; nil for a forwarder.
    var reach: NodeReach? { get }

    /// Serves a snapshot from the workers' next turn on. All or nothing: after an error the node serves what it
    /// served before.
    ///
    /// - Throws: `RoleError` that names what could not be done, such as a listener that can't be bound.
    func apply(_ snapshot: Snapshot) throws(RoleError)

    /// Takes the whole membership. Each worker posts `.membershipApplied` once it acts on it.
    func apply(_ membership: Membership)

    /// Whether an endpoint's probes pass; one that was never named here is taken to be up.
    ///
    /// Said when it changes, and for each endpoint that is down again after each `apply(_: Snapshot)`. An endpoint that
    /// was down when its check or the endpoint itself went is called up once more, so that nothing stays down for good.
    func setHealth(of endpoint: EndpointKey, isUp: Bool)

    /// Requests to an endpoint have failed so often in a row that its pool wants to know: a worker has posted
    /// `.failedInARow`.
    func endpointFailedInARow(_ number: UInt32, now: UInt64)

    /// When `reviewTrust` is due, monotonic nanoseconds; nil: never.
    var trustDeadline: UInt64? { get }

    /// Ejects endpoints that fail real requests, and lets those back whose time is over.
    func reviewTrust(now: UInt64)

    /// What has changed since the last call.
    func takeTrustChanges() -> [TrustChange]

    /// Endpoints that this node ejects now.
    var ejected: Set<EndpointKey> { get }

    /// Figures of the above.
    func trustSamples() -> [Sample]

    /// Each worker posts `.report` with that id.
    func requestReport(id: UInt64)

    /// No new connections; those there are end after the response under way. Each worker posts `.drained` when its
    /// last connection has ended (at once if it has none).
    func drain()

    /// Takes connections again.
    func resume()

    /// The access log's file was renamed: opens its name anew.
    func reopenLog()

    /// The process is about to end: what is logged goes out first, within a few seconds.
    func flushLog()
}

extension DataRole {
    package func reopenLog() {}
    package func flushLog() {}
    package func endpointFailedInARow(_ number: UInt32, now: UInt64) {}
    package var trustDeadline: UInt64? { nil }
    package func reviewTrust(now: UInt64) {}
    package func takeTrustChanges() -> [TrustChange] { [] }
    package var ejected: Set<EndpointKey> { [] }
    package func trustSamples() -> [Sample] { [] }
}

/// Why a role can't serve a snapshot, for operators.
package struct RoleError: Error, Equatable {
    package let message: String

    package init(_ message: String) { self.message = message }
}

/// An endpoint's identity across revisions.
package struct EndpointKey: Hashable, Sendable {
    package var pool: String
    package var address: SocketAddress

    package init(pool: String, address: SocketAddress) {
        self.pool = pool
        self.address = address
    }
}

/// What workers tell the agent.
package enum AgentMessage: Sendable {
    case membershipApplied(version: UInt64, worker: Int)
    case report(id: UInt64, worker: Int, samples: [Sample])
    case drained(worker: Int)
    /// An endpoint, by the role's number, has failed as many requests in a row as its pool allows.
    case failedInARow(endpoint: UInt32)
}

package typealias AgentMailbox = Mailbox<AgentMessage>
