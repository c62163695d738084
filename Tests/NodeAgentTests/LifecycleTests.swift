import NodeAgent
import Testing

@Suite("Lifecycle")
struct LifecycleTests {
    /// Every order a node can get.
    enum Order: CaseIterable {
        case drain, resume, stop, signal, worker0, worker1, early, late
    }

    /// A node of two workers in each state; `signalled` ones have had their first signal.
    enum Start: CaseIterable {
        case serving, draining, draining1, overdue, drained, stopping, stopping1, signalled, exited

        var lifecycle: Lifecycle {
            var lifecycle = Lifecycle(workerCount: 2)
            switch self {
            case .serving: break
            case .draining: _ = lifecycle.drainOrdered(until: 100)
            case .draining1:
                _ = lifecycle.drainOrdered(until: 100)
                _ = lifecycle.workerDrained(0)
            case .overdue:
                _ = lifecycle.drainOrdered(until: 100)
                _ = lifecycle.deadlinePassed(now: 100)
            case .drained:
                _ = lifecycle.drainOrdered(until: 100)
                _ = lifecycle.workerDrained(0)
                _ = lifecycle.workerDrained(1)
            case .stopping: _ = lifecycle.stopOrdered(until: 100)
            case .stopping1:
                _ = lifecycle.stopOrdered(until: 100)
                _ = lifecycle.workerDrained(0)
            case .signalled: _ = lifecycle.signalled(until: 100)
            case .exited:
                _ = lifecycle.stopOrdered(until: 100)
                _ = lifecycle.deadlinePassed(now: 100)
            }
            return lifecycle
        }
    }

    private func give(_ order: Order, to lifecycle: inout Lifecycle) -> Lifecycle.Action {
        switch order {
        case .drain: lifecycle.drainOrdered(until: 200)
        case .resume: lifecycle.resumeOrdered()
        case .stop: lifecycle.stopOrdered(until: 200)
        case .signal: lifecycle.signalled(until: 200)
        case .worker0: lifecycle.workerDrained(0)
        case .worker1: lifecycle.workerDrained(1)
        case .early: lifecycle.deadlinePassed(now: 99)
        case .late: lifecycle.deadlinePassed(now: 100)
        }
    }

    /// The action and the state of every (state, order) pair.
    private func expected(_ start: Start, _ order: Order) -> (Lifecycle.Action, Lifecycle.State) {
        let both: Set = [0, 1]
        switch (start, order) {
        case (.serving, .drain): return (.drain, .draining(waiting: both, deadline: 200))
        case (.serving, .stop), (.serving, .signal): return (.drain, .stopping(waiting: both, deadline: 200))
        case (.serving, _): return (.none, .serving)

        case (.draining, .drain), (.overdue, .drain): return (.none, .draining(waiting: both, deadline: 200))
        case (.draining1, .drain): return (.none, .draining(waiting: [1], deadline: 200))
        case (.draining, .resume), (.draining1, .resume), (.overdue, .resume), (.drained, .resume):
            return (.resume, .serving)
        case (.draining, .stop), (.draining, .signal), (.overdue, .stop), (.overdue, .signal):
            return (.none, .stopping(waiting: both, deadline: 200))
        case (.draining1, .stop), (.draining1, .signal): return (.none, .stopping(waiting: [1], deadline: 200))
        case (.draining, .worker0): return (.none, .draining(waiting: [1], deadline: 100))
        case (.draining, .worker1): return (.none, .draining(waiting: [0], deadline: 100))
        case (.overdue, .worker0): return (.none, .draining(waiting: [1], deadline: nil))
        case (.overdue, .worker1): return (.none, .draining(waiting: [0], deadline: nil))
        case (.draining1, .worker1): return (.reportDrained, .drained)
        case (.draining1, .worker0), (.draining1, .early): return (.none, .draining(waiting: [1], deadline: 100))
        case (.draining, .late): return (.cut, .draining(waiting: both, deadline: nil))
        case (.draining1, .late): return (.cut, .draining(waiting: [1], deadline: nil))
        case (.draining, .early): return (.none, .draining(waiting: both, deadline: 100))
        case (.overdue, .early), (.overdue, .late): return (.none, .draining(waiting: both, deadline: nil))

        case (.drained, .drain): return (.reportDrained, .drained)
        case (.drained, .stop), (.drained, .signal): return (.exit(.drained), .exited)
        case (.drained, _): return (.none, .drained)

        case (.stopping, .drain), (.stopping, .resume), (.signalled, .drain), (.signalled, .resume):
            return (.refuse, .stopping(waiting: both, deadline: 100))
        case (.stopping1, .drain), (.stopping1, .resume): return (.refuse, .stopping(waiting: [1], deadline: 100))
        // A later deadline doesn't put the end off.
        case (.stopping, .stop), (.stopping, .signal), (.stopping, .early), (.signalled, .stop), (.signalled, .early):
            return (.none, .stopping(waiting: both, deadline: 100))
        case (.signalled, .signal): return (.exit(.secondSignal), .exited)
        case (.stopping, .worker0), (.signalled, .worker0): return (.none, .stopping(waiting: [1], deadline: 100))
        case (.stopping, .worker1), (.signalled, .worker1): return (.none, .stopping(waiting: [0], deadline: 100))
        case (.stopping, .late), (.signalled, .late): return (.exit(.deadline(workers: 2)), .exited)
        case (.stopping1, .worker1): return (.exit(.drained), .exited)
        case (.stopping1, .late): return (.exit(.deadline(workers: 1)), .exited)
        case (.stopping1, .stop), (.stopping1, .signal), (.stopping1, .worker0), (.stopping1, .early):
            return (.none, .stopping(waiting: [1], deadline: 100))

        case (.exited, .drain), (.exited, .resume): return (.refuse, .exited)
        case (.exited, _): return (.none, .exited)
        }
    }

    @Test("every order in every state", arguments: Start.allCases, Order.allCases)
    func pairs(start: Start, order: Order) {
        var lifecycle = start.lifecycle
        let action = give(order, to: &lifecycle)
        let (expectedAction, expectedState) = expected(start, order)
        #expect(action == expectedAction)
        #expect(lifecycle.state == expectedState)
    }

    @Test("a nearer deadline of a second stop holds")
    func nearerDeadline() {
        var lifecycle = Lifecycle(workerCount: 1)
        _ = lifecycle.stopOrdered(until: 100)
        _ = lifecycle.stopOrdered(until: 50)
        #expect(lifecycle.deadline == 50)
        #expect(lifecycle.deadlinePassed(now: 49) == .none)
        #expect(lifecycle.deadlinePassed(now: 50) == .exit(.deadline(workers: 1)))
    }

    @Test("a node can be drained again after a resume, and waits for every worker anew")
    func drainAgain() {
        var lifecycle = Lifecycle(workerCount: 2)
        _ = lifecycle.drainOrdered(until: 100)
        _ = lifecycle.workerDrained(0)
        _ = lifecycle.resumeOrdered()
        #expect(!lifecycle.isDraining)
        #expect(lifecycle.drainOrdered(until: 300) == .drain)
        #expect(lifecycle.workerDrained(1) == .none)
        #expect(lifecycle.workerDrained(0) == .reportDrained)
    }
}
