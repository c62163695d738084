import EventLoop
import Glibc
import NodeAgent
import NodeLink
import Snapshot
import Synchronization
import Testing

/// A role that does nothing and notes what it is told. Its worker answers at once, unless it holds connections.
private final class ScriptedRole: DataRole, Sendable {
    enum Call: Equatable {
        case snapshot(UInt64), membership(UInt64), health(String, Bool), drain, resume
    }

    let role = Hello.Role.proxy
    let workerCount = 1
    let reach: NodeReach? = .handOver(prefix: "/run/proxy-1", workers: 1)
    let mailbox: AgentMailbox
    private let holdsConnections: Bool
    private let state: Mutex<(calls: [Call], refusals: Int)>

    /// - Parameter refusals: How many snapshots it refuses before it takes one.
    init(mailbox: AgentMailbox, holdsConnections: Bool, refusals: Int) {
        self.mailbox = mailbox
        self.holdsConnections = holdsConnections
        state = Mutex(([], refusals))
    }

    var calls: [Call] { state.withLock { $0.calls } }

    private func note(_ call: Call) { state.withLock { $0.calls.append(call) } }

    func apply(_ snapshot: Snapshot) throws(RoleError) {
        let isRefused = state.withLock { state in
            state.refusals -= 1
            return state.refusals >= 0 || snapshot.site == "refused"
        }
        if isRefused { throw RoleError("listener web: cannot bind") }
        note(.snapshot(snapshot.revision))
    }

    func apply(_ membership: Membership) {
        note(.membership(membership.version))
        mailbox.post(.membershipApplied(version: membership.version, worker: 0))
    }

    func setHealth(of endpoint: EndpointKey, isUp: Bool) { note(.health("\(endpoint.pool)/\(endpoint.address)", isUp)) }

    func requestReport(id: UInt64) { mailbox.post(.report(id: id, worker: 0, samples: [Sample("x_total", [], 5)])) }

    func drain() {
        note(.drain)
        if !holdsConnections { mailbox.post(.drained(worker: 0)) }
    }

    func resume() { note(.resume) }
}

/// The control plane's side of the link.
private final class ScriptedControlPlane {
    private let listener: OwnedDescriptor
    private var assembler = FrameAssembler()
    private var link: CInt = -1

    init(path: String) throws { listener = try Socket.listen(onPath: path, type: CInt(SOCK_STREAM.rawValue)) }

    deinit { hangUp() }

    func hangUp() {
        if link >= 0 { close(link) }
        link = -1
    }

    private func wait(_ descriptor: CInt) throws {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        try #require(Glibc.poll(&poll, 1, 10_000) == 1, "nothing within 10 s")
    }

    /// Takes the node's next connection and its `hello`.
    func accept() throws -> Hello {
        hangUp()
        assembler = FrameAssembler()
        try wait(listener.rawValue)
        guard let socket = try Socket.acceptUnix(on: listener.rawValue) else { throw WireError.truncated }
        link = socket.release()
        guard case .hello(let hello) = try receive() else { throw WireError.invalid("first frame") }
        return hello
    }

    func send(_ frame: Frame) {
        let bytes = frame.encoded()
        #expect(Socket.send(link, bytes, bytes.count) == .bytes(bytes.count))
    }

    func receive() throws -> Frame {
        while true {
            if let frame = try assembler.next() { return frame }
            try wait(link)
            var room = [UInt8](repeating: 0, count: 4096)
            guard case .bytes(let count) = Socket.receive(link, &room, room.count) else { throw WireError.truncated }
            assembler.append(room.prefix(count))
        }
    }

    func ask(_ frame: Frame) throws -> Frame {
        send(frame)
        return try receive()
    }
}

/// A node on a thread of this process, with a state directory of its own.
private final class NodeBench {
    let directory = TemporaryDirectory()
    var linkPath: String { "\(directory.path)/link.sock" }
    var store: NodeStore { NodeStore(state: directory.path, id: "proxy-1") }

    /// Starts a node; its exit status arrives in the mailbox.
    func start(holdsConnections: Bool = false, refusals: Int = 0) -> (role: ScriptedRole, ended: Mailbox<CInt>) {
        let mailbox = AgentMailbox()
        let role = ScriptedRole(mailbox: mailbox, holdsConnections: holdsConnections, refusals: refusals)
        let ended = Mailbox<CInt>()
        let (state, link) = (directory.path, linkPath)
        Thread.start("agent") {
            do {
                let agent = try NodeAgent(
                    id: "proxy-1", state: state, linkPath: link, role: role, mailbox: mailbox, signals: Signals())
                ended.post(agent.run())
            } catch { ended.post(1) }
        }
        return (role, ended)
    }

    func status(_ ended: Mailbox<CInt>) throws -> CInt? {
        var poll = pollfd(fd: ended.descriptor, events: Int16(POLLIN), revents: 0)
        try #require(Glibc.poll(&poll, 1, 10_000) == 1, "the node has not ended within 10 s")
        return ended.takeAll().first
    }
}

