import Testing

@testable import Forwarder

@Suite("RelayLifecycle")
struct RelayLifecycleTests {
    enum Input: CaseIterable, Sendable { case connected, clientEnded, serverEnded, clientBroke, serverBroke, timedOut }

    private static let relaying = [Input.connected]
    private static let serverOpen = [Input.connected, .clientEnded]
    private static let clientOpen = [Input.connected, .serverEnded]

    /// Every (state, input) that the loop can produce; all others are bugs of ours and trap.
    static let transitions:
        [(path: [Input], input: Input, action: RelayLifecycle.Action, state: RelayLifecycle.State)] = [
            ([], .connected, .startRelaying, .relaying),
            ([], .clientBroke, .reset(.server), .closed),
            ([], .serverBroke, .tryAnotherTarget, .closed),
            ([], .timedOut, .tryAnotherTarget, .closed),
            (relaying, .clientEnded, .shutdownWriting(.server), .halfClosed(open: .server)),
            (relaying, .serverEnded, .shutdownWriting(.client), .halfClosed(open: .client)),
            (relaying, .clientBroke, .reset(.server), .closed),
            (relaying, .serverBroke, .reset(.client), .closed),
            (relaying, .timedOut, .close, .closed),
            (serverOpen, .serverEnded, .close, .closed),
            (serverOpen, .clientBroke, .reset(.server), .closed),
            (serverOpen, .serverBroke, .reset(.client), .closed),
            (serverOpen, .timedOut, .close, .closed),
            (clientOpen, .clientEnded, .close, .closed),
            (clientOpen, .clientBroke, .reset(.server), .closed),
            (clientOpen, .serverBroke, .reset(.client), .closed),
            (clientOpen, .timedOut, .close, .closed),
        ]

    private static func feed(_ input: Input, to lifecycle: inout RelayLifecycle) -> RelayLifecycle.Action {
        switch input {
        case .connected: lifecycle.connected()
        case .clientEnded: lifecycle.ended(.client)
        case .serverEnded: lifecycle.ended(.server)
        case .clientBroke: lifecycle.broke(.client)
        case .serverBroke: lifecycle.broke(.server)
        case .timedOut: lifecycle.timedOut()
        }
    }

    private static func lifecycle(after path: [Input]) -> RelayLifecycle {
        var lifecycle = RelayLifecycle()
        for input in path { _ = feed(input, to: &lifecycle) }
        return lifecycle
    }

    @Test("each input gives its action and state", arguments: transitions.indices)
    func transition(index: Int) {
        let (path, input, action, state) = Self.transitions[index]
        var lifecycle = Self.lifecycle(after: path)
        #expect(Self.feed(input, to: &lifecycle) == action)
        #expect(lifecycle.state == state)
    }

    @Test("the table holds all legal pairs: 4 while connecting, 5 while relaying, 4 in each half-closed state")
    func complete() {
        #expect(Self.transitions.count == 4 + 5 + 4 + 4)
    }

    @Test("FIN while connecting is a bug and traps")
    func endedWhileConnecting() async {
        await #expect(processExitsWith: .failure) {
            var lifecycle = RelayLifecycle()
            _ = lifecycle.ended(.client)
        }
    }

    @Test("anything after the end is a bug and traps")
    func afterClosed() async {
        await #expect(processExitsWith: .failure) {
            var lifecycle = RelayLifecycle()
            _ = lifecycle.broke(.client)
            _ = lifecycle.timedOut()
        }
    }

    @Test("a second FIN of one side is a bug and traps")
    func endedTwice() async {
        await #expect(processExitsWith: .failure) {
            var lifecycle = RelayLifecycle()
            _ = lifecycle.connected()
            _ = lifecycle.ended(.client)
            _ = lifecycle.ended(.client)
        }
    }
}
