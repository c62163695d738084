/// How many requests may be under way at a time, found out from how long they take: Envoy's gradient controller.
///
/// While endpoints have room, more requests under way don't make answers slower; when they have none, each further request
/// waits behind the others. So the limit follows the ratio of the latency without load to that of the last window:
///
///     gradient = clamp(tolerance · unloaded / latency, 0.5, 2)
///     limit    = gradient · limit + √(gradient · limit)
///
/// The latency without load is measured at first, once a minute, and when the limit has stayed at its lower end: no more than
/// the lower end are let through until fifty of these have been answered. (Netflix's Gradient2 takes an average over minutes
/// instead and needs no such pause, but in an overload that lasts for minutes it comes to take that for usual.) From
/// Netflix is that a limit which isn't used doesn't grow.
package struct GradientLimit: BitwiseCopyable, Sendable {
    package struct Settings: Equatable, BitwiseCopyable, Sendable {
        /// The limit stays between these.
        package var min: Double
        package var max: Double
        /// How much longer than without load answers may take before the limit shrinks; 1 or more.
        package var tolerance: Double

        package init(min: Double, max: Double, tolerance: Double) {
            precondition(min >= 1 && max >= min && tolerance >= 1, "limit from \(min) to \(max), \(tolerance)")
            self.min = min
            self.max = max
            self.tolerance = tolerance
        }
    }

    /// After the first measurement.
    package static var first: Double { 20 }
    /// A window is at least so long, and has at least so many answers.
    package static var windowNanoseconds: UInt64 { 100_000_000 }
    package static var windowAnswersMin: UInt32 { 10 }
    /// Answers that the latency without load is the average of.
    package static var measuredAnswers: UInt32 { 50 }
    /// From the end of one measurement to the next.
    package static var measuringInterval: UInt64 { 60_000_000_000 }
    /// Windows in a row at the lower end after which it is measured again: it may have become another one.
    package static var lowWindowsMax: UInt32 { 5 }

    private var limit: Double
    /// Nanoseconds; of no meaning before the first measurement has ended.
    private var unloaded: Double = 0
    package private(set) var isMeasuring = true
    /// When the window or the measurement under way began, and when the last measurement ended.
    private var beganAt: UInt64
    private var measuredAt: UInt64 = 0
    private var sum: UInt64 = 0
    private var answers: UInt32 = 0
    private var activeMax: UInt32 = 0
    private var lowWindows: UInt32 = 0

    package init(now: UInt64) {
        limit = GradientLimit.first
        beganAt = now
    }

    /// Requests that may be under way at a time; at least 1.
    package func current(_ settings: Settings) -> UInt32 {
        UInt32(isMeasuring ? settings.min : Swift.min(Swift.max(limit, settings.min), settings.max))
    }

    /// An answer has come, or failed to come in time.
    ///
    /// - Parameters:
    ///   - nanoseconds: From the beginning of the attempt to the head of its answer.
    ///   - active: Requests that were under way, this one included.
    package mutating func answered(nanoseconds: UInt64, active: UInt32, now: UInt64, _ settings: Settings) {
        // Began under the limit of before, and waited behind what that let through.
        if isMeasuring && now &- nanoseconds < beganAt { return }
        sum &+= nanoseconds
        answers &+= 1
        if active > activeMax { activeMax = active }
        if isMeasuring {
            if answers >= GradientLimit.measuredAnswers { endMeasurement(now) }
        } else if answers >= GradientLimit.windowAnswersMin, now &- beganAt >= GradientLimit.windowNanoseconds {
            endWindow(now, settings)
        }
    }

    private mutating func endMeasurement(_ now: UInt64) {
        unloaded = average
        isMeasuring = false
        measuredAt = now
        lowWindows = 0
        begin(now)
    }

    private mutating func endWindow(_ now: UInt64, _ settings: Settings) {
        // Settings may have changed since.
        limit = Swift.min(Swift.max(limit, settings.min), settings.max)
        let gradient = Swift.min(Swift.max(settings.tolerance * unloaded / average, 0.5), 2)
        let next = limit * gradient + (limit * gradient).squareRoot()
        // A load below the limit is the clients' doing: it says nothing about a higher one.
        if next < limit || Double(activeMax) >= limit / 2 {
            limit = Swift.min(Swift.max(next, settings.min), settings.max)
        }
        lowWindows = limit <= settings.min ? lowWindows + 1 : 0
        if lowWindows >= GradientLimit.lowWindowsMax || now &- measuredAt >= GradientLimit.measuringInterval {
            isMeasuring = true
        }
        begin(now)
    }

    private mutating func begin(_ now: UInt64) {
        beganAt = now
        sum = 0
        answers = 0
        activeMax = 0
    }

    /// Nanoseconds, at least 1.
    private var average: Double { Swift.max(Double(sum) / Double(answers), 1) }
}
