import Balancing
import Testing

@Suite("Retry budget")
struct RetryBudgetTests {
    private func budget(active: Int) -> RetryBudget {
        var budget = RetryBudget()
        for _ in 0..<active { budget.requestBegan() }
        return budget
    }

    private func take(_ budget: inout RetryBudget, _ percent: UInt32) -> Bool { budget.take(percent: percent) }

    @Test("three have room whatever is under way, the fourth has not", arguments: [0, 1, 14, 15, 19])
    func few(active: Int) {
        var budget = budget(active: active)
        for number in 1...3 { #expect(take(&budget, 20), "retry \(number)") }
        #expect(!take(&budget, 20))
        #expect(budget.retries == 3)
        budget.give()
        #expect(take(&budget, 20))
        #expect(!take(&budget, 20))
    }

    @Test(
        "a share of the requests under way, rounded down",
        arguments: [(19, 20, 3), (20, 20, 4), (24, 20, 4), (25, 20, 5), (99, 20, 19), (100, 20, 20), (7, 100, 7)])
    func share(active: Int, percent: UInt32, limit: UInt32) {
        var budget = budget(active: active)
        #expect(budget.limit(percent: percent) == limit)
        for _ in 0..<limit { #expect(take(&budget, percent)) }
        #expect(!take(&budget, percent))
    }

    @Test("0 % leaves the three")
    func none() {
        var budget = budget(active: 1_000_000)
        #expect(budget.limit(percent: 0) == 3)
        for _ in 0..<3 { #expect(take(&budget, 0)) }
        #expect(!take(&budget, 0))
    }

    @Test("no number of requests overflows")
    func large() {
        // 50 million: the product with 100 has more than 32 bits.
        #expect(budget(active: 50_000_000).limit(percent: 100) == 50_000_000)
    }

    @Test("requests that end take their share along; retries under way go on, and no other begins")
    func shrinking() {
        var budget = budget(active: 100)
        for _ in 0..<20 { #expect(take(&budget, 20)) }
        for _ in 0..<50 { budget.requestEnded() }
        #expect(budget.retries == 20)
        for _ in 0..<10 {
            #expect(!take(&budget, 20))
            budget.give()
        }
        #expect(!take(&budget, 20))
        budget.give()
        #expect(take(&budget, 20))
    }

    @Test("routes with different shares use one budget")
    func shares() {
        var budget = budget(active: 50)
        for _ in 0..<10 { #expect(take(&budget, 20)) }
        #expect(!take(&budget, 20))
        #expect(take(&budget, 30))
        #expect(!take(&budget, 20))
    }
}
