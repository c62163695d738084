import Balancing
import EventLoop
import Snapshot
import Testing

@testable import Planning

@Suite("Plan of a site")
struct SitePlanTests {
    private func site(_ endpoints: Int, _ balance: BalancePolicy = .peakEWMA, subset: Int? = nil) -> Snapshot {
        var pool = Pool(
            name: "app",
            endpoints: (0..<endpoints).map {
                Endpoint(address: .ip(IPEndpoint(v4: 0x0a00_0000 + UInt32($0), port: 80)))
            }, balance: balance)
        pool.subsetCount = subset
        return Snapshot(revision: 1, site: "s", pools: [pool])
    }

    @Test("200 nodes, 5 fail: the lost are those of the five, few others move, nobody is overrun")
    func nodes() {
        let plan = SitePlan(site(4), .init(nodes: 200, failedNodes: 5, rate: 1_000_000)).nodes
        #expect(abs(plan.rate.mean - 5_000) < 0.001)
        #expect(abs(plan.rateAfter.mean - 1_000_000.0 / 195) < 0.001)
        #expect(abs(plan.lostShare - 0.025) < 0.001)
        // The paper's figure 12: with 65,537 entries a few percent of the entries of others change.
        #expect(plan.movedShare > 0 && plan.movedShare < 0.05)
        #expect(plan.rate.most / plan.rate.least < 1.1)
        #expect(plan.headroom > 1.02 && plan.headroom < 1.1)
    }

    @Test("without a failure nothing moves")
    func calm() {
        let plan = SitePlan(site(4), .init(nodes: 3, rate: 300)).nodes
        #expect(plan.movedShare == 0 && plan.lostShare == 0)
        #expect(plan.rate == plan.rateAfter)
    }

    @Test("shares of every algorithm", arguments: BalancePolicy.allCases)
    func algorithms(policy: BalancePolicy) throws {
        let pool = try #require(SitePlan(site(20, policy), .init(nodes: 10, rate: 10_000)).pools.first)
        #expect(pool.balance == policy.name)
        #expect(abs(pool.rate.mean - 500) < 0.001)
        #expect(pool.rate.most / pool.rate.mean < (policy == .roundRobin ? 1.05 : 1.3), "\(pool)")
        #expect(pool.usedByNode.most == 20)
    }

    @Test("a subset bounds what a node uses, and costs evenness")
    func subsets() throws {
        let whole = try #require(SitePlan(site(100, .roundRobin), .init(nodes: 50, rate: 10_000)).pools.first)
        let part = try #require(
            SitePlan(site(100, .roundRobin, subset: 10), .init(nodes: 50, rate: 10_000)).pools.first)
        #expect(whole.usedByNode.most == 100 && part.usedByNode.most == 10)
        #expect(part.nodesOfEndpoint.most < whole.nodesOfEndpoint.most)
        #expect(part.rate.most / part.rate.mean > whole.rate.most / whole.rate.mean)
    }

    @Test("so many endpoints down that the pool panics", arguments: [(4, "normal"), (5, "normal"), (6, "panic")])
    func panics(failed: Int, scope: String) throws {
        let pool = try #require(SitePlan(site(10), .init(nodes: 2, failedEndpoints: failed, rate: 100)).pools.first)
        #expect(pool.scope == scope)
    }

    @Test("the same seed gives the same plan, another one another")
    func seeds() {
        let question = SitePlan.Question(nodes: 20, failedNodes: 2, rate: 1_000, seed: 7)
        #expect(SitePlan(site(9), question) == SitePlan(site(9), question))
        var other = question
        other.seed = 8
        #expect(SitePlan(site(9), question).nodes != SitePlan(site(9), other).nodes)
    }
}
