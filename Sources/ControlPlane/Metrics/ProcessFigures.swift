import Foundation

/// What the kernel knows of a process: `/proc/PID/stat` (`proc_pid_stat(5)`).
struct ProcessFigures: Equatable, Sendable {
    /// User and system time of all threads, seconds.
    var cpuSeconds: Double
    var residentBytes: Int

    /// - Returns: nil when the process is gone.
    init?(pid: Int32) {
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return nil }
        let ticks = Double(sysconf(CInt(_SC_CLK_TCK)))
        self.init(stat: String(decoding: data, as: UTF8.self), ticksPerSecond: ticks, pageBytes: Int(getpagesize()))
    }

    /// - Parameter stat: The line; its second field, the name in parentheses, may hold anything.
    init?(stat: String, ticksPerSecond: Double, pageBytes: Int) {
        guard let end = stat.lastIndex(of: ")") else { return nil }
        // From the third field, the state, on.
        let fields = stat[stat.index(after: end)...].split(whereSeparator: \.isWhitespace)
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
            let pages = Int(fields[21])
        else { return nil }
        cpuSeconds = (user + system) / ticksPerSecond
        residentBytes = pages * pageBytes
    }
}
