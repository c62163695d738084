/// Whether an endpoint may be given requests.
@usableFromInline
package struct EndpointStanding: OptionSet, BitwiseCopyable, Sendable {
    @usableFromInline package let rawValue: UInt8

    @inlinable
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Its health checks speak for it.
    @inlinable package static var up: EndpointStanding { EndpointStanding(rawValue: 1) }
    /// An operator drains it: no new sessions.
    @inlinable package static var draining: EndpointStanding { EndpointStanding(rawValue: 2) }
    /// Connecting failed a moment ago: others are preferred.
    @inlinable package static var suspected: EndpointStanding { EndpointStanding(rawValue: 4) }
    /// Its answers are worse than those of the others: these are preferred.
    @inlinable package static var ejected: EndpointStanding { EndpointStanding(rawValue: 16) }
    /// Reasons to prefer others.
    @inlinable package static var avoided: EndpointStanding { [.suspected, .ejected] }
    @inlinable package var isAvoided: Bool { !isDisjoint(with: .avoided) }
    /// Passed over until further notice, for the request in hand: it has failed it, or is full. No reason to choose other
    /// candidates.
    @inlinable package static var excluded: EndpointStanding { EndpointStanding(rawValue: 8) }
}

/// What one worker knows of an endpoint when it picks. Plain data, one per endpoint that outlives snapshots, in an array that
/// the worker owns.
package struct EndpointLoad: BitwiseCopyable, Sendable {
    /// When its slow start began, monotonic nanoseconds; 0: it isn't in one.
    package var warmSince: UInt64 = 0
    /// Requests under way.
    package var active: UInt32 = 0
    /// Nanoseconds as of `observedAt`; 0: never observed.
    private var peak: Float = 0
    /// In ticks of 2²⁰ ns.
    private var observedAt: UInt32 = 0
    package var standing: EndpointStanding = .up

    package init() {}

    /// Takes in how long an endpoint took for a request.
    ///
    /// Peak EWMA after Finagle and Linkerd: each time moves the average by the share that the time since the last observation
    /// has, 1 − e^(−Δ/τ), a longer one with τ = 20 ms and a shorter one with τ = 1 s. So bad news is believed at once where
    /// answers are rare, and after some 20 ms of it where there are thousands a second. There, one long time replaces the average
    /// and is remembered for 10 s: the average of a busy endpoint then is the worst hiccup of this host's scheduler, counted for
    /// each request that is under way, and makes an idle endpoint look good that takes 200 ms.
    ///
    /// - Parameters:
    ///   - nanoseconds: From the request's first byte to the response's head.
    ///   - now: Monotonic nanoseconds.
    package mutating func observe(nanoseconds: UInt64, now: UInt64) {
        let sample = max(Float(nanoseconds), 1)
        let tick = UInt32(truncatingIfNeeded: now >> 20)
        guard isObserved else {
            peak = sample
            observedAt = tick
            return
        }
        let speed = sample > peak ? EndpointLoad.badNewsSpeed : EndpointLoad.goodNewsSpeed
        let kept = Decay.kept(afterTicks: Float(tick &- observedAt) * speed)
        peak = peak * kept + sample * (1 - kept)
        observedAt = tick
    }

    /// A request has failed: as bad as an answer after so many nanoseconds, and believed at once.
    package mutating func observeFailure(nanoseconds: UInt64, now: UInt64) {
        peak = max(latency(at: now), Float(nanoseconds))
        observedAt = UInt32(truncatingIfNeeded: now >> 20)
    }

    /// So many times faster than silence do answers make what is known fade.
    private static var goodNewsSpeed: Float { 10 }
    private static var badNewsSpeed: Float { 500 }

    /// What a request to it is expected to take, nanoseconds; 0: never observed.
    ///
    /// It fades while nothing is observed, with τ = 10 s, so that an endpoint that was slow is tried again some time.
    @inline(__always)
    package func latency(at now: UInt64) -> Float {
        peak * Decay.kept(afterTicks: Float(UInt32(truncatingIfNeeded: now >> 20) &- observedAt))
    }

    package var isObserved: Bool { peak > 0 }
}

/// e^(−t/τ) for τ = 10 s, without a call into the C library.
enum Decay {
    /// log₂ e times a tick of 2²⁰ ns, in units of τ.
    private static var exponentPerTick: Float { 1.442_695 * 1_048_576 / 10e9 }
    /// 2⁻⁶⁴ of a day is 5 femtoseconds.
    private static var exponentMax: Float { 64 }

    /// Within 0.03 % of the true value.
    @inline(__always)
    static func kept(afterTicks ticks: Float) -> Float {
        let exponent = ticks * exponentPerTick
        guard exponent < exponentMax else { return 0 }
        let whole = UInt32(exponent)
        let part = exponent - Float(whole)
        // The series of 2^(−x) at 0; the power of two goes straight into the exponent's bits.
        var sum: Float = -0.001_333_36
        sum = sum * part + 0.009_618_13
        sum = sum * part - 0.055_504_11
        sum = sum * part + 0.240_226_51
        sum = sum * part - 0.693_147_18
        sum = sum * part + 1
        return sum * Float(bitPattern: (127 - whole) << 23)
    }
}
