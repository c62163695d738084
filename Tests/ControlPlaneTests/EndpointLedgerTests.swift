import EventLoop
import NodeLink
import Testing

@testable import ControlPlane

@Suite("EndpointLedger")
struct EndpointLedgerTests {
    private let endpoint = Members.EndpointKey(pool: "app", address: SocketAddress("10.0.0.1:9000")!)
    private let start = ContinuousClock.now

    private func ledger() -> EndpointLedger {
        var ledger = EndpointLedger()
        ledger.adopt([endpoint], probed: [endpoint], now: start)
        return ledger
    }

    private func vote(
        _ verdict: EndpointVote.Verdict, ejection: String? = nil, reason: String = ""
    ) -> EndpointVote {
        EndpointVote(
            pool: endpoint.pool, address: endpoint.address, verdict: verdict, ejection: ejection, reason: reason)
    }

    /// What the majority of three nodes makes of every combination of votes, from every state before.
    @Test("the majority decides; without one it stays", arguments: [false, true])
    func majority(wasDown: Bool) {
        let verdicts = EndpointVote.Verdict.allCases
        for first in verdicts {
            for second in verdicts {
                for third in verdicts {
                    var ledger = ledger()
                    _ = ledger.record([vote(wasDown ? .down : .up)], of: "before", isAll: true, now: start)
                    for (node, verdict) in zip(["a", "b", "c"], [first, second, third]) {
                        _ = ledger.record([vote(verdict)], of: node, isAll: true, now: start)
                    }
                    // The last word of the one that goes counts as long as nobody outvotes it.
                    _ = ledger.forget("before", now: start)
                    let all = [first, second, third]
                    let (up, down) = (all.count { $0 == .up }, all.count { $0 == .down })
                    let view = ledger.view(of: endpoint)
                    #expect(view?.votesUp == up && view?.votesDown == down)
                    if up != down {
                        #expect((ledger.down == [endpoint]) == (down > up), "\(all)")
                    }
                    if up + down == 0 { #expect((ledger.down == [endpoint]) == wasDown, "\(all)") }
                    #expect((view?.state == .down) == (ledger.down == [endpoint]))
                }
            }
        }
    }

    @Test("even votes change nothing, in either direction")
    func even() {
        var ledger = ledger()
        _ = ledger.record([vote(.up)], of: "a", isAll: true, now: start)
        #expect(ledger.record([vote(.down)], of: "b", isAll: true, now: start) == [])
        #expect(ledger.view(of: endpoint)?.state == .up)
        _ = ledger.record([vote(.down)], of: "a", isAll: false, now: start)
        #expect(ledger.view(of: endpoint)?.state == .down)
        #expect(ledger.record([vote(.up)], of: "a", isAll: false, now: start) == [])
        #expect(ledger.view(of: endpoint)?.state == .down)
    }

    @Test("each change is said once, with its reason and the time it began")
    func changes() {
        var ledger = ledger()
        let later = start + .seconds(5)
        #expect(ledger.view(of: endpoint)?.state == .unknown)
        let up = ledger.record([vote(.up)], of: "a", isAll: true, now: start)
        #expect(up.map(\.from) == [.unknown] && up.map(\.view.state) == [.up])
        let down = ledger.record([vote(.down, reason: "status 503")], of: "a", isAll: false, now: later)
        #expect(down.map(\.from) == [.up] && down.map(\.view.state) == [.down])
        #expect(down.first?.view.reason == "status 503" && down.first?.view.since == later)
        let again = ledger.record([vote(.down, reason: "status 500")], of: "a", isAll: false, now: later + .seconds(1))
        #expect(again == [])
        #expect(ledger.view(of: endpoint)?.since == later)
        #expect(ledger.view(of: endpoint)?.reason == "status 500")
    }

    @Test("an operator's drain goes before all, and what nodes say stands again after it")
    func drained() {
        var ledger = ledger()
        _ = ledger.record([vote(.down, reason: "closed")], of: "a", isAll: true, now: start)
        #expect(ledger.setDrained([endpoint], now: start).map(\.view.state) == [.draining])
        _ = ledger.record([vote(.up)], of: "a", isAll: false, now: start)
        #expect(ledger.view(of: endpoint)?.state == .draining)
        #expect(ledger.setDrained([], now: start).map(\.view.state) == [.up])
        // Drained before the site has it, as after a restart.
        var restored = EndpointLedger()
        _ = restored.setDrained([endpoint], now: start)
        restored.adopt([endpoint], probed: [], now: start)
        #expect(restored.view(of: endpoint)?.state == .draining)
    }

    @Test("ejected: when every node with something to say ejects it; else it is up, ejected by some")
    func ejected() {
        var ledger = ledger()
        _ = ledger.record([vote(.up, ejection: "success-rate")], of: "a", isAll: true, now: start)
        #expect(ledger.view(of: endpoint)?.state == .ejected)
        #expect(ledger.view(of: endpoint)?.reason == "success-rate")
        let change = ledger.record([vote(.up)], of: "b", isAll: true, now: start)
        #expect(change.map(\.view.state) == [.up])
        #expect(ledger.view(of: endpoint)?.ejectedBy == ["a"])
        _ = ledger.record([vote(.up)], of: "a", isAll: false, now: start)
        #expect(ledger.view(of: endpoint)?.ejectedBy == [] && ledger.view(of: endpoint)?.reason == nil)
        #expect(ledger.down == [])
    }

    @Test("what a node says first is all it knows: what it said before is withdrawn")
    func allOfANode() {
        var ledger = ledger()
        let other = Members.EndpointKey(pool: "app", address: SocketAddress("10.0.0.2:9000")!)
        ledger.adopt([endpoint, other], probed: [endpoint, other], now: start)
        _ = ledger.record([vote(.down)], of: "a", isAll: true, now: start)
        let second = EndpointVote(pool: "app", address: other.address, verdict: .up)
        _ = ledger.record([second], of: "a", isAll: true, now: start)
        #expect(ledger.view(of: endpoint)?.votesDown == 0)
        #expect(ledger.view(of: other)?.votesUp == 1)
        // A second frame only says what has changed.
        _ = ledger.record([vote(.up)], of: "a", isAll: false, now: start)
        #expect(ledger.view(of: other)?.votesUp == 1)
    }

    @Test("an endpoint that isn't probed any more isn't down, whatever was said of it last")
    func unprobed() {
        var ledger = ledger()
        _ = ledger.record([vote(.down)], of: "a", isAll: true, now: start)
        ledger.adopt([endpoint], probed: [], now: start)
        #expect(ledger.down == [])
        // A node that was away says what it found by a revision of before, and then withdraws it.
        _ = ledger.record([vote(.down)], of: "b", isAll: true, now: start)
        _ = ledger.record([vote(.unknown)], of: "b", isAll: false, now: start)
        #expect(ledger.down == [] && ledger.view(of: endpoint)?.state != .down)
    }

    @Test("an endpoint that leaves the site is forgotten, votes that came before it did are not")
    func revisions() {
        var ledger = ledger()
        _ = ledger.record([vote(.down)], of: "a", isAll: true, now: start)
        ledger.adopt([], probed: [], now: start)
        #expect(ledger.view(of: endpoint) == nil && ledger.down == [])
        // Nodes have a snapshot before it is in force here.
        _ = ledger.record([vote(.down)], of: "a", isAll: false, now: start)
        ledger.adopt([endpoint], probed: [endpoint], now: start)
        #expect(ledger.down == [endpoint])
    }
}
