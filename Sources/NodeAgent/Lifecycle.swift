/// Whether a node serves, drains or stops, and what each order means then.
///
///     serving ──drain──▶ draining ──────all workers──▶ drained
///        ▲                  │  │                          │ │
///        └──────resume──────┘──┼──────────resume──────────┘ │
///                            stop, signal              stop, signal
///                              ▼                            ▼
///                           stopping ──all workers──────▶ exit
///                              └──deadline, second signal──▶ exit
///
/// Pure: `now` and orders in, what to do out. Times are monotonic nanoseconds.
package struct Lifecycle: Equatable, Sendable {
    package enum State: Equatable, Sendable {
        case serving
        /// `waiting`: workers that still have connections. No deadline once it has passed.
        case draining(waiting: Set<Int>, deadline: UInt64?)
        case drained
        case stopping(waiting: Set<Int>, deadline: UInt64)
        case exited
    }

    package enum Action: Equatable, Sendable {
        case none
        /// Tell the role to drain.
        case drain
        /// Tell the role to take connections again.
        case resume
        /// Tell the control plane that the last connection has ended.
        case reportDrained
        /// A drain is at its deadline: tell the role to cut what is left.
        case cut
        /// The order can't be followed any more: the node is stopping.
        case refuse
        case exit(Ending)
    }

    /// How a stop ended.
    package enum Ending: Equatable, Sendable {
        case drained
        /// Connections of so many workers were cut.
        case deadline(workers: Int)
        /// Cut by a second signal.
        case secondSignal
    }

    package private(set) var state: State = .serving
    private let workers: Set<Int>
    private var isSignalled = false

    package init(workerCount: Int) {
        precondition(workerCount > 0, "a node without workers")
        workers = Set(0..<workerCount)
    }

    /// When `deadlinePassed` is due; nil: never.
    package var deadline: UInt64? {
        switch state {
        case .serving, .drained, .exited: nil
        case .draining(_, let deadline): deadline
        case .stopping(_, let deadline): deadline
        }
    }

    /// Whether the node takes no new connections.
    package var isDraining: Bool { state != .serving }

    package mutating func drainOrdered(until deadline: UInt64) -> Action {
        switch state {
        case .serving:
            state = .draining(waiting: workers, deadline: deadline)
            return .drain
        case .draining(let waiting, _):
            state = .draining(waiting: waiting, deadline: deadline)
            return .none
        case .drained: return .reportDrained
        case .stopping, .exited: return .refuse
        }
    }

    package mutating func resumeOrdered() -> Action {
        switch state {
        case .serving: return .none
        case .draining, .drained:
            state = .serving
            return .resume
        case .stopping, .exited: return .refuse
        }
    }

    /// A second order can only bring the end nearer.
    package mutating func stopOrdered(until deadline: UInt64) -> Action {
        switch state {
        case .serving:
            state = .stopping(waiting: workers, deadline: deadline)
            return .drain
        case .draining(let waiting, _):
            state = .stopping(waiting: waiting, deadline: deadline)
            return .none
        case .drained: return exit(.drained)
        case .stopping(let waiting, let earlier):
            state = .stopping(waiting: waiting, deadline: min(earlier, deadline))
            return .none
        case .exited: return .none
        }
    }

    /// SIGTERM or SIGINT: the first is a stop, the second ends the process at once.
    package mutating func signalled(until deadline: UInt64) -> Action {
        if isSignalled { return state == .exited ? .none : exit(.secondSignal) }
        isSignalled = true
        return stopOrdered(until: deadline)
    }

    /// A worker's last connection has ended.
    package mutating func workerDrained(_ worker: Int) -> Action {
        switch state {
        // Posted before the worker saw the resume.
        case .serving, .drained, .exited: return .none
        case .draining(var waiting, let deadline):
            waiting.remove(worker)
            guard waiting.isEmpty else {
                state = .draining(waiting: waiting, deadline: deadline)
                return .none
            }
            state = .drained
            return .reportDrained
        case .stopping(var waiting, let deadline):
            waiting.remove(worker)
            guard waiting.isEmpty else {
                state = .stopping(waiting: waiting, deadline: deadline)
                return .none
            }
            return exit(.drained)
        }
    }

    /// Call at any time; acts only when a deadline has passed.
    package mutating func deadlinePassed(now: UInt64) -> Action {
        guard let deadline, deadline <= now else { return .none }
        switch state {
        case .serving, .drained, .exited: return .none
        case .draining(let waiting, _):
            state = .draining(waiting: waiting, deadline: nil)
            return .cut
        case .stopping(let waiting, _): return exit(.deadline(workers: waiting.count))
        }
    }

    private mutating func exit(_ ending: Ending) -> Action {
        state = .exited
        return .exit(ending)
    }
}
