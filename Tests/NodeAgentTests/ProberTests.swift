import Balancing
import EventLoop
import Glibc
import NodeAgent
import NodeLink
import Snapshot
import Testing

/// A prober with a loop of its own, and endpoints on loopback that a test opens and closes.
private final class ProberBench {
    var loop: AgentLoop
    var prober = Prober(seed: 1)
    var changes: [HealthChange] = []

    init() throws { loop = try AgentLoop() }

    func update(_ probes: [(key: EndpointKey, check: HealthCheck)]) {
        prober.update(probes.map { PlannedProbe($0.key, $0.check) }, in: &loop)
        changes += prober.takeChanges()
    }

    /// Runs the loop until something holds, with a deadline.
    func run(_ what: String, until holds: (ProberBench) -> Bool) throws {
        let deadline = Clock.monotonicNanoseconds() + 10_000_000_000
        while !holds(self) {
            try #require(Clock.monotonicNanoseconds() < deadline, "not within 10 s: \(what); changes: \(changes)")
            turn(timeoutMilliseconds: loop.timers.millisecondsUntilNext(now: Clock.monotonicNanoseconds()))
        }
    }

    /// Waits for events, with the clock left alone.
    func handleEvents() {
        let count = loop.poller.wait(timeoutMilliseconds: 10_000)
        for index in 0..<count {
            let (token, readiness) = loop.poller.event(at: index)
            prober.ready(token, readiness, in: &loop)
        }
        changes += prober.takeChanges()
    }

    /// A turn in which nothing has come and only time has passed.
    func timePasses(until now: UInt64) {
        loop.now = now
        while let timer = loop.timers.popExpired(now: loop.now) {
            prober.timerFired(slot: timer - AgentLoop.Timer.firstProbe, in: &loop)
        }
        changes += prober.takeChanges()
    }

    /// What `NodeAgent` does in one turn.
    func turn(timeoutMilliseconds: CInt) {
        let count = loop.poller.wait(timeoutMilliseconds: timeoutMilliseconds)
        loop.now = Clock.monotonicNanoseconds()
        for index in 0..<count {
            let (token, readiness) = loop.poller.event(at: index)
            prober.ready(token, readiness, in: &loop)
        }
        while let timer = loop.timers.popExpired(now: loop.now) {
            prober.timerFired(slot: timer - AgentLoop.Timer.firstProbe, in: &loop)
        }
        changes += prober.takeChanges()
    }
}

/// A TCP listener on loopback; answers nothing by itself.
private struct LoopbackEndpoint: ~Copyable {
    let listener: OwnedDescriptor

    init(at address: IPEndpoint = IPEndpoint(v4: 0x7f00_0001, port: 0)) throws {
        listener = try Socket.listen(on: address, deferAccept: false)
    }

    var address: IPEndpoint { Socket.localAddress(listener.rawValue)! }

    /// Sends what a probe is to read to every connection that waits, and closes it.
    func answer(_ text: String) throws {
        while case .connection(let socket, _) = try Socket.accept(on: listener.rawValue) {
            _ = Socket.send(socket, Array(text.utf8), text.utf8.count)
            Socket.shutdownWriting(socket)
            close(socket)
        }
    }
}

@Suite("Prober")
struct ProberTests {
    private func check(
        _ probe: HealthCheck.Probe = .tcp, interval: Duration = .milliseconds(40),
        timeout: Duration = .milliseconds(2000), rise: Int = 1, fall: Int = 1
    ) -> HealthCheck {
        HealthCheck(probe: probe, interval: interval, timeout: timeout, rise: rise, fall: fall)
    }

    private let http = HealthCheck.Probe.http(path: "/", expect: [200...299])

