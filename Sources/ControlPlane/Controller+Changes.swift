import EventLoop
import Logging
import NodeLink
package import SiteFile
import Snapshot

/// What a change of the site answers.
package struct AppliedChange: Sendable {
    package var revision: UInt64
    package var digest: String
    package var warnings: [Diagnostic]
    /// Nothing was changed: it was only checked.
    package var isDryRun: Bool
}

extension Controller {
    /// Compiles a site file and changes nothing.
    ///
    /// - Throws: `ControlError.invalid` with every diagnostic.
    package func check(_ source: Source) async throws -> AppliedChange {
        let number = (current?.revision.number ?? 0) + 1
        let (publication, warnings) = try await compiledForChange(source, number: number, author: nil, comment: nil)
        return AppliedChange(
            revision: number, digest: publication.revision.digest, warnings: warnings, isDryRun: true)
    }

    /// Publishes a site file as the next revision, or changes nothing.
    ///
    /// Proxies get it first, so that they know the routes of a listener before the forwarder opens it; the forwarder
    /// is the one that may have to refuse, as a port may be taken. Then the proxies are given back what they had.
    ///
    /// - Throws: `ControlError`: invalid (diagnostics), conflict (a node refused it), failed (the store did).
    package func apply(_ source: Source, author: Peer?, comment: String?) async throws -> AppliedChange {
        try await exclusively { controller in
            try await controller.applyAlone(source, author: author, comment: comment)
        }
    }

    private func applyAlone(_ source: Source, author: Peer?, comment: String?) async throws -> AppliedChange {
        guard let previous = current else { throw ControlError.unavailable("the site is starting") }
        let number = previous.revision.number + 1
        let (compiled, warnings) = try await compiledForChange(
            source, number: number, author: author, comment: comment)
        // Certificates that stay keep what is stapled for them; for new ones nobody waits.
        let candidate = compiled.stapling(staples.responses)
        if let refusal = await deliver(candidate) {
            await restore(previous)
            logger.error("revision \(number) is not published: \(refusal)")
            throw ControlError.conflict(refusal)
        }
        do {
            try await store.append(candidate.revision)
        } catch {
            await restore(previous)
            logger.error("revision \(number) is not published: it cannot be stored: \(error)")
            throw ControlError.failed("revision \(number) cannot be stored: \(error)")
        }
        current = candidate
        await remember(candidate.names)
        await rememberStaples()
        logger.info(
            "revision \(number) published by \(author?.description ?? "the command line"), digest \(candidate.revision.digest)"
        )
        if candidate.snapshot.proxy.nodes != previous.snapshot.proxy.nodes {
            try? await store.set(.scale, to: nil)
            setDesiredProxies(candidate.snapshot.proxy.nodes)
        }
        let (old, new) = (previous.snapshot, candidate.snapshot)
        if old.forwarder.workers != new.forwarder.workers || old.proxy.workers != new.proxy.workers {
            logger.warning("revision \(number) changes workers: nodes have the new number when they are started again")
        }
        if old.forwarder.handOver != new.forwarder.handOver {
            logger.warning("revision \(number) changes hand_over: nodes follow when they are started again")
        }
        // Nodes that linked meanwhile were given what was current then.
        for (id, link) in links where members.nodes[id]?.digest != candidate.digest {
            link.send(.snapshot(candidate.encoded))
        }
        advance()
        return AppliedChange(
            revision: number, digest: candidate.revision.digest, warnings: warnings, isDryRun: false)
    }

    private func compiledForChange(
        _ source: Source, number: UInt64, author: Peer?, comment: String?
    ) async throws(ControlError) -> (publication: Publication, warnings: [Diagnostic]) {
        do {
            return try await Controller.compiled(
                source, number: number, author: author, comment: comment, resolver: resolver)
        } catch {
            let count = error.diagnostics.count { $0.severity == .error }
            throw .invalid(
                "\(source.file) has \(count) error\(count == 1 ? "" : "s"); nothing was changed", error.diagnostics)
        }
    }

    /// Sends a snapshot to the proxies, then to the forwarder. Nodes without a link don't count: they get what is
    /// current when they come back.
    ///
    /// - Returns: Why it cannot be published, or nil.
    private func deliver(_ publication: Publication) async -> String? {
        let linked = links.keys.sorted()
        let proxies = linked.filter { members.nodes[$0]?.role == .proxy }
        if let refusal = await deliver(publication, to: proxies, mustAnswer: false) { return refusal }
        return await deliver(publication, to: linked.filter { !proxies.contains($0) }, mustAnswer: true)
    }

