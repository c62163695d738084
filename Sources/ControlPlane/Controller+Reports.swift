import EventLoop
import Foundation
import NodeLink
import Snapshot

extension Controller {
    /// The figures of the nodes at this moment.
    struct Figures: Sendable {
        var totals: [Sample]
        /// Of the nodes that answered.
        var reports: [String: Report]
        /// Nodes that were asked and did not answer in time, or that have no link.
        var unanswered: [String]
    }

    /// Asks every node for its figures; a node that doesn't answer in time is left out.
    func figures() async -> Figures {
        reportRequests += 1
        let request = reportRequests
        let asked = Set(links.keys)
        awaitedReports[request] = asked
        for link in links.values { link.send(.reportRequest(id: request)) }
        _ = await wait(atMost: timing.report) { controller in
            (controller.awaitedReports[request] ?? []).allSatisfy { controller.links[$0] == nil }
        }
        let silent = awaitedReports.removeValue(forKey: request) ?? []
        let answered = asked.subtracting(silent).filter { links[$0] != nil }
        let running = members.nodes.values.filter { !$0.isGone }.map(\.id)
        return Figures(
            totals: ledger.totals(answered: answered), reports: ledger.last.filter { answered.contains($0.key) },
            unanswered: running.filter { !answered.contains($0) }.sorted())
    }

    // MARK: What operators read

    package func status() throws(ControlError) -> StatusDocument {
        let current = try running()
        let nodes = members.nodes.values
        return StatusDocument(
            site: current.snapshot.site, revision: current.revision.number, digest: current.revision.digest,
            uptimeSeconds: (ContinuousClock.now - startedAt).components.seconds, version: Version.text,
            nodes: .init(up: nodes.count { $0.state == .up }, total: nodes.count), control: .init(pid: getpid()),
            names: nameDocuments(), certificates: certificateDocuments())
    }

    package func nodesDocument() async -> NodesDocument {
        let figures = await figures()
        let now = ContinuousClock.now
        // The forwarder, then proxies in the order of their numbers.
        let nodes = members.nodes.values.sorted { left, right in
            if left.role != right.role { return left.role == .forwarder }
            return left.id.localizedStandardCompare(right.id) == .orderedAscending
        }
        return NodesDocument(
            nodes: nodes.map { NodeDocument($0, figures.reports[$0.id], now: now) }, unanswered: figures.unanswered)
    }

    package func poolsDocument() async throws(ControlError) -> PoolsDocument {
        let figures = await figures()
        return PoolsDocument(
            try running().snapshot, endpoints, totals: figures.totals, reports: Array(figures.reports.values),
            unanswered: figures.unanswered, clock: WallClock(start: startedAt))
    }

    package func listenersDocument() async throws(ControlError) -> ListenersDocument {
        let figures = await figures()
        return ListenersDocument(try running().snapshot, totals: figures.totals, unanswered: figures.unanswered)
    }

    package func routesDocument() async throws(ControlError) -> RoutesDocument {
        let figures = await figures()
        return RoutesDocument(try running().snapshot, totals: figures.totals, unanswered: figures.unanswered)
    }

    package func revisionsDocument() async throws -> RevisionsDocument {
        let revisions = try await store.revisions(limit: 1000)
        return RevisionsDocument(
            revisions: revisions.map { revision in
                .init(
                    revision: revision.number, digest: revision.digest, file: revision.file,
                    time: revision.time.formatted(.iso8601),
                    author: revision.author.map { .init(uid: $0.uid, pid: $0.pid) }, comment: revision.comment)
            })
    }

    /// `/metrics`.
    package func metrics() async -> String {
        let figures = await figures()
        var samples = figures.totals.filter { !Controller.internalMetrics.contains($0.name) }
        for (id, node) in members.nodes {
            let label = [Sample.Label("node", id)]
            let isUp = node.state == .up || node.state == .draining
            samples.append(Sample("sluice_revision", label, Double(node.revision)))
            samples.append(Sample("sluice_node_up", label, isUp ? 1 : 0))
            samples.append(Sample("sluice_node_reported", label, figures.reports[id] == nil ? 0 : 1))
            samples.append(Sample("sluice_node_restarts_total", label, Double(node.restarts)))
            if node.isLocal, let pid = node.pid, let process = ProcessFigures(pid: pid) {
                samples.append(Sample("sluice_node_cpu_seconds_total", label, process.cpuSeconds))
                samples.append(Sample("sluice_node_resident_bytes", label, Double(process.residentBytes)))
            }
            if let report = figures.reports[id] {
                samples.append(
                    Sample("sluice_node_connections", label, report.samples.sum("sluice_node_connections")))
            }
        }
        samples += EndpointCounts.latencySamples(figures.totals)
        samples += nameSamples()
        samples += certificateSamples()
        samples.append(Sample("sluice_control_revision", [], Double(current?.revision.number ?? 0)))
        if let process = ProcessFigures(pid: getpid()) {
            samples.append(Sample("process_cpu_seconds_total", [], process.cpuSeconds))
            samples.append(Sample("process_resident_memory_bytes", [], Double(process.residentBytes)))
        }
        let uptime = (ContinuousClock.now - startedAt).components.seconds
        samples.append(
            Sample("sluice_control_start_time_seconds", [], Double(Int64(Date().timeIntervalSince1970) - uptime)))
        return PrometheusText.render(samples)
    }

    /// What nodes report for the API's documents only.
    private static let internalMetrics: Set<String> = [
        "sluice_node_connections", "sluice_endpoint_state", "sluice_endpoint_latency_bucket",
    ]

    func running() throws(ControlError) -> Publication {
        guard let current else { throw .unavailable("the site is starting") }
        return current
    }
}

extension NodeDocument {
    init(_ node: MemberNode, _ report: Report?, now: ContinuousClock.Instant) {
        let address: String? = if case .relay(let address) = node.reach { address.description } else { nil }
        let uptime = node.isGone ? .zero : node.startedAt.map { now - $0 } ?? .zero
        self.init(
            id: node.id, role: node.role.name, state: node.state.rawValue, pid: node.pid, revision: node.revision,
            local: node.isLocal, address: address,
            connections: report.map { Int($0.samples.sum("sluice_node_connections").rounded()) },
            requests: report.map { Int($0.samples.sum("sluice_requests_total").rounded()) },
            restarts: node.restarts, uptimeSeconds: uptime.components.seconds)
    }
}