    @Test("an endpoint goes up, down and up again, each said once")
    func cycle() throws {
        let bench = try ProberBench()
        let first = try LoopbackEndpoint()
        let address = first.address
        var endpoint: LoopbackEndpoint? = consume first
        let key = EndpointKey(pool: "app", address: .ip(address))
        #expect(bench.prober.status(of: key) == .unknown)
        bench.update([(key, check(rise: 2, fall: 2))])
        try bench.run("up") { $0.prober.status(of: key) == .up }
        endpoint = nil
        try bench.run("down") { $0.prober.status(of: key) == .down }
        #expect(bench.prober.down == [key])
        endpoint = try LoopbackEndpoint(at: address)
        try bench.run("up again") { $0.prober.status(of: key) == .up }
        _ = consume endpoint
        #expect(
            bench.changes == [
                HealthChange(endpoint: key, cause: .probesPass),
                HealthChange(endpoint: key, cause: .probesFail(.connect(ECONNREFUSED))),
                HealthChange(endpoint: key, cause: .probesPass),
            ])
    }

    @Test(
        "http: the answer decides",
        arguments: [
            ("HTTP/1.1 200 OK\r\n\r\n", nil), ("HTTP/1.1 503 No\r\n\r\n", .status(503)), ("", .closed),
            ("HTTP/1.1 200", .closed), ("hello\r\n", .notHTTP),
        ] as [(String, ProbeFailure?)])
    func answers(text: String, failure: ProbeFailure?) throws {
        let bench = try ProberBench()
        let endpoint = try LoopbackEndpoint()
        let key = EndpointKey(pool: "app", address: .ip(endpoint.address))
        bench.update([(key, check(http, interval: .seconds(1000)))])
        let deadline = Clock.monotonicNanoseconds() + 10_000_000_000
        // The probe connects before anybody accepts; the endpoint answers in between.
        while bench.changes.isEmpty {
            try endpoint.answer(text)
            bench.turn(timeoutMilliseconds: 1)
            try #require(Clock.monotonicNanoseconds() < deadline, "no result within 10 s")
        }
        let cause = failure.map { HealthChange.Cause.probesFail($0) } ?? .probesPass
        // Closing with the request unread sends RST, which may overtake the FIN.
        let reset = HealthChange.Cause.probesFail(.broken(ECONNRESET))
        #expect(bench.changes.map(\.cause) == [cause] || failure == .closed && bench.changes.map(\.cause) == [reset])
    }

    @Test("no answer within the timeout is a failure")
    func timeout() throws {
        let bench = try ProberBench()
        let endpoint = try LoopbackEndpoint()
        let key = EndpointKey(pool: "app", address: .ip(endpoint.address))
        let began = Clock.monotonicNanoseconds()
        bench.update([(key, check(http, interval: .seconds(1000), timeout: .milliseconds(60)))])
        try bench.run("down") { $0.prober.status(of: key) == .down }
        #expect(bench.changes.map(\.cause) == [.probesFail(.answerTimedOut)])
        #expect(Clock.monotonicNanoseconds() - began >= 60_000_000)
    }

    @Test("a timeout that is looked at too late says nothing of the endpoint", arguments: [0, 1] as [UInt64])
    func lateTimeout(beyond: UInt64) throws {
        let bench = try ProberBench()
        let endpoint = try LoopbackEndpoint()
        let key = EndpointKey(pool: "app", address: .ip(endpoint.address))
        let timeout: UInt64 = 60_000_000
        bench.update([(key, check(http, interval: .seconds(1000), timeout: .milliseconds(60)))])
        // Connected, and the request is on its way.
        bench.turn(timeoutMilliseconds: 10)
        let started = bench.prober.startedAt(of: key)!
        bench.timePasses(until: started + timeout + Prober.latenessMax + beyond)
        #expect(bench.prober.status(of: key) == (beyond > 0 ? .unknown : .down))
        #expect(bench.changes.isEmpty == (beyond > 0))
        #expect(bench.prober.underWay == 0)
    }

    @Test("an answer that has come counts, however late it is looked at")
    func lateAnswer() throws {
        let bench = try ProberBench()
        let endpoint = try LoopbackEndpoint()
        let key = EndpointKey(pool: "app", address: .ip(endpoint.address))
        bench.update([(key, check(http, interval: .seconds(1000), timeout: .milliseconds(60)))])
        bench.turn(timeoutMilliseconds: 10)
        try endpoint.answer("HTTP/1.1 200 OK\r\n\r\n")
        bench.timePasses(until: bench.loop.now + 3_600_000_000_000)
        #expect(bench.prober.status(of: key) == .up)
    }

    @Test("the next probe comes soon while the state is changing, and an interval later otherwise")
    func fastInterval() throws {
        let bench = try ProberBench()
        let first = try LoopbackEndpoint()
        let address = first.address
        var endpoint: LoopbackEndpoint? = consume first
        let key = EndpointKey(pool: "app", address: .ip(address))
        var check = check(interval: .seconds(1000), rise: 2, fall: 2)
        check.fastInterval = .milliseconds(200)
        let second: UInt64 = 1_000_000_000
        bench.update([(key, check)])
        try bench.run("up") { $0.prober.status(of: key) == .up }
        let passed = bench.prober.startedAt(of: key)!
        bench.timePasses(until: passed + 899 * second)
        #expect(bench.prober.startedAt(of: key) == passed, "it waits for its interval, less 10 % at most")
        endpoint = nil
        bench.timePasses(until: passed + 1101 * second)
        let failed = bench.prober.startedAt(of: key)!
        #expect(failed > passed)
        // The refusal may have come with the connect, or comes with the next event.
        if bench.prober.underWay > 0 { bench.handleEvents() }
        #expect(bench.prober.status(of: key) == .up, "one failure of two")
        bench.timePasses(until: failed + second * 179 / 1000)
        #expect(bench.prober.startedAt(of: key) == failed)
        bench.timePasses(until: failed + second * 240 / 1000)
        #expect(bench.prober.startedAt(of: key) != failed)
        _ = consume endpoint
    }

    @Test("an endpoint kept over a change keeps its state; one that goes while down is called up")
    func updates() throws {
        let bench = try ProberBench()
        let endpoint = try LoopbackEndpoint()
        let up = EndpointKey(pool: "app", address: .ip(endpoint.address))
        // Port 1 of loopback: nobody listens there.
        let down = EndpointKey(pool: "app", address: .ip(IPEndpoint(v4: 0x7f00_0001, port: 1)))
        bench.update([(up, check()), (down, check())])
        try bench.run("both known") { $0.prober.status(of: up) == .up && $0.prober.status(of: down) == .down }
        bench.changes = []
        bench.update([(up, check(rise: 3)), (down, check(rise: 3))])
        #expect(bench.prober.status(of: up) == .up && bench.prober.status(of: down) == .down)
        #expect(bench.changes.isEmpty)
        bench.update([])
        #expect(bench.changes == [HealthChange(endpoint: down, cause: .notProbedAnyMore)])
        #expect(bench.prober.status(of: down) == .unknown && bench.prober.down.isEmpty)
        // Nothing left to wait for: a loop would sleep for ever.
        #expect(bench.loop.timers.millisecondsUntilNext(now: bench.loop.now) == -1)
    }

    @Test("more endpoints than probes at a time are all probed", arguments: [-1, 0, 1])
    func manyEndpoints(excess: Int) throws {
        let bench = try ProberBench()
        let endpoint = try LoopbackEndpoint()
        // One address in many pools: each is an endpoint of its own.
        let keys = (0..<Prober.probesMax + excess).map { EndpointKey(pool: "p\($0)", address: .ip(endpoint.address)) }
        bench.update(keys.map { ($0, check(interval: .seconds(1000))) })
        #expect(bench.prober.underWay == min(keys.count, Prober.probesMax))
        try bench.run("all up") { bench in keys.allSatisfy { bench.prober.status(of: $0) == .up } }
        #expect(bench.changes.count == keys.count)
    }
}
