import Balancing
import EventLoop
import NodeLink
import Testing

@testable import ControlPlane

/// Drives the state machine as the controller does.
private final class Bench {
    var members = Members(incarnation: 1)
    var now = ContinuousClock.now
    private var nextPid: Int32 = 100

    init(proxies: Int) { members.setDesiredProxies(proxies) }

    /// Starts a node as asked for, and lets it link and apply a snapshot.
    func bringUp(_ id: String, revision: UInt64 = 1) {
        nextPid += 1
        members.started(id: id, pid: nextPid, now: now)
        #expect(link(Bench.hello(id, pid: nextPid)))
        members.applied(id: id, revision: revision, digest: revision)
    }

    /// - Returns: Whether the name is taken as this node's.
    func link(_ hello: Hello) -> Bool { members.linked(hello, now: now) }

    func steps() -> [Members.Step] { members.steps() }

    /// All steps until nothing follows, with the forwarder acknowledging what it is sent.
    func settle() -> [Members.Step] {
        var all: [Members.Step] = []
        while true {
            let steps = members.steps()
            guard !steps.isEmpty else { return all }
            all += steps
            for case .publish(let membership, _) in steps {
                members.membershipApplied(id: "forwarder", version: membership.version)
            }
        }
    }

    static func hello(_ id: String, pid: Int32, revision: UInt64 = 0) -> Hello {
        let isForwarder = id == "forwarder"
        return Hello(
            role: isForwarder ? .forwarder : .proxy, id: id, pid: UInt32(pid), workers: 1,
            reach: isForwarder ? nil : .handOver(prefix: "/run/\(id)", workers: 1), revision: revision,
            digest: revision, draining: false, uptimeSeconds: 0)
    }

    static func running(proxies: Int) -> Bench {
        let bench = Bench(proxies: proxies)
        _ = bench.settle()
        bench.bringUp("forwarder")
        for number in 1..<proxies + 1 { bench.bringUp("proxy-\(number)") }
        _ = bench.settle()
        return bench
    }
}

private func published(_ steps: [Members.Step]) -> [Membership] {
    steps.compactMap { if case .publish(let membership, _) = $0 { membership } else { nil } }
}

