package import EventLoop

/// What the agent waits on: one epoll set, one wheel, the turn's time.
package struct AgentLoop: ~Copyable {
    /// What an event is for: the token's kind.
    package enum Source: UInt8 {
        case signals = 1
        case mailbox = 2
        case link = 3
        case probe = 4
    }

    /// Timer ids; probes use `firstProbe` + slot.
    package enum Timer {
        package static let link: UInt32 = 0
        package static let lifecycle: UInt32 = 1
        package static let storedSnapshot: UInt32 = 2
        package static let trust: UInt32 = 3
        package static let firstProbe: UInt32 = 16
    }

    package var poller: Poller
    package var timers: TimerWheel
    /// Monotonic nanoseconds, read once a turn.
    package var now: UInt64

    package init() throws(SocketError) {
        poller = try Poller()
        now = Clock.monotonicNanoseconds()
        timers = TimerWheel(now: now)
    }

    /// Reads the clock again, after work that may have taken long: a deadline counted from the turn's start would be early.
    package mutating func refreshNow() { now = Clock.monotonicNanoseconds() }

    /// Sleeps until something happens or a timer is due: for ever when there is neither.
    ///
    /// - Returns: Events to take with `poller.event(at:)`.
    package mutating func wait() -> Int {
        let count = poller.wait(timeoutMilliseconds: timers.millisecondsUntilNext(now: Clock.monotonicNanoseconds()))
        now = Clock.monotonicNanoseconds()
        return count
    }
}
