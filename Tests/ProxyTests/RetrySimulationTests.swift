import Balancing
import EventLoop
import Snapshot
import Testing

@testable import Proxy

/// Clients that ask in a closed loop, and endpoints that are well, slow, failing, breaking off or refusing, and change that at
/// random moments: the worker's parts (`RetryBudget`, `RequestQueue`, `TriedEndpoints`, `CompiledRetry`) under a scheduler of the
/// test's, with what must hold looked at after each step.
@Suite("Retries in simulation")
struct RetrySimulationTests {
    private enum Health: CaseIterable { case well, slow, failing, breaking, refusing }

    private struct Request {
        var tried = TriedEndpoints()
        var attempts = 0
        /// The endpoint that it is at; nil while it waits.
        var endpoint: Int?
        var isRetry = false
        var place = RequestQueue.Place.none
        var waitsSince: UInt64 = 0
    }

    private struct Plant {
        static let milliseconds: UInt64 = 1_000_000
        let seed: UInt64
        let policy: CompiledRetry
        var random: RandomSource
        var health: [Health]
        var requests: [Request]
        /// When each client's request goes on; ordered by time where two are compared.
        var due: [UInt64]
        var now: UInt64 = 0
        var budget = RetryBudget()
        var held = RequestQueue()
        var answered = 0
        var failed = 0
        var sent = 0
        var retried = 0
        var refused = 0
        var waitedMax = 0
        /// Endpoints change at random.
        var flaps = true

        init(seed: UInt64, clients: Int, endpoints: Int, policy: RetryPolicy) {
            self.seed = seed
            self.policy = CompiledRetry(policy)
            random = RandomSource(seed: seed)
            health = Array(repeating: .well, count: endpoints)
            requests = Array(repeating: Request(), count: clients)
            due = (0..<clients).map { _ in 0 }
        }

        /// The client whose request goes on next, and lets it.
        mutating func step() {
            let client = due.indices.min { (due[$0], $0) < (due[$1], $1) }!
            now = max(now, due[client])
            if flaps && random.next(below: 200) == 0 {
                health[Int(random.next(below: UInt32(health.count)))] =
                    Health.allCases[Int(random.next(below: UInt32(Health.allCases.count)))]
            }
            if let endpoint = requests[client].endpoint {
                finish(client, at: endpoint)
            } else if requests[client].place != .none {
                // It has waited too long.
                held.remove(requests[client].place)
                end(client, isAnswered: false)
                refused += 1
            } else {
                begin(client)
            }
            serve()
            check()
        }

        private mutating func begin(_ client: Int) {
            let choices = health.indices.filter { !requests[client].tried.contains(UInt32($0)) }
            guard !choices.isEmpty, requests[client].attempts < Int(policy.attemptsMax) else {
                end(client, isAnswered: false)
                return
            }
            let endpoint = choices[Int(random.next(below: UInt32(choices.count)))]
            requests[client].attempts += 1
            requests[client].endpoint = endpoint
            sent += 1
            budget.requestBegan()
            let time: UInt64 =
                switch health[endpoint] {
                case .well, .failing, .breaking: 5
                case .slow: 200
                case .refusing: 0
                }
            due[client] = now + (time + UInt64(random.next(below: 3))) * Plant.milliseconds
        }

        /// The attempt has come to its end: as the endpoint is by then.
        private mutating func finish(_ client: Int, at endpoint: Int) {
            budget.requestEnded()
            requests[client].endpoint = nil
            switch health[endpoint] {
            case .well, .slow: end(client, isAnswered: true)
            case .refusing:
                requests[client].tried.insert(UInt32(endpoint))
                begin(client)
            case .failing: tryAgain(client, after: endpoint, RetryReason(status: 503)!)
            case .breaking: tryAgain(client, after: endpoint, .reset)
            }
        }

        private mutating func tryAgain(_ client: Int, after endpoint: Int, _ reason: RetryReason) {
            requests[client].tried.insert(UInt32(endpoint))
            guard policy.covers(reason), requests[client].attempts < Int(policy.attemptsMax) else {
                end(client, isAnswered: false)
                return
            }
            if requests[client].isRetry || take() {
                requests[client].isRetry = true
                retried += 1
                begin(client)
            } else if reason == .reset {
                let waiter = RequestQueue.Waiter(
                    worker: 0, exchange: Token(kind: 0, slot: UInt32(client), generation: 1))
                requests[client].place = held.append(waiter, countMax: .max)!
                requests[client].waitsSince = now
                due[client] = now + WorkerLimits.retryWaitNanoseconds
                waitedMax = max(waitedMax, held.count)
            } else {
                refused += 1
                end(client, isAnswered: false)
            }
        }

