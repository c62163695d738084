import EventLoop
import Logging
import NodeLink
import SiteFile
import Snapshot

/// Endpoints that are named: resolved again and again while a revision is served.
///
/// Changed addresses are no new revision. The text of the revision in force is compiled with them, by the code that compiled
/// it first, and published under the same number; nodes know that snapshot by its digest. An endpoint that keeps its
/// address keeps its identity, and with it connections, health and counters.
extension Controller {
    /// Watches the names of the site in force, each by a task of its own: one that hangs holds up no other.
    func watchNames() {
        let site = isStopping ? SiteNames() : current?.names ?? SiteNames()
        names.adopt(site)
        for (name, watch) in nameWatches where site.intervals[name] != watch.interval {
            watch.task.cancel()
            nameWatches[name] = nil
        }
        for (name, interval) in site.intervals where nameWatches[name] == nil {
            let task = Task { [weak self] in
                while !Task.isCancelled {
                    // Up to a tenth sooner, so that names aren't all asked for at the same time.
                    guard (try? await Task.sleep(for: interval * Double.random(in: 0.9...1))) != nil else { return }
                    await self?.lookUp(name)
                }
            }
            nameWatches[name] = (interval, task)
        }
    }

    private func lookUp(_ name: String) async {
        let answer = await lookups.addresses(of: name, by: resolver)
        guard !Task.isCancelled, let outcome = names.answered(name, answer) else { return }
        switch outcome {
        case .same, .failedAgain: break
        case .recovered: logger.info("the name \(name) resolves again, to the addresses it had")
        case .failed(let reason):
            logger.error("the name \(name) does not resolve: \(reason); its endpoints stay as they are")
        case .changed:
            let addresses = names.names[name]?.addresses.map(\.host) ?? []
            logger.info("the name \(name) now resolves to \(addresses.joined(separator: ", "))")
        }
        // Also what could not be published before.
        await publishAddresses()
    }

    private func publishAddresses() async {
        guard newAddresses() != nil else { return }
        do {
            try await exclusively { controller in
                guard let current = controller.current, let addresses = controller.newAddresses() else { return }
                let publication = try await controller.recompiled(
                    current.revision, resolver: RememberedNames(addresses))
                controller.publishAgain(publication, with: "new addresses")
                await controller.remember(publication.names)
            }
        } catch {
            logger.warning("new addresses are not published yet: \(error)")
        }
    }

    /// Gives every node what the revision in force has become, without an operator's doing.
    func publishAgain(_ publication: Publication, with what: String) {
        current = publication
        for link in links.values { link.send(.snapshot(publication.encoded)) }
        logger.info(
            "revision \(publication.revision.number) published again with \(what), digest \(Controller.text(ofDigest: publication.digest))"
        )
        advance()
    }

    /// The addresses of every name of the site; nil when they are those that nodes have.
    private func newAddresses() -> [String: [IPEndpoint]]? {
        guard let current else { return nil }
        var addresses = current.names.addresses
        for (name, known) in names.names { addresses[name] = known.addresses }
        return addresses == current.names.addresses ? nil : addresses
    }

    // MARK: over a restart

    /// Keeps what names resolve to for a control plane that starts while they don't.
    func remember(_ names: SiteNames) async {
        let lines = names.addresses.sorted { $0.key < $1.key }.map { name, addresses in
            ([name] + addresses.map(\.host)).joined(separator: " ")
        }
        do {
            try await store.set(.names, to: lines.isEmpty ? nil : lines.joined(separator: "\n"))
        } catch {
            logger.error("addresses of names are not stored: \(error)")
        }
    }

    func rememberedNames() async throws -> [String: [IPEndpoint]] {
        var names: [String: [IPEndpoint]] = [:]
        for line in try await store.setting(.names)?.split(separator: "\n") ?? [] {
            let words = line.split(separator: " ").map(String.init)
            names[words[0]] = words.dropFirst().compactMap { IPEndpoint(host: $0, port: 0) }
        }
        return names.filter { !$0.value.isEmpty }
    }

    // MARK: what operators see

    func nameDocuments() -> [NameDocument] {
        names.names.sorted { $0.key < $1.key }.map { name, known in
            NameDocument(name: name, addresses: known.addresses.map(\.host), failure: known.failure)
        }
    }

    func nameSamples() -> [Sample] {
        names.names.flatMap { name, known in
            let label = [Sample.Label("name", name)]
            return [
                Sample("sluice_name_resolves", label, known.failure == nil ? 1 : 0),
                Sample("sluice_name_addresses", label, Double(known.addresses.count)),
                Sample("sluice_name_failures_total", label, Double(known.failures)),
            ]
        }
    }
}
