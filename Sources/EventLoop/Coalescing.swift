/// When a busy worker lets events gather for a moment before it looks again.
///
/// A worker that keeps up with many connections is woken for one or two messages at a time, and pays more for waking
/// than for moving them; a message in two segments is moved twice. Network cards have the same problem and the same
/// answer (adaptive interrupt coalescing, `ethtool -C adaptive-rx`): once the rate is high, wait some microseconds for
/// more. A worker looks at itself for `observedTurns`; with much to do, in small pieces, for many connections, and time
/// to spare, it rests for `restNanoseconds` after each turn during a period. Then it looks again. A worker without time
/// to spare has large turns already, one with few connections would only make them wait: neither coalesces.
package struct Coalescing: BitwiseCopyable {
    /// How long events gather after a turn.
    package static let restNanoseconds: UInt64 = 25_000
    /// Fewer connections than this are never made to wait.
    package static let connectionsMin = 32
    /// Turns of an observation.
    package static let observedTurns = 32
    /// Nanoseconds that an observation may take at most: 16,000 turns a second.
    package static let observationNanosecondsMax: UInt64 = 2_000_000
    /// Turns that take as long as this gather events enough by themselves.
    package static let longTurnNanoseconds: UInt64 = 4 * restNanoseconds
    /// From one observation to the next, coalescing or not.
    package static let periodNanoseconds: UInt64 = 50_000_000

    private enum Phase {
        /// Nothing is measured until `phaseEndsAt`.
        case off
        case observing
        case coalescing
    }

    private var phase = Phase.off
    private var phaseEndsAt: UInt64 = 0
    /// Of the observation, or of the last `observedTurns` that coalesced.
    private var startedAt: UInt64 = 0
    private var turns = 0
    private var busy: UInt64 = 0

    package init() {}

    /// Whether the turn that began at `now` has to be measured: then `rest(…)` is asked at its end.
    package func isMeasuring(now: UInt64) -> Bool { phase != .off || now >= phaseEndsAt }

    /// A turn is over.
    ///
    /// - Parameters:
    ///   - began: When its events were taken, nanoseconds.
    ///   - ended: Now, nanoseconds.
    ///   - connections: Open ones of the worker.
    /// - Returns: Nanoseconds to rest before the next look at events; 0 for none.
    package mutating func rest(began: UInt64, ended: UInt64, connections: Int) -> UInt64 {
        if phase == .off {
            phase = .observing
            restart(at: began)
        }
        turns += 1
        busy += ended - began
        if phase == .observing {
            observe(ended: ended, connections: connections)
        } else {
            judge(ended: ended, connections: connections)
        }
        return phase == .coalescing && ended - began < Coalescing.longTurnNanoseconds
            ? Coalescing.restNanoseconds : 0
    }

    private mutating func observe(ended: UInt64, connections: Int) {
        let took = ended - startedAt
        guard took <= Coalescing.observationNanosecondsMax, connections >= Coalescing.connectionsMin else {
            stop(at: ended)
            return
        }
        guard turns == Coalescing.observedTurns else { return }
        // Half of the time at least something to do, and a tenth of it nothing.
        guard busy >= took / 2, busy <= took - took / 10 else {
            stop(at: ended)
            return
        }
        phase = .coalescing
        phaseEndsAt = ended + Coalescing.periodNanoseconds
        restart(at: ended)
    }

    private mutating func judge(ended: UInt64, connections: Int) {
        if ended >= phaseEndsAt {
            phase = .observing
            restart(at: ended)
        } else if turns == Coalescing.observedTurns {
            // The rests must not be longer than the work between them.
            if busy < UInt64(turns) * Coalescing.restNanoseconds || connections < Coalescing.connectionsMin {
                stop(at: ended)
            } else {
                restart(at: ended)
            }
        }
    }

    private mutating func stop(at now: UInt64) {
        phase = .off
        phaseEndsAt = now + Coalescing.periodNanoseconds
    }

    private mutating func restart(at now: UInt64) {
        startedAt = now
        turns = 0
        busy = 0
    }
}
