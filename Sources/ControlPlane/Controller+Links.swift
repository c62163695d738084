import Logging
package import NodeLink

/// What nodes say.
extension Controller {
    package func received(_ frame: Frame, on connection: NodeConnection) {
        if case .hello(let hello) = frame {
            greet(hello, on: connection)
            return
        }
        guard let id = nodeIDs[connection.number] else {
            connection.close()
            return
        }
        switch frame {
        case .applied(let revision, let digest):
            members.applied(id: id, revision: revision, digest: digest)
            refusals[id] = nil
            deliveries[id] = .applied
        case .rejected(let revision, let message):
            refused(id, revision: revision, message)
        case .membershipApplied(let version): members.membershipApplied(id: id, version: version)
        case .report(let request, let report):
            ledger.record(report, of: id)
            awaitedReports[request]?.remove(id)
        case .drained: logger.info("node \(id) is drained")
        case .votes(let votes): record(votes, of: id, isAll: false)
        case .hello, .snapshot, .membership, .reportRequest, .drain, .resume, .stop, .reopenLog:
            logger.error("node \(id) is disconnected: it sent a frame that only a control plane sends")
            connection.close()
        }
        advance()
    }

    package func closed(_ connection: NodeConnection) {
        guard let id = nodeIDs.removeValue(forKey: connection.number) else { return }
        guard links[id]?.number == connection.number else { return }
        links[id] = nil
        members.unlinked(id: id)
        if members.nodes[id]?.isLocal == false {
            ledger.ended(id)
            forgetVotes(of: id)
            logger.error("node \(id) is gone: its link closed")
        }
        advance()
    }

    private func greet(_ hello: Hello, on connection: NodeConnection) {
        if members.nodes[hello.id]?.isLocal == true { disconnect(hello.id) }
        guard let current, members.linked(hello, now: .now) else {
            logger.error(
                "a node named \(hello.id) (\(hello.role.name), pid \(hello.pid)) is refused: the name is taken or not expected"
            )
            connection.close()
            return
        }
        logger.info("node \(hello.id) linked, pid \(hello.pid), revision \(hello.revision)")
        nodeIDs[connection.number] = hello.id
        links[hello.id] = connection
        record(hello.votes, of: hello.id, isAll: true)
        if hello.digest != current.digest || hello.revision == 0 { connection.send(.snapshot(current.encoded)) }
        if members.awaited.isEmpty, let membership = members.published {
            connection.send(.membership(membership.known(to: hello.role)))
        }
        advance()
    }

    private func refused(_ id: String, revision: UInt64, _ message: String) {
        if awaitedDeliveries.contains(id) {
            deliveries[id] = .rejected(message)
            return
        }
        logger.error("node \(id) cannot serve revision \(revision): \(message)")
        if isStarting {
            startFailure = StartError("node \(id) cannot serve the site: \(message)")
            return
        }
        // What stands in the way, such as a port in use, may go: try again in 1 s, then less and less often.
        let count = refusals[id, default: 0]
        refusals[id] = count + 1
        Task {
            try? await Task.sleep(for: .seconds(1 << min(count, 5)))
            guard self.awaitedDeliveries.isEmpty, let current = self.current,
                self.members.nodes[id]?.digest != current.digest
            else { return }
            self.links[id]?.send(.snapshot(current.encoded))
        }
    }
}
