import Foundation
import Snapshot

/// Events for `/v1/events`.
extension Controller {
    /// How often a stream without events shows that it lives.
    static let signOfLifeInterval = Duration.seconds(15)

    func eventsSoFar(after: UInt64) -> [EventDocument] { events.events(after: after) }

    /// Events after that number, then those that come; ends with the site.
    func followEvents(after: UInt64) -> AsyncStream<EventDocument?> {
        let (stream, number) = events.addReader(after: after)
        if isStopped { events.end() }
        showSignsOfLife()
        return AsyncStream { continuation in
            let task = Task {
                for await event in stream { continuation.yield(event) }
                continuation.finish()
            }
            continuation.onTermination = { _ in
                task.cancel()
                Task { await self.stopFollowing(number) }
            }
        }
    }

    private func stopFollowing(_ number: UInt64) { events.remove(reader: number) }

    private func showSignsOfLife() {
        guard !showsSignsOfLife else { return }
        showsSignsOfLife = true
        Task {
            defer { self.showsSignsOfLife = false }
            while self.events.hasReaders {
                try? await Task.sleep(for: Controller.signOfLifeInterval)
                self.events.signOfLife()
            }
        }
    }

    /// Says what has become of nodes since the last call.
    func noteNodeStates() {
        for (id, node) in members.nodes where noted[id] != node.state {
            events.add(
                EventDocument(kind: "node", name: id, state: node.state.rawValue, from: noted[id]?.rawValue))
            noted[id] = node.state
        }
        for id in noted.keys where members.nodes[id] == nil {
            events.add(EventDocument(kind: "node", name: id, state: "removed", from: noted[id]?.rawValue))
            noted[id] = nil
        }
    }

    func notePublished(_ publication: Publication, after previous: Publication?) {
        guard publication.revision.number != previous?.revision.number else { return }
        events.add(
            EventDocument(
                kind: "revision", name: publication.snapshot.site, state: "\(publication.revision.number)",
                from: previous.map { "\($0.revision.number)" }, reason: publication.revision.comment))
    }
}
