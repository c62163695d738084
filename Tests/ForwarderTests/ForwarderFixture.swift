import Balancing
import EventLoop
import Glibc
import NodeAgent
import NodeLink
import Snapshot
import Testing

@testable import Forwarder

/// A forwarder in this process and the agent's end of its mailbox.
final class ForwarderFixture {
    let mailbox = AgentMailbox()
    let role: ForwarderRole
    private var pending: [AgentMessage] = []
    private var nextReport: UInt64 = 1

    init(workers: Int = 1) throws { role = try ForwarderRole(workers: workers, mailbox: mailbox) }

    /// The first message that `pick` takes; others wait for later calls.
    func wait<Result>(_ what: String, _ pick: (AgentMessage) -> Result?) throws -> Result {
        let deadline = Clock.monotonicNanoseconds() + UInt64(TestSocket.deadlineSeconds) * 1_000_000_000
        while true {
            for (index, message) in pending.enumerated() {
                if let result = pick(message) {
                    pending.remove(at: index)
                    return result
                }
            }
            let now = Clock.monotonicNanoseconds()
            try #require(now < deadline, "no \(what) within \(TestSocket.deadlineSeconds) s")
            var ready = pollfd(fd: mailbox.descriptor, events: Int16(POLLIN), revents: 0)
            poll(&ready, 1, CInt((deadline - now) / 1_000_000 + 1))
            if ready.revents != 0 { pending += mailbox.takeAll() }
        }
    }

    /// The sums over all workers, by name and labels as `name{label=value,…}`.
    func report() throws -> [String: Double] {
        let id = nextReport
        nextReport += 1
        role.requestReport(id: id)
        var sums: [String: Double] = [:]
        for _ in 0..<role.workerCount {
            let samples = try wait("report") { message -> [Sample]? in
                guard case .report(id, _, let samples) = message else { return nil }
                return samples
            }
            for sample in samples {
                let labels = sample.labels.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
                sums[labels.isEmpty ? sample.name : "\(sample.name){\(labels)}", default: 0] += sample.value
            }
        }
        return sums
    }

    /// Asks for reports until one satisfies the condition.
    func waitForReport(_ what: String, _ condition: ([String: Double]) -> Bool) throws {
        let deadline = Clock.monotonicNanoseconds() + UInt64(TestSocket.deadlineSeconds) * 1_000_000_000
        while true {
            let report = try report()
            if condition(report) { return }
            try #require(Clock.monotonicNanoseconds() < deadline, "\(what): \(report)")
        }
    }

    func apply(nodes: [NodeMember], endpoints: [EndpointMember] = [], version: UInt64) throws {
        role.apply(Membership(version: version, nodes: nodes, endpoints: endpoints))
        for _ in 0..<role.workerCount {
            _ = try wait("membershipApplied") { message -> Bool? in
                guard case .membershipApplied(version, _) = message else { return nil }
                return true
            }
        }
    }

    /// A snapshot with one `tcp` listener `pg` on a port of the kernel's choice.
    static func tcpSite(
        _ endpoints: [IPEndpoint], balance: Pool.Balance = .roundRobin, limits: Limits = Limits()
    ) -> Snapshot {
        Snapshot(
            revision: 1, site: "test", limits: limits,
            listeners: [
                Listener(name: "pg", addresses: [IPEndpoint(v4: 0x7f00_0001, port: 0)], application: .tcp, pool: 0)
            ],
            pools: [Pool(name: "db", endpoints: endpoints.map { Endpoint(address: .ip($0)) }, balance: balance)])
    }

    /// A snapshot with one `http` listener `web`.
    static func httpSite(_ address: IPEndpoint = IPEndpoint(v4: 0x7f00_0001, port: 0)) -> Snapshot {
        Snapshot(revision: 1, site: "test", listeners: [Listener(name: "web", addresses: [address])])
    }

    func connect(_ listener: String) throws -> TestSocket {
        try TestSocket(connectedTo: try #require(role.boundAddress(ofListener: listener)))
    }
}
