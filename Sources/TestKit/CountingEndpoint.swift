import Foundation
import Synchronization

/// An HTTP/1.1 endpoint that counts what is open and under way at the same time, and can hold its answers back.
package final class CountingEndpoint: Sendable {
    package struct Counts: Sendable {
        /// Connections that are open now, and the most there ever were.
        package var open = 0
        package var openMax = 0
        /// Requests that are held now.
        package var held = 0
        /// Targets, in the order in which they were received.
        package var targets: [String] = []
    }

    private let endpoint: ScriptedEndpoint
    private let state: State

    package var address: String { endpoint.address }
    package var accepted: Int { endpoint.accepted }
    package var counts: Counts { state.counts.withLock { $0 } }

    private final class State: Sendable {
        let counts = Mutex(Counts())
        let isHolding: Mutex<Bool>

        init(isHolding: Bool) { self.isHolding = Mutex(isHolding) }
    }

    /// - Parameters:
    ///   - holding: Whether requests are held from the start.
    ///   - failing: Whether each is answered with 503.
    ///   - delay: How long each request takes otherwise.
    package init(holding: Bool = false, failing: Bool = false, delay: Duration = .zero) throws {
        let state = State(isHolding: holding)
        self.state = state
        endpoint = try ScriptedEndpoint("counting") { connection in
            state.counts.withLock { counts in
                counts.open += 1
                counts.openMax = max(counts.openMax, counts.open)
            }
            defer { state.counts.withLock { $0.open -= 1 } }
            let reader = HTTPReader(connection.socket)
            while let head = try reader.head() {
                _ = try reader.body(.ofRequest(head))
                state.counts.withLock { counts in
                    counts.targets.append(head.target)
                    counts.held += 1
                }
                defer { state.counts.withLock { $0.held -= 1 } }
                if delay > .zero { pause(delay) }
                try Eventually.holds("held requests to go on", within: .seconds(60), every: .milliseconds(2)) {
                    !state.isHolding.withLock { $0 }
                }
                let status = failing ? "503 Service Unavailable" : "200 OK"
                try connection.socket.send("HTTP/1.1 \(status)\r\nContent-Length: 2\r\n\r\nok")
            }
        }
    }

    /// Holds requests, or lets those that are held and all others go on.
    package func hold(_ holds: Bool) { state.isHolding.withLock { $0 = holds } }

    package func stop() {
        hold(false)
        endpoint.stop()
    }
}
