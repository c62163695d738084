import EventLoop

/// What the agent waits on: one epoll set, one wheel, the turn's time.
struct AgentLoop: ~Copyable {
    /// What an event is for: the token's kind.
    enum Source: UInt8 {
        case signals = 1
        case mailbox = 2
        case link = 3
        case probe = 4
    }

    /// Timer ids; probes use `firstProbe` + slot.
    enum Timer {
        static let link: UInt32 = 0
        static let lifecycle: UInt32 = 1
        static let storedSnapshot: UInt32 = 2
        static let firstProbe: UInt32 = 16
    }

    var poller: Poller
    var timers: TimerWheel
    /// Monotonic nanoseconds, read once a turn.
    var now: UInt64

    init() throws(SocketError) {
        poller = try Poller()
        now = Clock.monotonicNanoseconds()
        timers = TimerWheel(now: now)
    }

    /// Sleeps until something happens or a timer is due: for ever when there is neither.
    ///
    /// - Returns: Events to take with `poller.event(at:)`.
    mutating func wait() -> Int {
        let count = poller.wait(timeoutMilliseconds: timers.millisecondsUntilNext(now: Clock.monotonicNanoseconds()))
        now = Clock.monotonicNanoseconds()
        return count
    }
}
