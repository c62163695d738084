import Foundation
import NodeLink
import Snapshot
import Synchronization

@testable import ControlPlane

/// Nodes without processes: each speaks frames over the link socket on a thread of its own.
final class FakeNodes: NodeLauncher {
    /// What a node does when it is asked.
    struct Behaviour: Sendable {
        /// Answers snapshots with this message.
        var refusal: String?
        /// Doesn't answer report requests.
        var isSilent = false
        /// Ends as soon as it is started.
        var endsAtOnce = false
        var samples: [Sample] = []
    }

    /// Something that a node received or did, in the order of all nodes.
    struct Event: Sendable {
        enum Kind: Sendable {
            case started
            case received(Frame)
            case ended
        }
        let id: String
        let kind: Kind
    }

    private struct State {
        var behaviours: [String: Behaviour] = [:]
        var events: [Event] = []
        var running: [String: FakeNode] = [:]
        /// What each node serves; survives its end, as the file of a real node does.
        var serving: [String: (revision: UInt64, digest: UInt64)] = [:]
        var nextPid: Int32 = 1_000_000
    }

    let linkSocket: String
    private let state = Mutex(State())

    init(linkSocket: String) { self.linkSocket = linkSocket }

    func set(_ id: String, _ behaviour: Behaviour) { state.withLock { $0.behaviours[id] = behaviour } }
    func behaviour(_ id: String) -> Behaviour { state.withLock { $0.behaviours[id] ?? Behaviour() } }
    var events: [Event] { state.withLock { $0.events } }
    var runningIDs: [String] { state.withLock { $0.running.keys.sorted() } }
    func node(_ id: String) -> FakeNode? { state.withLock { $0.running[id] } }
    func serving(_ id: String) -> (revision: UInt64, digest: UInt64) { state.withLock { $0.serving[id] ?? (0, 0) } }

    /// Memberships that the forwarder was sent, in order.
    var memberships: [Membership] {
        events.compactMap { event in
            if event.id == "forwarder", case .received(.membership(let membership)) = event.kind {
                membership
            } else {
                nil
            }
        }
    }

    /// Positions of the snapshots that a node was sent, among all events.
    func snapshots(of id: String) -> [Int] {
        events.indices.filter {
            if events[$0].id == id, case .received(.snapshot) = events[$0].kind { true } else { false }
        }
    }

    fileprivate func record(_ id: String, _ kind: Event.Kind) {
        state.withLock { $0.events.append(Event(id: id, kind: kind)) }
    }

    fileprivate func serve(_ id: String, revision: UInt64, digest: UInt64) {
        state.withLock { $0.serving[id] = (revision, digest) }
    }

    fileprivate func remove(_ node: FakeNode) {
        state.withLock { if $0.running[node.id] === node { $0.running[node.id] = nil } }
    }

    // MARK: NodeLauncher

    func launch(
        id: String, role: Hello.Role, workers: Int, relays: Bool, onExit: @escaping @Sendable (ExitReason) -> Void
    ) throws(StartError) -> any NodeProcess {
        let pid = state.withLock { state in
            state.nextPid += 1
            return state.nextPid
        }
        let node = FakeNode(id: id, role: role, pid: pid, site: self, onExit: onExit)
        state.withLock { $0.running[id] = node }
        record(id, .started)
        if behaviour(id).endsAtOnce { node.end(.exited(1)) } else { node.begin() }
        return node
    }

    func adopt(id: String, onExit: @escaping @Sendable (ExitReason) -> Void) -> (any NodeProcess)? {
        guard let node = node(id) else { return nil }
        node.watch(onExit)
        return node
    }

    func knownIDs() -> [String] { runningIDs }
    func forget(id: String) {}
}

/// One node of `FakeNodes`.
final class FakeNode: NodeProcess {
    private struct State {
        var socket: UnixSocket?
        var onExit: (@Sendable (ExitReason) -> Void)?
        var hasEnded = false
        var mayLink = true
    }

    let id: String
    let role: Hello.Role
    let pid: Int32
    private let site: FakeNodes
    private let state: Mutex<State>

    init(
        id: String, role: Hello.Role, pid: Int32, site: FakeNodes, onExit: @escaping @Sendable (ExitReason) -> Void
    ) {
        self.id = id
        self.role = role
        self.pid = pid
        self.site = site
        state = Mutex(State(onExit: onExit))
    }

    func watch(_ onExit: @escaping @Sendable (ExitReason) -> Void) { state.withLock { $0.onExit = onExit } }

    /// Breaks the link; `mayLinkAgain` false keeps the node from making it again.
    func breakLink(mayLinkAgain: Bool) {
        state.withLock { state in
            state.mayLink = mayLinkAgain
            state.socket?.shutdown()
        }
    }

    func allowLink() { state.withLock { $0.mayLink = true } }

    func signal(_ number: Int32) { end(number == SIGTERM ? .exited(0) : .signalled(number)) }

    func end(_ reason: ExitReason) {
        let onExit = state.withLock { state -> (@Sendable (ExitReason) -> Void)? in
            guard !state.hasEnded else { return nil }
            state.hasEnded = true
            state.socket?.shutdown()
            return state.onExit
        }
        guard let onExit else { return }
        site.record(id, .ended)
        site.remove(self)
        onExit(reason)
    }

    func begin() {
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.hasEnded }) {
                serve()
                usleep(2000)  // between tries to link, as a real node waits
            }
        }
    }

    private func serve() {
        guard state.withLock({ $0.mayLink }), let socket = try? UnixSocket(connectingTo: site.linkSocket) else {
            return
        }
        let mayGoOn = state.withLock { state in
            state.socket = socket
            return !state.hasEnded
        }
        guard mayGoOn else { return }
        let known = site.serving(id)
        let reach: NodeReach? = role == .proxy ? .handOver(prefix: "/run/\(id)", workers: 1) : nil
        send(
            .hello(
                Hello(
                    role: role, id: id, pid: UInt32(pid), workers: 1, reach: reach, revision: known.revision,
                    digest: known.digest, draining: false, uptimeSeconds: 0)), on: socket)
        var assembler = FrameAssembler()
        while let bytes = socket.read() {
            assembler.append(bytes)
            while let frame = try? assembler.next() {
                site.record(id, .received(frame))
                answer(frame, on: socket)
            }
        }
    }

    private func answer(_ frame: Frame, on socket: UnixSocket) {
        let behaviour = site.behaviour(id)
        switch frame {
        case .snapshot(let bytes):
            guard let snapshot = try? Snapshot(encoded: bytes) else { return }
            if let refusal = behaviour.refusal {
                send(.rejected(revision: snapshot.revision, message: refusal), on: socket)
            } else {
                let digest = Snapshot.digest(ofEncoded: bytes)
                site.serve(id, revision: snapshot.revision, digest: digest)
                send(.applied(revision: snapshot.revision, digest: digest), on: socket)
            }
        case .membership(let membership): send(.membershipApplied(version: membership.version), on: socket)
        case .reportRequest(let request):
            if !behaviour.isSilent { send(.report(id: request, Report(samples: behaviour.samples)), on: socket) }
        case .drain: send(.drained, on: socket)
        case .stop: end(.exited(0))
        case .resume, .reopenLog, .hello, .applied, .rejected, .membershipApplied, .report, .drained, .votes: break
        }
    }

    private func send(_ frame: Frame, on socket: UnixSocket) { socket.write(frame.encoded()) }
}
