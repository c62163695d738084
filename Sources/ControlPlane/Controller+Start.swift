import EventLoop
import Foundation
import Logging
import NodeLink
import SiteFile
import Snapshot

extension Controller {
    /// The site file that a control plane starts with.
    package struct Source: Sendable {
        package var text: String
        /// What diagnostics call it.
        package var file: String

        package init(text: String, file: String) {
            self.text = text
            self.file = file
        }
    }

    /// Adopts or starts the nodes and waits until clients can be served.
    ///
    /// Without nodes to adopt, the given site is served at once and stored as a new revision when every node has
    /// applied it. Nodes that already run go on with the stored revision; a differing site is then applied to them.
    ///
    /// - Parameter source: nil: the newest stored revision.
    /// - Returns: What the `ready:` line says.
    /// - Throws: `ConfigurationError`, `StartError`, `ControlError`. Nodes that were started are stopped then.
    package func start(_ source: Source?, author: Peer?) async throws -> String {
        let newest = try await store.newest()
        guard let source = source ?? newest.map({ Source(text: $0.text, file: $0.file) }) else {
            throw StartError("no site to serve: give a SITE file, or --listen and --to")
        }
        let isStored = source.text == newest?.text
        let number = (newest?.number ?? 0) + (isStored ? 0 : 1)
        let forgiving = ForgivingResolver(resolver, remembered: try await rememberedNames())
        let (compiled, warnings) = try await Controller.compiled(
            source, number: number, author: author, comment: nil, resolver: forgiving)
        for warning in warnings { logger.warning("\(warning.description)") }
        members = Members(incarnation: try await store.nextIncarnation())
        try await restoreSettings()
        try await beginTicketRotation()
        let given = await restoringStaples(of: compiled)
        isStarting = true
        defer { isStarting = false }
        let hasAdopted = adoptNodes()
        do {
            guard hasAdopted, !isStored, let newest, let stored = try? await recompiled(newest, resolver: forgiving)
            else {
                current = given
                try await setDesiredFromSettings(given, stored: newest)
                try await waitUntilReady()
                if !isStored { try await store.append(given.revision) }
                await remember(given.names)
                isStarting = false
                tendStaples()
                return readyLine()
            }
            let serving = await restoringStaples(of: stored)
            current = serving
            try await setDesiredFromSettings(serving, stored: newest)
            try await waitUntilReady()
            isStarting = false
            _ = try await apply(source, author: author, comment: nil)
            try await waitUntilReady()
            return readyLine()
        } catch {
            if !isStoppedByOperator { await stopStarted() }
            throw error
        }
    }

    /// Compiles a site file under a revision number; away from the actor, as names are resolved meanwhile.
    ///
    /// - Throws: `ConfigurationError`.
    @concurrent
    nonisolated static func compiled(
        _ source: Source, number: UInt64, author: Peer?, comment: String?, resolver: any EndpointResolver
    ) async throws(ConfigurationError) -> (publication: Publication, warnings: [Diagnostic]) {
        let site = try SiteFile.compile(
            text: source.text, file: source.file, revision: number, resolver: resolver)
        let digest = Snapshot.digest(ofEncoded: site.snapshot.encoded())
        let revision = Revision(
            number: number, text: source.text, file: source.file, author: author, time: Date(), comment: comment,
            digest: Controller.text(ofDigest: digest))
        let publication = Publication(
            revision: revision, snapshot: site.snapshot, names: site.names, staples: site.staples)
        return (publication, site.warnings)
    }

    /// A stored revision with the addresses that its names have now, and the OCSP responses of now.
    func recompiled(_ revision: Revision, resolver: any EndpointResolver) async throws -> Publication {
        let stored = Source(text: revision.text, file: revision.file)
        let (publication, _) = try await Controller.compiled(
            stored, number: revision.number, author: revision.author, comment: revision.comment, resolver: resolver)
        return Publication(
            revision: revision, snapshot: publication.snapshot, names: publication.names, staples: publication.staples
        ).stapling(staples.responses)
    }