@Suite("Members of a site")
struct MembersTests {
    @Test("endpoints that are down by votes are published, after the drained ones, and only when that changes")
    func downEndpoints() {
        let bench = Bench.running(proxies: 1)
        let (a, b) = (SocketAddress("10.0.0.1:80")!, SocketAddress("10.0.0.2:80")!)
        bench.members.setDrained(endpoint: .init(pool: "app", address: b), true)
        bench.members.setDown(endpoints: [.init(pool: "app", address: b), .init(pool: "app", address: a)])
        let endpoints = published(bench.settle()).last?.endpoints
        #expect(
            endpoints == [
                EndpointMember(pool: "app", address: b, state: .draining),
                EndpointMember(pool: "app", address: a, state: .down),
                EndpointMember(pool: "app", address: b, state: .down),
            ])
        bench.members.setDown(endpoints: [.init(pool: "app", address: a), .init(pool: "app", address: b)])
        #expect(bench.settle().isEmpty, "the same in another order")
        bench.members.setDown(endpoints: [])
        #expect(published(bench.settle()).last?.endpoints.count == 1)
    }

    @Test("shares of the nodes are published; a node that nobody measured has an average one")
    func weights() {
        let bench = Bench.running(proxies: 2)
        bench.members.weights = ["proxy-1": 50]
        #expect(published(bench.settle()).last?.nodes.map(\.weight) == [50, LoadWeights.base])
        bench.members.weights = nil
        #expect(published(bench.settle()).last?.nodes.map(\.weight) == [1, 1])
    }

    @Test("every wanted node is started once, at once")
    func startsWantedNodes() {
        let bench = Bench(proxies: 2)
        let starts = bench.steps().filter { if case .start = $0 { true } else { false } }
        #expect(
            starts == [
                .start(id: "forwarder", after: .zero), .start(id: "proxy-1", after: .zero),
                .start(id: "proxy-2", after: .zero),
            ])
        #expect(bench.steps().isEmpty)
    }

    @Test("a proxy is a member once it has applied a revision, not before")
    func becomesMemberWhenApplied() {
        let bench = Bench.running(proxies: 0)
        bench.members.setDesiredProxies(1)
        _ = bench.settle()
        bench.members.started(id: "proxy-1", pid: 7, now: bench.now)
        #expect(bench.link(Bench.hello("proxy-1", pid: 7)))
        #expect(published(bench.settle()).isEmpty)
        #expect(bench.members.nodes["proxy-1"]?.state == .starting)
        bench.members.applied(id: "proxy-1", revision: 1, digest: 1)
        #expect(published(bench.settle()).last?.nodes.map(\.id) == ["proxy-1"])
        #expect(bench.members.nodes["proxy-1"]?.state == .up)
    }

    @Test("a proxy that dies is left out at once and started again")
    func leavesOutTheDead() {
        let bench = Bench.running(proxies: 2)
        bench.members.exited(id: "proxy-1", now: bench.now + .seconds(1))
        let steps = bench.settle()
        #expect(published(steps).map { $0.nodes.map(\.id) } == [["proxy-2"]])
        #expect(steps.contains(.start(id: "proxy-1", after: RestartDelay.first)))
        #expect(bench.members.nodes["proxy-1"]?.state == .down)
    }

    @Test("a local node whose link breaks is still a member: its process serves on")
    func keepsUnlinkedLocalNodes() {
        let bench = Bench.running(proxies: 1)
        bench.members.unlinked(id: "proxy-1")
        #expect(bench.settle().isEmpty)
        #expect(bench.members.nodes["proxy-1"]?.state == .up)
    }

    @Test("a remote node is a member while it has a link")
    func followsRemoteLinks() {
        let bench = Bench.running(proxies: 0)
        var hello = Bench.hello("edge", pid: 5, revision: 1)
        hello.reach = .relay(IPEndpoint(v4: 0x0a00_0002, port: 7001))
        #expect(bench.link(hello))
        #expect(published(bench.settle()).last?.nodes.map(\.id) == ["edge"])
        #expect(!bench.link(hello), "a second link of the same name")
        bench.members.unlinked(id: "edge")
        #expect(published(bench.settle()).last?.nodes.isEmpty == true)
        #expect(bench.members.nodes["edge"]?.state == .down)
    }

    @Test("a name of a local node is not given to another process")
    func refusesImpostors() {
        let bench = Bench.running(proxies: 1)
        #expect(!bench.link(Bench.hello("proxy-1", pid: 9999)))
        #expect(!bench.link(Bench.hello("forwarder", pid: 9999)))
        #expect(bench.members.nodes["proxy-1"]?.isLinked == true)
    }

    @Test("scaling down announces, waits for the forwarder, then stops, highest number first to go")
    func scalesDown() throws {
        let bench = Bench.running(proxies: 3)
        bench.members.setDesiredProxies(2)
        let membership = try #require(published(bench.steps()).first)
        #expect(membership.nodes.map(\.draining) == [false, false, true])
        #expect(bench.steps().isEmpty, "no stop before the forwarder has acknowledged")
        bench.members.membershipApplied(id: "forwarder", version: membership.version)
        #expect(bench.steps() == [.stop(id: "proxy-3")])
        bench.members.exited(id: "proxy-3", now: bench.now)
        #expect(published(bench.settle()).last?.nodes.map(\.id) == ["proxy-1", "proxy-2"])
        #expect(bench.members.nodes["proxy-3"] == nil)
    }

    @Test("a departure that was not carried out is taken back; one that was ends in a new start")
    func scalesUpAgain() throws {
        let bench = Bench.running(proxies: 2)
        bench.members.setDesiredProxies(1)
        _ = bench.steps()
        bench.members.setDesiredProxies(2)
        #expect(published(bench.settle()).last?.nodes.map(\.draining) == [false, false])

        bench.members.setDesiredProxies(1)
        #expect(bench.settle().contains(.stop(id: "proxy-2")))
        bench.members.setDesiredProxies(2)
        #expect(bench.settle().isEmpty, "it is already on its way out")
        bench.members.exited(id: "proxy-2", now: bench.now + .seconds(1))
        #expect(bench.settle().contains(.start(id: "proxy-2", after: .zero)))
    }

    @Test("without a forwarder nothing has to be waited for")
    func departsWithoutForwarder() {
        let bench = Bench.running(proxies: 1)
        bench.members.unlinked(id: "forwarder")
        bench.members.setDesiredProxies(0)
        #expect(bench.settle().contains(.stop(id: "proxy-1")))
    }

    @Test("an operator's drain is announced before the node hears it; its resume the other way round")
    func drainsAndResumes() throws {
        let bench = Bench.running(proxies: 2)
        bench.members.setDrained(node: "proxy-1", true)
        let membership = try #require(published(bench.steps()).first)
        #expect(membership.nodes.map(\.draining) == [true, false])
        #expect(bench.members.nodes["proxy-1"]?.state == .draining)
        bench.members.membershipApplied(id: "forwarder", version: membership.version)
        #expect(bench.steps() == [.drain(id: "proxy-1")])
        bench.members.setDrained(node: "proxy-1", false)
        let steps = bench.steps()
        #expect(steps.first == .resume(id: "proxy-1"))
        #expect(published(steps).last?.nodes.map(\.draining) == [false, false])
    }

    @Test("a drained node that dies is drained again when it is back")
    func drainOutlivesTheProcess() {
        let bench = Bench.running(proxies: 1)
        bench.members.setDrained(node: "proxy-1", true)
        #expect(bench.settle().contains(.drain(id: "proxy-1")))
        bench.members.exited(id: "proxy-1", now: bench.now + .seconds(60))
        _ = bench.settle()
        bench.bringUp("proxy-1")
        let steps = bench.settle()
        #expect(steps.contains(.drain(id: "proxy-1")))
        #expect(published(steps).last?.nodes.map(\.draining) == [true])
    }

    @Test("no membership is sent before every adopted node has said hello")
    func waitsForAdoptedNodes() {
        let bench = Bench(proxies: 0)
        for (id, pid) in [("forwarder", 1), ("proxy-1", 2), ("proxy-2", 3)] as [(String, Int32)] {
            bench.members.adopted(id: id, role: id == "forwarder" ? .forwarder : .proxy, pid: pid, now: bench.now)
        }
        bench.members.setDesiredProxies(2)
        for (id, pid) in [("forwarder", 1), ("proxy-1", 2)] as [(String, Int32)] {
            #expect(bench.link(Bench.hello(id, pid: pid, revision: 4)))
            #expect(bench.steps().isEmpty)
        }
        #expect(bench.link(Bench.hello("proxy-2", pid: 3, revision: 4)))
        #expect(published(bench.settle()).map { $0.nodes.map(\.id) } == [["proxy-1", "proxy-2"]])
        #expect(bench.members.isReady(digest: 4))
    }

    @Test("versions grow over restarts of the control plane")
    func versionsGrow() throws {
        var first = Members(incarnation: 1)
        var second = Members(incarnation: 2)
        let old = try #require(published(first.steps()).first)
        let new = try #require(published(second.steps()).first)
        #expect(new.version > old.version + 1_000_000)
    }

    @Test("ready: forwarder and proxies serve the digest, and the forwarder knows the proxies")
    func readiness() {
        let bench = Bench.running(proxies: 2)
        #expect(bench.members.isReady(digest: 1))
        #expect(!bench.members.isReady(digest: 2))
        bench.members.setDrained(endpoint: .init(pool: "app", address: .unix("/a")), true)
        _ = bench.steps()
        #expect(!bench.members.isReady(digest: 1), "the newest membership is not acknowledged")
        bench.members.membershipApplied(id: "forwarder", version: bench.members.version)
        #expect(bench.members.isReady(digest: 1))
        bench.members.exited(id: "proxy-2", now: bench.now)
        _ = bench.settle()
        #expect(!bench.members.isReady(digest: 1))
    }
}

@Suite("Delay before a node is started again")
struct RestartDelayTests {
    @Test("short lives in a row double the delay up to its bound; a healthy one resets it")
    func doubles() {
        var delay = RestartDelay()
        let delays = (0..<8).map { _ in delay.next(afterLifeOf: .seconds(1)) }
        #expect(delays == [100, 200, 400, 800, 1600, 3200, 5000, 5000].map { .milliseconds($0) })
        #expect(delay.next(afterLifeOf: RestartDelay.healthyLife) == .zero)
        #expect(delay.next(afterLifeOf: RestartDelay.healthyLife - .nanoseconds(1)) == .milliseconds(100))
    }
}