    private func deliver(_ publication: Publication, to ids: [String], mustAnswer: Bool) async -> String? {
        guard !ids.isEmpty else { return nil }
        let numbers = Dictionary(uniqueKeysWithValues: ids.compactMap { id in links[id].map { (id, $0.number) } })
        awaitedDeliveries = Set(ids)
        defer { awaitedDeliveries = [] }
        for id in ids {
            deliveries[id] = nil
            links[id]?.send(.snapshot(publication.encoded))
        }
        let haveAnswered = await wait(atMost: timing.apply) { controller in
            numbers.allSatisfy { controller.deliveries[$0] != nil || controller.links[$0]?.number != $1 }
        }
        for id in ids {
            if case .rejected(let message) = deliveries[id] { return "node \(id): \(message)" }
        }
        guard !haveAnswered else { return nil }
        let silent = ids.filter { deliveries[$0] == nil && links[$0] != nil }.joined(separator: ", ")
        logger.error("no answer to the snapshot within \(timing.apply): \(silent)")
        return mustAnswer ? "node \(silent): no answer within \(timing.apply)" : nil
    }

    /// Gives every node that has something else what it had before.
    private func restore(_ previous: Publication) async {
        let ids = links.keys.filter { members.nodes[$0]?.digest != previous.digest }.sorted()
        _ = await deliver(previous, to: ids, mustAnswer: false)
    }

    // MARK: Nodes and endpoints

    /// Sets the number of local proxy nodes until it is set again, or a site file states another one.
    ///
    /// - Returns: Once added nodes serve; nodes that leave finish what they have, which this doesn't wait for.
    package func scale(to count: Int, by author: Peer?) async throws {
        guard (0...Members.proxiesMax).contains(count) else {
            throw ControlError.invalid("proxies is \(count): give a number from 0 to \(Members.proxiesMax)")
        }
        try await exclusively { controller in
            guard let current = controller.current else { throw ControlError.unavailable("the site is starting") }
            let setting = ScaleSetting(desired: count, stated: current.snapshot.proxy.nodes)
            try await controller.save(.scale, setting.text)
            controller.logger.info("scale to \(count) by \(author?.description ?? "the command line")")
            controller.setDesiredProxies(count)
            controller.advance()
            _ = await controller.wait(atMost: controller.timing.scale) { controller in
                controller.isStopping || controller.members.isReady(digest: controller.current?.digest ?? 0)
            }
        }
    }

    package func setDrained(node id: String, _ isDrained: Bool, by author: Peer?) async throws {
        try await exclusively { controller in
            guard let node = controller.members.nodes[id] else { throw ControlError.notFound("no node named \(id)") }
            guard node.role == .proxy else {
                throw ControlError.conflict("node \(id) is the forwarder: only proxy nodes can be drained")
            }
            var drained = controller.drainedNodes
            if isDrained { drained.insert(id) } else { drained.remove(id) }
            try await controller.save(.drainedNodes, drained.sorted().joined(separator: "\n"))
            controller.drainedNodes = drained
            controller.members.setDrained(node: id, isDrained)
            controller.logger.info(
                "node \(id): \(isDrained ? "drain" : "resume") by \(author?.description ?? "the command line")")
            controller.advance()
        }
    }

    package func setDrained(
        pool: String, endpoint address: String, _ isDrained: Bool, by author: Peer?
    ) async throws {
        try await exclusively { controller in
            guard let found = controller.current?.snapshot.pools.first(where: { $0.name == pool }) else {
                throw ControlError.notFound("no pool named \(pool)")
            }
            guard let parsed = SocketAddress(address), found.endpoints.contains(where: { $0.address == parsed }) else {
                throw ControlError.notFound("pool \(pool) has no endpoint \(address)")
            }
            let key = Members.EndpointKey(pool: pool, address: parsed)
            var drained = controller.members.drainedEndpoints
            if isDrained { drained.insert(key) } else { drained.remove(key) }
            try await controller.save(.drainedEndpoints, drained.map(\.text).sorted().joined(separator: "\n"))
            controller.members.setDrained(endpoint: key, isDrained)
            controller.drainedEndpointsChanged()
            controller.logger.info(
                "endpoint \(key.text): \(isDrained ? "drain" : "resume") by \(author?.description ?? "the command line")"
            )
            controller.advance()
        }
    }

    private func save(_ key: SettingKey, _ value: String) async throws(ControlError) {
        do {
            try await store.set(key, to: value.isEmpty ? nil : value)
        } catch {
            throw .failed("the change cannot be stored: \(error)")
        }
    }
}

extension Members.EndpointKey {
    /// `pool/address`.
    var text: String { "\(pool)/\(address)" }

    init?(_ text: String) {
        guard let slash = text.firstIndex(of: "/"),
            let address = SocketAddress(String(text[text.index(after: slash)...]))
        else { return nil }
        self.init(pool: String(text[..<slash]), address: address)
    }
}
