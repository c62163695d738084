import Foundation
import Logging
import NodeLink
import SiteFile
import Snapshot

extension Controller {
    /// Drains the site and ends its local nodes.
    ///
    /// The forwarder first: it closes its listeners, so no connection comes to a proxy that is about to leave. Frames
    /// are handled in order, so its answer to the membership sent after `stop` says that it has begun.
    package func stop() async {
        guard !isStoppedByOperator else { return }
        isStoppedByOperator = true
        isStopping = true
        loadTask?.cancel()
        stapleTimer?.cancel()
        wake()
        defer {
            isStopped = true
            events.end()
            wake()
        }
        logger.info("stopping: \(leaveTimeout) for what is under way, a second signal ends it now")
        let forwarder = Members.forwarderID
        if processes[forwarder] != nil {
            stopNode(forwarder, within: leaveTimeout)
            if let link = links[forwarder], let newest = members.published {
                let barrier = Membership(
                    version: newest.version + 1, nodes: newest.nodes, endpoints: newest.endpoints)
                link.send(.membership(barrier))
                _ = await wait(atMost: .seconds(2)) { controller in
                    controller.processes[forwarder] == nil
                        || controller.members.hasAcknowledged(barrier.version, by: forwarder)
                }
            }
        }
        for id in processes.keys where id != forwarder { stopNode(id, within: leaveTimeout) }
        let haveEnded = await wait(atMost: leaveTimeout + .seconds(7)) { $0.processes.isEmpty }
        if !haveEnded { await stopNow() }
    }

    /// Ends the local nodes at once; their connections break.
    package func stopNow() async {
        isStopping = true
        for (id, process) in processes {
            logger.error("node \(id) is killed, pid \(process.pid)")
            process.signal(SIGKILL)
        }
        _ = await wait(atMost: .seconds(5)) { $0.processes.isEmpty }
    }

    /// Waits until `stop` has ended.
    package func untilStopped() async {
        while !isStopped { _ = await wait(atMost: .seconds(86400)) { $0.isStopped } }
    }

    /// Has every node open the file of its access log anew: it was renamed.
    package func reopenLogs() {
        logger.info("SIGUSR1: access logs are opened anew")
        for link in links.values { link.send(.reopenLog) }
    }

    /// Reads the site file, and the files that it names, again: as `apply`, but without a new revision when nothing has changed,
    /// and what goes wrong is logged.
    package func reload(_ source: Source) async {
        if let current, current.revision.text == source.text {
            guard await hasChangedFiles(current, source) else {
                let failed = staples.certificates.values.count { $0.failure != nil }
                let rest = failed == 0 ? "" : "; what failed at OCSP responders (\(failed)) is asked again"
                logger.info("\(source.file) is unchanged: nothing to do\(rest)")
                watchStaples(isNew: true)
                return
            }
            logger.info("\(source.file) is unchanged, but not the files that it names")
        }
        do {
            _ = try await apply(source, author: nil, comment: "SIGHUP")
        } catch let error as ControlError {
            logger.error("\(source.file) is not applied: \(error.message)")
            if case .invalid(_, let diagnostics) = error {
                for diagnostic in diagnostics { logger.error("\(diagnostic.description)") }
            }
        } catch {
            logger.error("\(source.file) is not applied: \(error)")
        }
    }

    /// Whether the site file's text would be compiled to something else now: a renewed certificate. Addresses of names don't
    /// count, they are looked up at intervals of their own. A file that is gone or bad is a change, which `apply` refuses.
    private func hasChangedFiles(_ current: Publication, _ source: Source) async -> Bool {
        let revision = current.revision
        guard
            let (compiled, _) = try? await Controller.compiled(
                source, number: revision.number, author: revision.author, comment: revision.comment, resolver: resolver)
        else { return true }
        var snapshot = compiled.stapling(staples.responses).snapshot
        for (index, pool) in current.snapshot.pools.enumerated() { snapshot.pools[index].endpoints = pool.endpoints }
        return snapshot != current.snapshot
    }
}
