package import Foundation

/// A running site: `sluice run` with a state directory of its own.
///
/// Nodes live in sessions of their own and outlive their control plane; they are found by the state directory that
/// stands in their arguments, and none survives this object.
package final class Site: Sendable {
    package let directory: TemporaryDirectory
    private let prefix: [String]
    private let process = ProcessBox()

    /// The site file.
    package var file: String { directory.file("site.yaml") }
    package var state: String { directory.file("state") }
    package var socket: String { directory.file("control.sock") }
    /// Where nodes link to.
    package var link: String { "\(state)/run/link.sock" }

    package var control: ControlSocket { ControlSocket(socket) }
    package var command: SluiceCommand { SluiceCommand(socket: socket) }

    /// The process of `sluice run`; nil before the start.
    package var controlPlane: ChildProcess? { process.current }

    /// Writes the site file; nothing is started yet.
    ///
    /// - Parameter hosts: What its processes find in `/etc/hosts`, by a mount namespace of their own (needs root); nil for
    ///   the host's own.
    package init(_ yaml: String, on host: Network.Host? = nil, hosts: String? = nil) throws {
        directory = try TemporaryDirectory()
        var prefix = host?.prefix ?? []
        if let hosts {
            try directory.write(hosts, to: "hosts")
            prefix += [
                "unshare", "--mount", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\"",
                directory.file("hosts"),
            ]
        }
        self.prefix = prefix
        try rewrite(yaml)
    }

    /// Changes what the site's processes find in `/etc/hosts`; for a site that was made with `hosts`.
    package func rewriteHosts(_ text: String) throws {
        // In place: another file under that name would not be the one that is mounted.
        guard let file = FileHandle(forWritingAtPath: directory.file("hosts")) else {
            throw TestKitError("no hosts file to change")
        }
        try file.write(contentsOf: Data(text.utf8))
        try file.truncate(atOffset: UInt64(text.utf8.count))
        try file.close()
    }

    deinit { killFamily() }

    /// Replaces the site file. The running site learns of it by `apply` or SIGHUP.
    package func rewrite(_ yaml: String) throws {
        try directory.write(yaml.hasSuffix("\n") ? yaml : yaml + "\n", to: "site.yaml")
    }

    /// Starts the control plane (again).
    ///
    /// - Parameter arguments: What stands after `run`; the site file when nil.
    /// - Throws: `TestKitError` with the log when there is no `ready:` line at the deadline or the process ends.
    package func start(arguments: [String]? = nil, ready: Bool = true) throws {
        var command = prefix + [try Binaries.sluice(), "run"] + (arguments ?? [file])
        command += ["--state", state, "--socket", socket]
        process.set(try ChildProcess(command))
        if ready { try waitUntilReady() }
    }

    /// Waits for the line `ready: …` on standard output.
    package func waitUntilReady(within: Duration = .seconds(15)) throws {
        guard let child = process.current else { throw TestKitError("the site was not started") }
        do {
            try Eventually.holds("the ready line of sluice run", within: within) {
                if child.outputText.split(separator: "\n").contains(where: { $0.hasPrefix("ready:") }) { return true }
                if let status = child.exitStatus { throw Eventually.Hopeless("it ended with \(status)") }
                return false
            }
        } catch {
            throw TestKitError("\(error)\n\(log)")
        }
    }

    /// What the control plane and the nodes wrote to standard error since the last start.
    package var log: String { process.current?.errorText ?? "" }

    package func signal(_ number: CInt) { process.current?.signal(number) }

    /// SIGTERM, then waits for the end: the drain included.
    package func terminate(within: Duration = .seconds(20)) throws -> ExitStatus {
        signal(SIGTERM)
        return try waitForExit(within: within)
    }

    package func waitForExit(within: Duration = .seconds(20)) throws -> ExitStatus {
        guard let child = process.current else { throw TestKitError("the site was not started") }
        return try child.waitForExit(within: within)
    }

    /// Kills the control plane alone, as a crash would.
    package func killControlPlane() throws {
        guard let child = process.current else { throw TestKitError("the site was not started") }
        child.signal(SIGKILL)
        _ = try child.waitForExit(within: .seconds(5))
    }

    /// The nodes that run with this state directory, whoever started them: id and process.
    package var nodeProcesses: [String: pid_t] {
        var nodes: [String: pid_t] = [:]
        for (pid, arguments) in ProcessStat.processes(with: ["--state", state]) where ProcessStat.isAlive(pid) {
            guard let flag = arguments.firstIndex(of: "--id"), flag + 1 < arguments.count else { continue }
            nodes[arguments[flag + 1]] = pid
        }
        return nodes
    }

    /// Kills everything that runs with this state directory and waits until it is gone.
    package func killFamily() {
        if let child = process.current {
            child.signal(SIGKILL)
            _ = try? child.waitForExit(within: .seconds(5))
        }
        try? Eventually.holds("the nodes to end", within: .seconds(5)) {
            let left = ProcessStat.processes(with: ["--state", state]).filter { ProcessStat.isAlive($0.pid) }
            for (pid, _) in left { kill(pid, SIGKILL) }
            return left.isEmpty
        }
    }
}
