package import Foundation

/// What the kernel says of a process in `/proc`.
package struct ProcessStat: Sendable {
    package let pid: pid_t
    /// Resident memory, shared pages included.
    package let residentBytes: Int
    /// Memory that is this process's alone and written: heap, stacks, changed data.
    package let privateDirtyBytes: Int
    /// `utime` + `stime`, in ticks of `sysconf(_SC_CLK_TCK)`.
    package let processorTicks: Int
    /// Time on a processor of all live threads, to the nanosecond (`schedstat`).
    package let processorTime: Duration
    package let threads: Int

    /// - Throws: `TestKitError` when the process is gone.
    package init(_ pid: pid_t) throws {
        self.pid = pid
        let stat = try ProcessStat.read(pid, "stat")
        // The second field is the name in parentheses, which may hold spaces.
        let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ")
        guard fields.count > 21 else { throw TestKitError("process \(pid): cannot read its stat") }
        processorTicks = (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0)
        threads = Int(fields[18]) ?? 0
        residentBytes = (Int(fields[22]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
        privateDirtyBytes = try ProcessStat.kibibytes("Private_Dirty", of: pid) * 1024
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        let nanoseconds = tasks.map { task in
            let text = try? ProcessStat.read(pid, "task/\(task)/schedstat")
            return text?.split(separator: " ").first.flatMap { Int($0) } ?? 0
        }
        processorTime = .nanoseconds(nanoseconds.reduce(0, +))
    }

    private static func read(_ pid: pid_t, _ name: String) throws -> String {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/\(name)", encoding: .utf8) else {
            throw TestKitError("process \(pid) is gone")
        }
        return text
    }

    private static func kibibytes(_ field: String, of pid: pid_t) throws -> Int {
        let line = try read(pid, "smaps_rollup").split(separator: "\n").first { $0.hasPrefix("\(field):") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    /// The live processes whose arguments hold `words` one after the other, with their arguments.
    package static func processes(with words: [String]) -> [(pid: pid_t, arguments: [String])] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { entry in
            guard let pid = pid_t(entry), pid != getpid(),
                let bytes = FileManager.default.contents(atPath: "/proc/\(entry)/cmdline"), !bytes.isEmpty
            else { return nil }
            let arguments = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            let isMatch = arguments.indices.contains { arguments[$0...].starts(with: words) }
            return isMatch ? (pid, arguments) : nil
        }
    }

    /// How the kernel schedules the threads whose names begin with `prefix`: 0 for SCHED_OTHER, 3 for SCHED_BATCH (sched(7)).
    package static func schedulingPolicies(of pid: pid_t, threads prefix: String) -> [Int] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.compactMap { task in
            guard let stat = try? read(pid, "task/\(task)/stat"), let close = stat.lastIndex(of: ")"),
                stat.contains("(\(prefix)")
            else { return nil }
            // `policy` is the 41st field (proc_pid_stat(5)); behind the name comes the third.
            let fields = stat[close...].split(separator: " ").dropFirst()
            return fields.count > 38 ? Int(fields[fields.startIndex + 38]) : nil
        }
    }

    /// True while the process exists and one of its threads runs. A zombie without threads holds no descriptor any more.
    package static func isAlive(_ pid: pid_t) -> Bool {
        guard let stat = try? read(pid, "stat"), let close = stat.lastIndex(of: ")") else { return false }
        let state = stat[close...].split(separator: " ").dropFirst().first ?? "X"
        guard state == "Z" || state == "X" else { return true }
        // The first thread may be through while others are still on their way out.
        let tasks = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")
        return (tasks?.count ?? 0) > 1
    }

    /// SIGKILL, then waits until the process has let go of its sockets: `kill` returns before that.
    ///
    /// - Throws: `TestKitError` when it is still there after five seconds.
    package static func killAndWait(_ pid: pid_t) throws {
        kill(pid, SIGKILL)
        try Eventually.holds("the end of process \(pid)", within: .seconds(5), every: .milliseconds(1)) {
            !isAlive(pid)
        }
    }
}
