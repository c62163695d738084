/// Spares a connection that waits for responses the segments that do nothing but acknowledge them.
///
/// The next request would carry the acknowledgement (RFC 9293 §3.8.6.3, RFC 1122 §4.2.3.2), but Linux sends one at once
/// when a reader empties a queue of two small segments, such as a head and a body that were written apart
/// (`tcp_cleanup_rbuf`). With the way through both stacks it is a seventh of what a small request costs a proxy. So the
/// response is looked at (`MSG_PEEK`) and taken out of the queue once the next request is on its way: one system call
/// more, which is cheaper.
///
/// Where the kernel would have sent no such segment (the response comes in one), or sends it anyway (the segments are
/// large), the call is for nothing. So a connection measures both ways for `measuredResponses` each and keeps to the
/// better one for `periodResponses`.
package struct AckPiggybacking: BitwiseCopyable {
    /// Responses over which one way is measured.
    package static let measuredResponses: UInt16 = 8
    /// Responses from one decision to the next measurement.
    package static let periodResponses: UInt16 = 1024
    /// Responses before the first one: Linux acknowledges the first 16 segments of a connection at once (quick ACKs).
    package static let firstResponses: UInt16 = 12
    /// How many responses one counts for that was looked at and then read.
    package static let brokenWeight: UInt16 = 16
    /// Segments saved, of `measuredResponses`, for which the other way is worth it.
    package static let savedMin: UInt32 = 4
    /// Longest time of a measurement: at fewer responses than that the kernel's timer (40 ms) acknowledges each of them,
    /// however it is read.
    package static let measuredNanosecondsMax: UInt64 = 160_000_000
    /// Bytes that may be left in a socket's queue.
    package static let unreadMax = 4096

    private enum Phase: UInt8, BitwiseCopyable {
        case reading
        case measuringReading
        case measuringPeeking
        case peeking
    }

    private var phase = Phase.reading
    /// Responses until the phase ends.
    private var left = AckPiggybacking.firstResponses
    /// Segments that only acknowledged: those that the kernel had sent when the phase began, and those of the way that was
    /// measured first.
    private var atStart: UInt32 = 0
    private var ofReading: UInt32 = 0
    private var startedAt: UInt64 = 0

    package init() {}

    /// Whether the next response is looked at, and left in the queue until the next request is sent.
    package var peeks: Bool { phase == .peeking || phase == .measuringPeeking }

    /// A response is over.
    ///
    /// - Parameter isWhole: It came in one read of at most `unreadMax` bytes. Others are looked at in vain: the sooner it
    ///   is measured again whether that is the rule.
    /// - Returns: Whether `measure` is to be called.
    package mutating func noteResponse(isWhole: Bool) -> Bool {
        let step = isWhole || phase != .peeking ? 1 : AckPiggybacking.brokenWeight
        left = left > step ? left - step : 0
        return left == 0
    }

    /// - Parameters:
    ///   - acknowledgements: Segments without data that the kernel has sent on the connection so far (see
    ///     `Socket.acknowledgementsSent`); nil for what is no TCP.
    ///   - now: Nanoseconds.
    package mutating func measure(_ acknowledgements: UInt32?, now: UInt64) {
        guard let acknowledgements else {
            rest()
            return
        }
        let sent = acknowledgements &- atStart
        let isTimely = now &- startedAt <= AckPiggybacking.measuredNanosecondsMax
        switch phase {
        case .reading, .peeking: begin(.measuringReading, acknowledgements, now)
        case .measuringReading:
            guard isTimely, sent >= AckPiggybacking.savedMin else {
                rest()
                return
            }
            ofReading = sent
            begin(.measuringPeeking, acknowledgements, now)
        case .measuringPeeking:
            guard isTimely, sent + AckPiggybacking.savedMin <= ofReading else {
                rest()
                return
            }
            phase = .peeking
            left = AckPiggybacking.periodResponses
        }
    }

    private mutating func begin(_ phase: Phase, _ acknowledgements: UInt32, _ now: UInt64) {
        self.phase = phase
        left = AckPiggybacking.measuredResponses
        atStart = acknowledgements
        startedAt = now
    }

    private mutating func rest() {
        phase = .reading
        left = AckPiggybacking.periodResponses
    }
}
