package import Foundation
import Glibc
package import NodeLink

/// Local nodes as processes: `sluice-node`, each in a session of its own, so that they outlive this process.
package struct ProcessLauncher: NodeLauncher {
    private let executable: String
    private let state: StateDirectory

    /// - Throws: `StartError` when the executable is missing or the system is too old.
    package init(executable: String, state: StateDirectory) throws(StartError) {
        guard access(executable, X_OK) == 0 else {
            throw StartError("\(executable) is missing or cannot be run: it must lie beside the sluice executable")
        }
        guard LibC.isComplete else { throw StartError("nodes cannot be watched: Linux 5.3 and glibc 2.36 are needed") }
        self.executable = executable
        self.state = state
    }

    /// `sluice-node` in the directory of the running executable.
    package static func nodeExecutable() -> String {
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/usr/bin/sluice"
        return "\(path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex))/sluice-node"
    }

    /// The arguments after the executable's name.
    package static func arguments(
        id: String, role: Hello.Role, workers: Int, relays: Bool, state: StateDirectory
    ) -> [String] {
        let common = [
            role.name, "--id", id, "--state", state.root, "--link", state.linkSocket, "--workers", String(workers),
        ]
        // Any free port: the node says which in its hello.
        return relays ? common + ["--address", "127.0.0.1:0", "--forwarders", "127.0.0.1/32"] : common
    }

    package func launch(
        id: String, role: Hello.Role, workers: Int, relays: Bool, onExit: @escaping @Sendable (ExitReason) -> Void
    ) throws(StartError) -> any NodeProcess {
        try state.prepareNode(id)
        let arguments = ProcessLauncher.arguments(
            id: id, role: role, workers: workers, relays: relays, state: state)
        let pid = try spawn([executable] + arguments)
        guard let process = WatchedProcess(pid: pid, onExit: onExit) else {
            let code = errno
            kill(pid, SIGKILL)
            _ = waitpid(pid, nil, 0)
            throw .system("node \(id): cannot watch pid \(pid)", code)
        }
        do {
            try "\(pid)\n".write(toFile: state.pidFile(id), atomically: true, encoding: .utf8)
        } catch {
            process.signal(SIGKILL)
            process.watch()
            throw StartError("node \(id): cannot write \(state.pidFile(id)): \(error.localizedDescription)")
        }
        process.watch()
        return process
    }

    package func adopt(id: String, onExit: @escaping @Sendable (ExitReason) -> Void) -> (any NodeProcess)? {
        guard let text = try? String(contentsOfFile: state.pidFile(id), encoding: .utf8),
            let pid = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)), pid > 1,
            let process = WatchedProcess(pid: pid, onExit: onExit)
        else { return nil }
        // Looked at after the pidfd was taken: what is seen here is the process that the pidfd holds.
        let commandLine = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
        guard ProcessLauncher.isNode(id, of: state, commandLine: commandLine) else {
            process.release()
            return nil
        }
        process.watch()
        return process
    }

    /// - Parameter commandLine: `/proc/PID/cmdline`: arguments that each end with a NUL.
    package static func isNode(_ id: String, of state: StateDirectory, commandLine: Data) -> Bool {
        let arguments = commandLine.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        func value(after option: String) -> String? {
            arguments.firstIndex(of: option).flatMap { arguments.indices.contains($0 + 1) ? arguments[$0 + 1] : nil }
        }
        return value(after: "--id") == id && value(after: "--state") == state.root
    }

    package func knownIDs() -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(state.root)/nodes")) ?? []
        return names.filter { access(state.pidFile($0), F_OK) == 0 }.sorted()
    }

    package func forget(id: String) { unlink(state.pidFile(id)) }

    /// Standard input is empty; standard output and error are ours: an access log may go to the first, messages go to
    /// the second. Signals are as a fresh process has them; no other descriptor is passed on.
    private func spawn(_ command: [String]) throws(StartError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        // Not every descriptor of the libraries in this process closes on exec (NIO's epoll sets don't).
        _ = LibC.addCloseFrom?(&actions, STDERR_FILENO + 1)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK) | ProcessLauncher.spawnSetsid)

        var arguments = command.map { strdup($0) } + [nil]
        var environment = ProcessInfo.processInfo.environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, command[0], &actions, &attributes, &arguments, &environment)
        guard code == 0 else { throw .system("cannot start \(command[0])", code) }
        return pid
    }

    /// `POSIX_SPAWN_SETSID` of `<spawn.h>`, which glibc shows to GNU sources only.
    private static let spawnSetsid: Int16 = 0x80
}