    static func text(ofDigest digest: UInt64) -> String {
        let text = String(digest, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    /// Takes over the nodes that a former control plane left; they have a while to say hello.
    private func adoptNodes() -> Bool {
        for id in launcher.knownIDs() {
            let process = launcher.adopt(id: id) { reason in Task { await self.exited(id, reason) } }
            guard let process else {
                launcher.forget(id: id)
                continue
            }
            processes[id] = process
            members.adopted(id: id, role: id == Members.forwarderID ? .forwarder : .proxy, pid: process.pid, now: .now)
            logger.info("node \(id) adopted, pid \(process.pid)")
        }
        let adopted = members.awaited
        guard !adopted.isEmpty else { return false }
        Task {
            try? await Task.sleep(for: self.timing.adoption)
            for id in self.members.awaited {
                self.logger.error("node \(id) was adopted but says nothing: it is started again")
                self.processes[id]?.signal(SIGKILL)
            }
        }
        return true
    }

    private func restoreSettings() async throws {
        for line in try await store.setting(.drainedEndpoints)?.split(separator: "\n") ?? [] {
            if let key = Members.EndpointKey(String(line)) { members.setDrained(endpoint: key, true) }
        }
        drainedEndpointsChanged()
        drainedNodes = Set(try await store.setting(.drainedNodes)?.split(separator: "\n").map(String.init) ?? [])
    }

    /// The site file's number of proxy nodes, unless `scale` asked for another one since that number was set.
    private func setDesiredFromSettings(_ publication: Publication, stored: Revision?) async throws {
        let setting = try await store.setting(.scale).flatMap(ScaleSetting.init)
        let stated = publication.snapshot.proxy.nodes
        let desired = setting.flatMap { $0.stated == stated ? $0.desired : nil } ?? stated
        setDesiredProxies(desired)
        advance()
    }

    func setDesiredProxies(_ count: Int) {
        members.setDesiredProxies(count)
        for id in drainedNodes { members.setDrained(node: id, true) }
    }

    private func waitUntilReady() async throws {
        // Every way in which a node can fail to start ends the wait: an end, a refusal, a start that fails.
        while true {
            let isDone = await wait(atMost: .seconds(10)) { controller in
                controller.startFailure != nil || controller.isStopping
                    || controller.members.isReady(digest: controller.current?.digest ?? 0)
            }
            if let startFailure { throw startFailure }
            if isStopping { throw StartError("stopped before the site was ready") }
            if isDone { return }
            let missing = members.nodes.values.filter { $0.digest != current?.digest }.map(\.id).sorted()
            logger.warning("still waiting for nodes to serve the site: \(missing.joined(separator: ", "))")
        }
    }

    /// Stops the nodes that this control plane started, as the site doesn't come up.
    private func stopStarted() async {
        isStopping = true
        for id in startedHere { processes[id]?.signal(SIGTERM) }
        let haveEnded = await wait(atMost: .seconds(3)) { controller in
            controller.startedHere.allSatisfy { controller.processes[$0] == nil }
        }
        guard !haveEnded else { return }
        for id in startedHere { processes[id]?.signal(SIGKILL) }
        _ = await wait(atMost: .seconds(3)) { controller in
            controller.startedHere.allSatisfy { controller.processes[$0] == nil }
        }
    }

    private func readyLine() -> String {
        guard let snapshot = current?.snapshot else { return "" }
        let listeners = snapshot.listeners.flatMap { listener in
            listener.addresses.map { "\(listener.name) \(listener.scheme)://\($0)" }
        }
        let count = members.desiredProxies
        return "ready: site \(snapshot.site) revision \(snapshot.revision); listening on "
            + "\(listeners.joined(separator: ", ")); \(count) proxy node\(count == 1 ? "" : "s")"
    }
}

/// What `scale` asked for, and the site file's number at that time: when the file states another number, that wins.
struct ScaleSetting: Equatable {
    var desired: Int
    var stated: Int

    init(desired: Int, stated: Int) {
        self.desired = desired
        self.stated = stated
    }

    init?(_ text: String) {
        let parts = text.split(separator: " ").compactMap { Int($0) }
        guard parts.count == 2 else { return nil }
        self.init(desired: parts[0], stated: parts[1])
    }

    var text: String { "\(desired) \(stated)" }
}

extension Listener {
    /// The word in the site file, and the scheme of a listener's URL.
    var scheme: String {
        switch application {
        case .http: tls == nil ? "http" : "https"
        case .tcp: "tcp"
        case .tlsPassthrough: "tls-passthrough"
        }
    }
}
