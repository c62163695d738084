import Dispatch
import Glibc
import Synchronization

/// A process held by a pidfd (`pidfd_open(2)`): it cannot be mistaken for another one that gets its number later, and
/// its end is an event, also when it isn't our child.
final class WatchedProcess: NodeProcess {
    let pid: Int32
    private let descriptor: CInt
    /// Dispatch sources may be used from any thread; the protocol doesn't say so.
    private nonisolated(unsafe) let source: any DispatchSourceRead
    private let hasEnded = Mutex(false)

    /// - Parameter onExit: Called once, on a queue of its own.
    /// - Returns: nil when there is no such process.
    init?(pid: Int32, onExit: @escaping @Sendable (ExitReason) -> Void) {
        let descriptor = LibC.openPidfd(pid)
        guard descriptor >= 0 else { return nil }
        self.pid = pid
        self.descriptor = descriptor
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: .global())
        source.setCancelHandler { close(descriptor) }
        source.setEventHandler { [self] in
            guard hasEnded.withLock({ ended in !exchange(&ended, true) }) else { return }
            source.cancel()
            onExit(WatchedProcess.reap(pid))
        }
    }

    /// Begins to watch; to be called once.
    func watch() { source.activate() }

    /// Lets go of the process without waiting for its end.
    func release() {
        guard hasEnded.withLock({ ended in !exchange(&ended, true) }) else { return }
        source.activate()
        source.cancel()
    }

    func signal(_ number: Int32) {
        hasEnded.withLock { ended in
            if !ended { LibC.signal(pidfd: descriptor, number) }
        }
    }

    private static func reap(_ pid: Int32) -> ExitReason {
        var status: CInt = 0
        var result: pid_t
        repeat { result = waitpid(pid, &status, WNOHANG) } while result < 0 && errno == EINTR
        guard result == pid else { return .unknown }
        let signal = status & 0x7f
        return signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
    }
}

private func exchange(_ value: inout Bool, _ new: Bool) -> Bool {
    defer { value = new }
    return value
}