        /// The budget is never exceeded by one that it lets through.
        private mutating func take() -> Bool {
            let limit = max(3, budget.active * policy.budgetPercent / 100)
            let before = budget.retries
            let isTaken = budget.take(percent: policy.budgetPercent)
            if isTaken != (before < limit) || budget.retries > max(before, limit) {
                Issue.record("seed \(seed): \(before), then \(budget.retries) retries of \(limit)")
            }
            return isTaken
        }

        private mutating func serve() {
            while let waiter = held.first {
                let client = Int(waiter.exchange.slot)
                guard take() else { return }
                held.remove(requests[client].place)
                requests[client].place = .none
                requests[client].isRetry = true
                retried += 1
                begin(client)
            }
        }

        private mutating func end(_ client: Int, isAnswered: Bool) {
            if requests[client].isRetry { budget.give() }
            if isAnswered { answered += 1 } else { failed += 1 }
            requests[client] = Request()
            due[client] = now + UInt64(random.next(below: 2)) * Plant.milliseconds
        }

        private func check() {
            let active = requests.count { $0.endpoint != nil }
            let retries = requests.count { $0.isRetry }
            let waiting = requests.count { $0.place != .none }
            // Plain questions: hundreds of thousands of expectations would take minutes.
            if budget.active != active || budget.retries != retries || held.count != waiting {
                Issue.record("seed \(seed): \(budget), \(held.count); \(active), \(retries), \(waiting)")
            }
            if waiting > 0 && budget.retries < budget.limit(percent: policy.budgetPercent) {
                Issue.record("seed \(seed): \(waiting) wait, \(budget.retries) of \(active) are retries")
            }
            for request in requests {
                if request.attempts > Int(policy.attemptsMax)
                    || request.place != .none && now - request.waitsSince > WorkerLimits.retryWaitNanoseconds
                {
                    Issue.record("seed \(seed): \(request)")
                }
            }
        }
    }

    private static let conditions: [RetryPolicy.Condition] = [.connectFailure, .reset, .status(503)]

    @Test(
        "whatever endpoints do, the budget holds and nobody waits while there is room",
        arguments: 1...40 as ClosedRange<UInt64>, [3, 60])
    func flapping(seed: UInt64, clients: Int) {
        var plant = Plant(
            seed: seed, clients: clients, endpoints: 5,
            policy: RetryPolicy(
                attemptsMax: Int(seed % 5) + 1, conditions: RetrySimulationTests.conditions,
                budgetPercent: [0, 20, 100][Int(seed % 3)]))
        for _ in 0..<1000 { plant.step() }
        #expect(plant.answered > 0)
        #expect(plant.answered + plant.failed > 100)
    }

    @Test("an endpoint that breaks off makes requests wait, and none fails", arguments: 1...20 as ClosedRange<UInt64>)
    func breaking(seed: UInt64) {
        var plant = Plant(
            seed: seed, clients: 100, endpoints: 4, policy: RetryPolicy(conditions: RetrySimulationTests.conditions))
        plant.flaps = false
        plant.health = [.well, .well, .breaking, .well]
        for _ in 0..<1500 { plant.step() }
        #expect(plant.failed == 0, "seed \(seed)")
        #expect(plant.waitedMax > 0, "seed \(seed)")
    }

    @Test("when all fail, endpoints get a bounded part more than is asked", arguments: 1...20 as ClosedRange<UInt64>)
    func allFail(seed: UInt64) {
        var plant = Plant(
            seed: seed, clients: 100, endpoints: 4, policy: RetryPolicy(conditions: RetrySimulationTests.conditions))
        plant.flaps = false
        plant.health = Array(repeating: .failing, count: 4)
        for _ in 0..<2000 { plant.step() }
        // A fifth of those under way at any moment are retries, and each attempt takes as long as another.
        let asked = Double(plant.failed + plant.requests.count)
        #expect(Double(plant.sent) <= asked * 1.3, "seed \(seed): \(plant.sent) for \(asked)")
        #expect(plant.refused > 0)
    }
}
