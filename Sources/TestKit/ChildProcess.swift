package import Foundation
import Synchronization

/// How a process ended.
package enum ExitStatus: Equatable, Sendable, CustomStringConvertible {
    case exited(CInt)
    case signalled(CInt)

    package var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signalled(let number): "signal \(number)"
        }
    }
}

/// A started process whose two outputs are captured in unlinked files, so that nothing blocks on a full pipe.
///
/// The process is killed and reaped with the value.
package final class ChildProcess: Sendable {
    package let pid: pid_t
    package let command: [String]
    private let output: CaptureFile
    private let errors: CaptureFile
    private let ended = Mutex<ExitStatus?>(nil)

    /// Starts `command` (looked up in `PATH`) in a process group of its own.
    ///
    /// - Parameters:
    ///   - input: What it reads on standard input; nothing when nil.
    ///   - environment: Added to the environment of this process.
    /// - Throws: `SystemCallError` when it cannot be started.
    package init(_ command: [String], input: Data? = nil, environment: [String: String] = [:]) throws {
        self.command = command
        output = try CaptureFile()
        errors = try CaptureFile()

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let inputFile = try input.map { try CaptureFile(containing: $0) }
        if let inputFile {
            posix_spawn_file_actions_adddup2(&actions, inputFile.descriptor, STDIN_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, output.descriptor, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors.descriptor, STDERR_FILENO)

        // A test runner may block or ignore signals; what we start must see the defaults.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))

        let merged = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        var arguments = command.map { strdup($0) } + [nil]
        var variables = merged.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            for pointer in arguments + variables { free(pointer) }
        }
        var started: pid_t = 0
        let code = posix_spawnp(&started, command[0], &actions, &attributes, &arguments, &variables)
        guard code == 0 else { throw SystemCallError(call: "start \(command[0])", errno: code) }
        pid = started
    }

    deinit {
        if exitStatus == nil {
            kill(pid, SIGKILL)
            _ = waitpid(pid, nil, 0)
        }
    }

    /// Everything written to standard output so far.
    package var outputBytes: Data { output.contents }
    package var outputText: String { String(decoding: output.contents, as: UTF8.self) }
    /// Everything written to standard error so far, by the process and by those that inherited it.
    package var errorText: String { String(decoding: errors.contents, as: UTF8.self) }

    /// How the process ended; nil while it runs.
    package var exitStatus: ExitStatus? {
        ended.withLock { ended in
            if ended != nil { return ended }
            var status: CInt = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
            let signalNumber = status & 0x7f
            ended = signalNumber == 0 ? .exited((status >> 8) & 0xff) : .signalled(signalNumber)
            return ended
        }
    }

    package func signal(_ number: CInt) {
        guard exitStatus == nil else { return }
        kill(pid, number)
    }

    /// Waits for the end of the process.
    ///
    /// - Throws: `TestKitError` at the deadline.
    package func waitForExit(within: Duration) throws -> ExitStatus {
        try Eventually.value("the end of \(command.joined(separator: " "))", within: within, every: .milliseconds(2)) {
            exitStatus
        }
    }
}

/// An unlinked file that a child writes (or reads) and the test reads at its own offset.
private final class CaptureFile: Sendable {
    let descriptor: CInt

    init(containing bytes: Data = Data()) throws {
        let path = "/tmp/sluice-out-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemCallError(call: "open \(path)", errno: errno) }
        unlink(path)
        guard !bytes.isEmpty else { return }
        let written = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        guard written == bytes.count else { throw SystemCallError(call: "pwrite", errno: errno) }
    }

    deinit { close(descriptor) }

    var contents: Data {
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_size > 0 else { return Data() }
        var bytes = Data(count: Int(information.st_size))
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        return bytes.prefix(max(count, 0))
    }
}