@Suite("NodeAgent")
struct NodeAgentTests {
    private let bench = NodeBench()
    private let hour = Duration.seconds(3600)

    private func snapshot(_ revision: UInt64, site: String = "shop") -> (bytes: [UInt8], applied: Frame) {
        let bytes = Snapshot(revision: revision, site: site).encoded()
        return (bytes, .applied(revision: revision, digest: Snapshot.digest(ofEncoded: bytes)))
    }

    @Test("a snapshot is applied, stored and reported; the same one again is only reported")
    func applies() throws {
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (role, ended) = bench.start()
        let hello = try control.accept()
        #expect(hello.id == "proxy-1" && hello.revision == 0 && hello.reach == role.reach && !hello.draining)
        let (bytes, applied) = snapshot(4)
        #expect(try control.ask(.snapshot(bytes)) == applied)
        #expect(try control.ask(.snapshot(bytes)) == applied)
        #expect(role.calls == [.snapshot(4)])
        #expect(try FileSystem.read(bench.store.path(of: .snapshot), bytesMax: bytes.count) == bytes)
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
    }

    @Test("what can't be served is refused by name, and what was served stays")
    func refuses() throws {
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (role, ended) = bench.start()
        _ = try control.accept()
        let (bytes, applied) = snapshot(4)
        #expect(try control.ask(.snapshot(bytes)) == applied)
        #expect(
            try control.ask(.snapshot(snapshot(5, site: "refused").bytes))
                == .rejected(revision: 5, message: "listener web: cannot bind"))
        var corrupt = snapshot(6).bytes
        corrupt[corrupt.count - 9] ^= 1
        guard case .rejected(6, _) = try control.ask(.snapshot(corrupt)) else {
            Issue.record("a corrupt snapshot was not refused")
            return
        }
        #expect(role.calls == [.snapshot(4)])
        #expect(try FileSystem.read(bench.store.path(of: .snapshot), bytesMax: bytes.count) == bytes)
        control.hangUp()
        #expect(try control.accept().revision == 4)
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
    }

    @Test("a node starts from what it stored, with no control plane")
    func staticStability() throws {
        try bench.store.save(snapshot: snapshot(9).bytes)
        try bench.store.save(Membership(version: 3))
        let (role, ended) = bench.start()
        // The link comes later: the node has been serving, and is still trying.
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let hello = try control.accept()
        #expect(role.calls == [.snapshot(9), .membership(3)])
        #expect(hello.revision == 9 && Frame.applied(revision: 9, digest: hello.digest) == snapshot(9).applied)
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
    }

    @Test("a stored snapshot that can't be served yet is tried again, and kept")
    func storedIsRefused() throws {
        let stored = snapshot(9).bytes
        try bench.store.save(snapshot: stored)
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (role, ended) = bench.start(refusals: 1)
        #expect(try control.accept().revision == 0)
        let deadline = Clock.monotonicNanoseconds() + 10_000_000_000
        while role.calls.isEmpty, Clock.monotonicNanoseconds() < deadline {
            _ = try control.ask(.reportRequest(id: 1))
        }
        #expect(role.calls == [.snapshot(9)])
        #expect(try FileSystem.read(bench.store.path(of: .snapshot), bytesMax: stored.count) == stored)
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
    }

    @Test("stored files that can't be used are kept aside and the node starts")
    func corruptStore() throws {
        try FileSystem.makeDirectory(bench.store.directory)
        for file in [NodeStore.File.snapshot, .membership] {
            try FileSystem.replace(bench.store.path(of: file), with: [1, 2])
        }
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (role, ended) = bench.start()
        #expect(try control.accept().revision == 0)
        #expect(role.calls.isEmpty)
        for file in [NodeStore.File.snapshot, .membership] {
            #expect(try FileSystem.read("\(bench.store.path(of: file)).unusable", bytesMax: 2) == [1, 2])
        }
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
    }

    @Test("a membership is answered once the workers act on it, also when it is sent again")
    func membership() throws {
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (role, ended) = bench.start()
        _ = try control.accept()
        let membership = Membership(
            version: 2, endpoints: [EndpointMember(pool: "app", address: .unix("/a"), state: .draining)])
        #expect(try control.ask(.membership(membership)) == .membershipApplied(version: 2))
        #expect(try control.ask(.membership(membership)) == .membershipApplied(version: 2))
        // The same number with another content, from a control plane that lost its state, is another membership.
        #expect(try control.ask(.membership(Membership(version: 2))) == .membershipApplied(version: 2))
        #expect(role.calls == [.membership(2), .membership(2)])
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
        #expect(bench.store.loadMembership() == .valid(Membership(version: 2)))
    }

    @Test("what other nodes have found is acted on, and is neither stored nor kept longer than they say it")
    func siteVerdicts() throws {
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (role, ended) = bench.start()
        _ = try control.accept()
        let pool = Pool(name: "app", endpoints: [Endpoint(address: .unix("/a")), Endpoint(address: .unix("/b"))])
        let bytes = Snapshot(
            revision: 1, site: "shop", listeners: [Listener(name: "web", addresses: [IPEndpoint(v4: 0, port: 80)])],
            routes: [Route(name: "r", listeners: [0], targets: [WeightedPool(pool: 0)])], pools: [pool]
        ).encoded()
        _ = try control.ask(.snapshot(bytes))
        func membership(_ version: UInt64, down: [String]) -> Membership {
            Membership(
                version: version,
                endpoints: down.map { EndpointMember(pool: "app", address: .unix($0), state: .down) })
        }
        _ = try control.ask(.membership(membership(1, down: ["/a"])))
        _ = try control.ask(.membership(membership(2, down: ["/a", "/b"])))
        _ = try control.ask(.membership(membership(3, down: ["/b"])))
        let verdicts = role.calls.filter { if case .health = $0 { true } else { false } }
        #expect(
            verdicts == [
                .health("app/unix:/a", false), .health("app/unix:/b", false), .health("app/unix:/a", true),
            ])
        // New pools of the workers learn what still holds.
        let next = Snapshot(
            revision: 2, site: "shop", listeners: [Listener(name: "web", addresses: [IPEndpoint(v4: 0, port: 80)])],
            routes: [Route(name: "r", listeners: [0], targets: [WeightedPool(pool: 0)])], pools: [pool]
        ).encoded()
        _ = try control.ask(.snapshot(next))
        #expect(role.calls.last == .health("app/unix:/b", false))
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
        #expect(bench.store.loadMembership() == .valid(Membership(version: 1)))
    }

    @Test("a report has the workers' samples and the agent's")
    func report() throws {
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (_, ended) = bench.start()
        _ = try control.accept()
        let pool = Pool(name: "app", endpoints: [Endpoint(address: .unix("/a")), Endpoint(address: .unix("/b"))])
        let bytes = Snapshot(
            revision: 1, site: "shop", listeners: [Listener(name: "web", addresses: [IPEndpoint(v4: 0, port: 80)])],
            routes: [Route(name: "r", listeners: [0], targets: [WeightedPool(pool: 0)])], pools: [pool]
        ).encoded()
        _ = try control.ask(.snapshot(bytes))
        let draining = EndpointMember(pool: "app", address: .unix("/b"), state: .draining)
        _ = try control.ask(.membership(Membership(version: 1, endpoints: [draining])))
        guard case .report(77, let report) = try control.ask(.reportRequest(id: 77)) else {
            Issue.record("no report")
            return
        }
        func value(_ name: String, _ endpoint: String? = nil) -> Double? {
            let label = endpoint.map { Sample.Label("endpoint", $0) }
            return report.samples.first { sample in
                sample.name == name && (label == nil || sample.labels.contains { $0 == label })
            }?.value
        }
        #expect(value("x_total") == 5)
        #expect(value("sluice_endpoint_state", "unix:/a") == 3 && value("sluice_endpoint_up", "unix:/a") == 1)
        #expect(value("sluice_endpoint_state", "unix:/b") == 2 && value("sluice_endpoint_up", "unix:/b") == 1)
        #expect((value("sluice_node_start_time_seconds") ?? 0) > 1_600_000_000)
        #expect((value("sluice_node_resident_memory_bytes") ?? 0) > 100_000)
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
    }

    @Test("drain and resume, also across a lost link")
    func drains() throws {
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (role, ended) = bench.start()
        _ = try control.accept()
        #expect(try control.ask(.drain(deadline: hour)) == .drained)
        control.hangUp()
        #expect(try control.accept().draining)
        #expect(try control.receive() == .drained)
        control.send(.resume)
        #expect(try control.ask(.drain(deadline: hour)) == .drained)
        #expect(role.calls == [.drain, .resume, .drain])
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
    }

    @Test("a stop ends at its deadline whatever is still connected")
    func stopDeadline() throws {
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (role, ended) = bench.start(holdsConnections: true)
        _ = try control.accept()
        let began = Clock.monotonicNanoseconds()
        control.send(.stop(deadline: .milliseconds(50)))
        #expect(try bench.status(ended) == 0)
        #expect(Clock.monotonicNanoseconds() - began >= 50_000_000)
        #expect(role.calls == [.drain])
    }

    @Test("a peer that speaks something else is left, and the link opened anew")
    func nonsense() throws {
        let control = try ScriptedControlPlane(path: bench.linkPath)
        let (_, ended) = bench.start()
        _ = try control.accept()
        control.send(.drained)
        _ = try control.accept()
        control.send(.stop(deadline: hour))
        #expect(try bench.status(ended) == 0)
    }
}
