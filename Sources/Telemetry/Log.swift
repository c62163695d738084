import Glibc

/// Log lines on standard error, for operators: `2026-11-21T02:07:12.345Z warning link: …`.
///
/// One `write(2)` a line, so that lines of several threads and processes that share the descriptor don't mix; nothing
/// is buffered, so nothing is lost when the process dies. Usable from any thread. Never on a request's path.
package enum Log {
    package enum Level: Sendable, CaseIterable {
        case error, warning, info

        package var name: String {
            switch self {
            case .error: "error"
            case .warning: "warning"
            case .info: "info"
            }
        }
    }

    /// Bytes of one line at most, newline included: what a pipe takes as a whole (`PIPE_BUF`, `pipe(7)`).
    package static let lineBytesMax = 4096

    /// Something failed and an operator must act.
    package static func error(_ component: String, _ message: String) { write(.error, component, message) }

    /// Something is not as it should be; the process copes.
    package static func warning(_ component: String, _ message: String) { write(.warning, component, message) }

    /// A change worth knowing.
    package static func info(_ component: String, _ message: String) { write(.info, component, message) }

    /// - Parameter component: The part that speaks, such as `link` or `health`; without spaces.
    package static func write(_ level: Level, _ component: String, _ message: String) {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        let bytes = line(
            level, component, message, seconds: Int64(now.tv_sec), milliseconds: Int(now.tv_nsec) / 1_000_000)
        // A full or closed standard error loses the line; there is nowhere to say so.
        unsafe bytes.withUnsafeBytes { unsafe _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// The line as it is written.
    ///
    /// Control bytes of the message become `?`, so that a message is one line whatever a peer put into it; a line
    /// beyond `lineBytesMax` is cut.
    ///
    /// - Parameter seconds: Since 1970, UTC.
    package static func line(
        _ level: Level, _ component: String, _ message: String, seconds: Int64, milliseconds: Int
    ) -> [UInt8] {
        var line = Array("\(timestamp(seconds: seconds, milliseconds: milliseconds)) \(level.name) \(component): ".utf8)
        for byte in message.utf8.prefix(lineBytesMax) { line.append(byte < 0x20 || byte == 0x7f ? 0x3f : byte) }
        if line.count >= lineBytesMax { line.removeLast(line.count - lineBytesMax + 1) }
        line.append(0x0a)
        return line
    }

    /// RFC 3339 §5.6 in UTC with milliseconds: `2026-11-21T02:07:12.345Z`.
    package static func timestamp(seconds: Int64, milliseconds: Int) -> String {
        let (year, month, day) = civilDate(daysSince1970: seconds / 86_400)
        let date = "\(padded(year, to: 4))-\(padded(month))-\(padded(day))"
        let ofDay = Int(seconds % 86_400)
        let clock = "\(padded(ofDay / 3600)):\(padded(ofDay / 60 % 60)):\(padded(ofDay % 60))"
        return "\(date)T\(clock).\(padded(milliseconds, to: 3))Z"
    }

    /// Days to a date of the Gregorian calendar, by 400-year eras that begin on 1 March (Hinnant, "chrono-compatible
    /// low-level date algorithms"); for days from 1970 on.
    private static func civilDate(daysSince1970: Int64) -> (year: Int, month: Int, day: Int) {
        let days = Int(daysSince1970) + 719_468
        let era = days / 146_097
        let dayOfEra = days % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
    }

    private static func padded(_ value: Int, to width: Int = 2) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(width - digits.count, 0)) + digits
    }
}
