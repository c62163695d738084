import EventLoop
import Foundation
import Synchronization
import Testing

@testable import Proxy

@Suite("Queue of requests, and budget of connections")
struct RequestQueueTests {
    private func waiter(_ number: UInt32, worker: Int = 0) -> RequestQueue.Waiter {
        .init(worker: worker, exchange: Token(kind: 0, slot: number, generation: 1))
    }

    private func join(_ queue: inout RequestQueue, _ number: UInt32, _ countMax: Int) -> RequestQueue.Place? {
        queue.append(waiter(number), countMax: countMax)
    }

    private func drained(_ queue: inout RequestQueue) -> [UInt32] {
        var slots: [UInt32] = []
        while let (waiter, _) = queue.popFirst() { slots.append(waiter.exchange.slot) }
        return slots
    }

    @Test("takes as many as its bound and no more", arguments: [0, 1, 2, 1000])
    func bound(countMax: Int) {
        var queue = RequestQueue()
        for number in 0..<countMax {
            #expect(queue.count == number)
            #expect(join(&queue, UInt32(number), countMax) != nil)
        }
        #expect(join(&queue, 9999, countMax) == nil)
        #expect(queue.count == countMax)
        guard countMax > 0 else { return }
        _ = queue.popFirst()
        #expect(join(&queue, 9999, countMax) != nil)
        #expect(join(&queue, 9999, countMax) == nil)
        #expect(drained(&queue) == (1..<UInt32(countMax)).map { $0 } + [9999])
    }

    @Test("first come, first served; the first, the last and one in between may leave")
    func order() {
        for leaving in [[0], [4], [2], [0, 1], [3, 4], [1, 3], [0, 1, 2, 3, 4], []] {
            var queue = RequestQueue()
            let places = (0..<5).map { queue.append(waiter($0), countMax: 5)! }
            for number in leaving {
                let hasLeft = queue.remove(places[number])
                #expect(hasLeft)
            }
            #expect(queue.count == 5 - leaving.count)
            #expect(join(&queue, 5, 9) != nil)
            #expect(drained(&queue) == (0..<5).filter { !leaving.contains($0) }.map(UInt32.init) + [5])
        }
    }

    @Test("who has left or was called can't leave again, though another has the same seat")
    func stalePlaces() throws {
        var queue = RequestQueue()
        let first = try #require(join(&queue, 1, 1))
        let called = queue.popFirst()
        #expect(called?.place == first)
        let second = try #require(join(&queue, 2, 1))
        #expect(second != first)
        let left = [first, second, second, .none].map { queue.remove($0) }
        #expect(left == [false, true, false, false])
        #expect(queue.count == 0)
    }

    @Test("any sequence of joins, leaves and calls agrees with a plain array", arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var random = Xorshift(state: seed)
        var queue = RequestQueue()
        var model: [(slot: UInt32, place: RequestQueue.Place)] = []
        for number in 0..<2000 as Range<UInt32> {
            switch random.next() % 4 {
            case 0, 1:
                let place = queue.append(waiter(number), countMax: 16)
                #expect((place != nil) == (model.count < 16))
                if let place { model.append((number, place)) }
            case 2:
                let called = queue.popFirst()
                #expect(called?.waiter.exchange.slot == model.first?.slot)
                if !model.isEmpty { model.removeFirst() }
            default:
                guard !model.isEmpty else { continue }
                let index = Int(random.next() % UInt64(model.count))
                let hasLeft = queue.remove(model.remove(at: index).place)
                #expect(hasLeft)
            }
            #expect(queue.count == model.count)
        }
        #expect(drained(&queue) == model.map(\.slot))
    }

    @Test("a budget gives its bound and no more", arguments: [0, 1, 2, 256])
    func budget(countMax: Int) {
        let budget = EndpointBudget()
        let taken = (0..<countMax + 1).map { _ in budget.take(countMax: countMax) }
        #expect(taken == Array(repeating: true, count: countMax) + [false])
        // A bound that is raised, and lowered again.
        let more = [budget.take(countMax: countMax + 1), budget.take(countMax: countMax + 1)]
        #expect(more == [true, false])
        budget.give()
        let open = budget.open
        #expect(open == countMax)
        let atBound = budget.take(countMax: countMax)
        #expect(!atBound)
        guard countMax > 0 else { return }
        budget.give()
        let afterGiving = budget.take(countMax: countMax)
        #expect(afterGiving)
    }

    /// Threads that take room, or else wait, and hand what they give back to the first who waits, as workers do. Whoever
    /// waits must be called: a lost wake-up leaves a thread waiting for ever, and the test at its time limit.
    @Test("between threads no room is lost, and none given twice", .timeLimit(.minutes(1)))
    func threads() {
        let shared = SharedQueue(workers: 4, countMax: 2)
        let rounds = 5_000
        let done = DispatchGroup()
        for worker in 0..<4 {
            done.enter()
            Thread.detachNewThread {
                for _ in 0..<rounds { shared.use(worker) }
                done.leave()
            }
        }
        done.wait()
        #expect(shared.mostInUse.withLock { $0 } <= 2)
        let (open, waiting) = (shared.budget.open, shared.queue.count)
        #expect(open == 0)
        #expect(waiting == 0)
    }
}

/// What workers do with a pool's queue and an endpoint's budget, one request at a time each.
private final class SharedQueue: Sendable {
    let queue = PoolQueue(number: 0)
    let budget = EndpointBudget()
    let countMax: Int
    let inUse = Mutex(0)
    let mostInUse = Mutex(0)
    private let calls: [DispatchSemaphore]

    init(workers: Int, countMax: Int) {
        self.countMax = countMax
        calls = (0..<workers).map { _ in DispatchSemaphore(value: 0) }
    }

    func use(_ worker: Int) {
        if !(queue.isEmpty && budget.take(countMax: countMax)) {
            let waiter = RequestQueue.Waiter(worker: worker, exchange: Token(kind: 0, slot: 0, generation: 0))
            _ = queue.join(waiter, countMax: 100)
            callNext()
            calls[worker].wait()
        }
        let now = inUse.withLock {
            $0 += 1; return $0
        }
        mostInUse.withLock { $0 = max($0, now) }
        inUse.withLock { $0 -= 1 }
        budget.give()
        if !queue.isEmpty { callNext() }
    }

    /// As `ProxyWorker.serveQueue`: room first, then who gets it.
    private func callNext() {
        while !queue.isEmpty, budget.take(countMax: countMax) {
            guard let (waiter, _) = queue.next() else {
                budget.give()
                continue
            }
            calls[waiter.worker].signal()
        }
    }
}

private struct Xorshift: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
