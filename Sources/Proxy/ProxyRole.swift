package import EventLoop
import Glibc
package import NodeAgent
package import NodeLink
import Pattern
package import Snapshot
import TLS
import Telemetry

/// The proxy node: compiles what the agent gives it, and tells its workers.
package final class ProxyRole: DataRole {
    package let role = Hello.Role.proxy
    package let workerCount: Int
    package let reach: NodeReach?

    private let mailboxes: [Mailbox<ProxyCommand>]
    private let agent: AgentMailbox
    private let registry = IdentityRegistry()
    private var outliers: OutlierWatch
    private let sources = SourceTable()
    private let serverContexts: ServerContexts
    private let clientContexts: ClientContexts
    private let identity: NodeIdentity
    /// Endpoints that an operator drains; known to the registry or not yet.
    private var draining: [EndpointKey] = []
    private var membershipVersion: UInt64 = 0
    private var ticketKeys: TicketKeys?
    /// Held for the life of the process.
    private let listeners: [WorkerListeners]
    private let handOverPaths: [String]
    /// Made when a site logs for the first time, and kept.
    private var accessLog: AccessLog?

    /// Starts the workers, which then wait for a site.
    ///
    /// - Parameters:
    ///   - handOverPrefix: Sockets for forwarders of this host are made at `<prefix>.<worker>.sock`.
    ///   - address: Where forwarders connect to that don't hand over; port 0 takes a free one; nil for none.
    ///   - forwarders: Whose connections are taken there.
    package init(
        workers: Int, mailbox: AgentMailbox, handOverPrefix: String?, address: IPEndpoint?, forwarders: [AddressRange],
        identity: NodeIdentity = NodeIdentity()
    ) throws(RoleError) {
        workerCount = workers
        // Before the first call of OpenSSL, or it would be too late. Either way it works.
        _ = CryptoMemory.isInstalled
        serverContexts = ServerContexts(workers: workers)
        clientContexts = ClientContexts(workers: workers)
        outliers = OutlierWatch(registry: registry, workers: workers)
        agent = mailbox
        self.identity = identity
        var address = address
        var listeners: [WorkerListeners] = []
        var paths: [String] = []
        for worker in 0..<workers {
            var listening = WorkerListeners(handOver: nil, relay: nil, forwarders: forwarders)
            if let handOverPrefix {
                let path = "\(handOverPrefix).\(worker).sock"
                listening.handOver = try ProxyRole.listen("hand-over socket \(path)") { () throws(SocketError) in
                    try Socket.listen(onPath: path, type: Socket.sequencedPackets)
                }
                paths.append(path)
            }
            if let relayAddress = address {
                let descriptor = try ProxyRole.listen("relay address \(relayAddress)") { () throws(SocketError) in
                    try Socket.listen(on: relayAddress, deferAccept: false)
                }
                listening.relay = descriptor
                // Port 0 became a free one: the other workers share it, and forwarders are told.
                address = Socket.localAddress(descriptor) ?? relayAddress
            }
            listeners.append(listening)
        }
        reach =
            if let address { .relay(address) } else {
                handOverPrefix.map { .handOver(prefix: $0, workers: workers) }
            }
        self.listeners = listeners
        handOverPaths = paths
        mailboxes = (0..<workers).map { _ in Mailbox() }
        for worker in 0..<workers { start(worker) }
    }

    private static func listen(
        _ what: String, _ make: () throws(SocketError) -> OwnedDescriptor
    ) throws(RoleError) -> CInt {
        do {
            return try make().release()
        } catch {
            throw RoleError("\(what): \(error)")
        }
    }

    private func start(_ worker: Int) {
        let (mailboxes, agent, listening, sources) = (mailboxes, agent, listeners[worker], sources)
        Thread.start("proxy-\(worker)") {
            CryptoMemory.beginHeap()
            do {
                var loop = ProxyWorker(
                    index: worker, poller: try Poller(), mailboxes: mailboxes, agent: agent, listening: listening,
                    sources: sources)
                try loop.watch()
                loop.run()
            } catch {
                preconditionFailure("worker \(worker): \(error)")
            }
        }
    }

    // MARK: DataRole

    package func apply(_ snapshot: Snapshot) throws(RoleError) {
        if accessLog == nil && snapshot.accessLog != nil { accessLog = AccessLog(workers: workerCount) }
        let contexts = try serverContexts.make(for: snapshot)
        let endpointContexts = try clientContexts.make(for: snapshot)
        let site: CompiledSite
        do {
            site = try CompiledSite(
                snapshot, registry: registry, workers: workerCount, node: identity,
                accessLog: snapshot.accessLog == nil ? nil : accessLog, contexts: contexts,
                clientContexts: endpointContexts)
        } catch {
            throw RoleError("a regular expression of revision \(snapshot.revision): \(error.message)")
        }
        accessLog?.use(snapshot.accessLog)
        for mailbox in mailboxes { mailbox.post(.serve(site)) }
        // Endpoints of this snapshot may be drained by a membership that came first.
        postMembership()
        outliers.adopt(snapshot, now: Clock.monotonicNanoseconds())
    }

    package func reopenLog() { accessLog?.reopen() }

    package func flushLog() {
        guard let accessLog, !accessLog.flush(within: ProxyRole.flushMax) else { return }
        Log.warning("access-log", "the last lines could not be written within \(ProxyRole.flushMax)")
    }

    /// For the last lines of a node that ends.
    private static let flushMax = Duration.seconds(2)

    package func apply(_ membership: Membership) {
        membershipVersion = membership.version
        ticketKeys = membership.ticketKeys
        draining = membership.endpoints.filter { $0.state == .draining }
            .map { EndpointKey(pool: $0.pool, address: $0.address) }
        postMembership()
    }

    private func postMembership() {
        let numbers = draining.compactMap(registry.knownNumber(of:))
        for mailbox in mailboxes {
            mailbox.post(.membership(version: membershipVersion, draining: numbers, ticketKeys: ticketKeys))
        }
    }

    package func setHealth(of endpoint: EndpointKey, isUp: Bool) {
        guard let number = registry.knownNumber(of: endpoint) else { return }
        for mailbox in mailboxes { mailbox.post(.health(endpoint: number, isUp: isUp)) }
    }

    package func endpointFailedInARow(_ number: UInt32, now: UInt64) { outliers.failedInARow(number, now: now) }

    package var trustDeadline: UInt64? { outliers.deadline }

    package func reviewTrust(now: UInt64) { outliers.review(now: now) }

    package func takeTrustChanges() -> [TrustChange] {
        let (verdicts, changes) = outliers.take()
        for verdict in verdicts {
            for mailbox in mailboxes {
                mailbox.post(.trust(endpoint: verdict.endpoint, isEjected: verdict.isEjected))
            }
        }
        return changes
    }

    package var ejected: Set<EndpointKey> { outliers.ejected }

    package func trustSamples() -> [Sample] { outliers.samples() }

    package func requestReport(id: UInt64) {
        for mailbox in mailboxes { mailbox.post(.report(id: id)) }
    }

    package func drain() {
        for mailbox in mailboxes { mailbox.post(.drain) }
    }

    package func cut() {
        for mailbox in mailboxes { mailbox.post(.cut) }
    }

    package func resume() {
        for mailbox in mailboxes { mailbox.post(.resume) }
    }
}
