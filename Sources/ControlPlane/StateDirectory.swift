import Foundation
package import Glibc

/// Where a control plane keeps its state, and the lock that makes it the only one there.
///
/// `<root>/sluice.db` (revisions), `<root>/run/` (sockets of the nodes, mode 0700), `<root>/nodes/<id>/` (what a node
/// keeps, and its pid file).
package struct StateDirectory: Sendable {
    package let root: String

    /// - Throws: `StartError` when a socket path below it would not fit `sun_path`.
    package init(root: String) throws(StartError) {
        self.root = URL(fileURLWithPath: root).standardizedFileURL.path
        try StateDirectory.checkSocketPath(linkSocket)
    }

    package var database: String { "\(root)/sluice.db" }
    package var run: String { "\(root)/run" }
    package var linkSocket: String { "\(run)/link.sock" }
    package var lock: String { "\(root)/lock" }
    package func node(_ id: String) -> String { "\(root)/nodes/\(id)" }
    package func pidFile(_ id: String) -> String { "\(node(id))/pid" }

    /// Makes the directories; `run` gets mode 0700, also when it exists with another one.
    package func prepare() throws(StartError) {
        for path in [root, run, "\(root)/nodes"] { try StateDirectory.makeDirectory(path, mode: 0o700) }
        guard chmod(run, 0o700) == 0 else { throw .system("state directory \(run): cannot set mode 0700", errno) }
    }

    package func prepareNode(_ id: String) throws(StartError) {
        try StateDirectory.makeDirectory(node(id), mode: 0o700)
    }

    /// Takes the lock that a control plane holds while it runs; the kernel releases it when the process ends.
    ///
    /// - Returns: The descriptor to keep open.
    /// - Throws: `StartError` that names the process that holds it.
    package func takeLock() throws(StartError) -> CInt {
        let descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("cannot open \(lock)", errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let holder = (try? String(contentsOfFile: lock, encoding: .utf8))?.trimmingCharacters(in: .newlines) ?? ""
            close(descriptor)
            guard code == EWOULDBLOCK else { throw .system("cannot lock \(lock)", code) }
            throw StartError(
                "another control plane\(holder.isEmpty ? "" : " (pid \(holder))") runs with the state in \(root): "
                    + "stop it, or give this one its own --state DIR and --socket PATH")
        }
        let line = "\(getpid())\n"
        ftruncate(descriptor, 0)
        _ = line.withCString { write(descriptor, $0, line.utf8.count) }
        return descriptor
    }

    /// - Throws: `StartError` for a path that `bind(2)` would cut or refuse (`unix(7)`).
    package static func checkSocketPath(_ path: String) throws(StartError) {
        guard path.utf8.count > socketPathBytesMax else { return }
        throw StartError(
            "the Unix socket path \(path) is \(path.utf8.count) bytes long, more than the \(socketPathBytesMax) "
                + "that the kernel takes: choose a shorter --state or --socket")
    }

    /// `sun_path` without its closing NUL.
    package static let socketPathBytesMax = 107

    /// Makes one directory and those above it.
    package static func makeDirectory(_ path: String, mode: mode_t) throws(StartError) {
        var part = ""
        for component in path.split(separator: "/") {
            part += "/\(component)"
            guard mkdir(part, part == path ? mode : 0o755) != 0, errno != EEXIST else { continue }
            throw .system("cannot make the directory \(part)", errno)
        }
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw StartError("\(path) is not a directory")
        }
    }
}

/// Defaults of `--state` and `--socket`.
package enum DefaultPaths {
    /// `/var/lib/sluice` for root, else `$XDG_STATE_HOME/sluice` (`~/.local/state` when that is unset).
    package static func state(environment: [String: String], uid: uid_t) -> String {
        if uid == 0 { return "/var/lib/sluice" }
        if let base = environment["XDG_STATE_HOME"], base.hasPrefix("/") { return "\(base)/sluice" }
        return "\(environment["HOME"] ?? "/tmp")/.local/state/sluice"
    }

    /// `$SLUICE_SOCKET`, else `/run/sluice/control.sock` for root, else `$XDG_RUNTIME_DIR/sluice/control.sock`
    /// (`/run/user/<uid>` when that is unset).
    package static func socket(environment: [String: String], uid: uid_t) -> String {
        if let path = environment["SLUICE_SOCKET"], !path.isEmpty { return path }
        if uid == 0 { return "/run/sluice/control.sock" }
        if let base = environment["XDG_RUNTIME_DIR"], base.hasPrefix("/") { return "\(base)/sluice/control.sock" }
        return "/run/user/\(uid)/sluice/control.sock"
    }
}

/// Why a control plane cannot run; the message names the thing and the next step.
package struct StartError: Error, CustomStringConvertible, Equatable {
    package let description: String

    package init(_ description: String) { self.description = description }

    package static func system(_ what: String, _ code: CInt) -> StartError {
        StartError("\(what): \(String(cString: strerror(code)))")
    }
}
