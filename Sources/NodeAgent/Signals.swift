import CLinux
package import EventLoop
import Glibc

/// SIGTERM, SIGINT and SIGUSR1 as events of the agent's loop; SIGPIPE and SIGHUP do nothing.
package struct Signals: ~Copyable {
    private let descriptor: OwnedDescriptor

    /// Call on the main thread before any other thread starts: threads inherit the mask.
    package init() throws(SocketError) {
        // splice and write have no MSG_NOSIGNAL.
        _ = signal(SIGPIPE, SIG_IGN)
        // Nodes have no terminal and read no file that could be read again.
        _ = signal(SIGHUP, SIG_IGN)
        var mask = sigset_t()
        unsafe sigemptyset(&mask)
        unsafe sigaddset(&mask, SIGTERM)
        unsafe sigaddset(&mask, SIGINT)
        unsafe sigaddset(&mask, SIGUSR1)
        let code = unsafe pthread_sigmask(SIG_BLOCK, &mask, nil)
        guard code == 0 else { throw SocketError(call: "pthread_sigmask", code: code) }
        let raw = unsafe signalfd(-1, &mask, CInt(SFD_NONBLOCK) | CInt(SFD_CLOEXEC))
        guard raw >= 0 else { throw SocketError(call: "signalfd", code: errno) }
        descriptor = OwnedDescriptor(adopting: raw)
    }

    /// Readable while signals wait.
    package var rawDescriptor: CInt { descriptor.rawValue }

    /// The next signal's number; nil when none waits.
    package func next() -> CInt? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard unsafe read(descriptor.rawValue, &info, size) == size else { return nil }
        return CInt(info.ssi_signo)
    }
}
