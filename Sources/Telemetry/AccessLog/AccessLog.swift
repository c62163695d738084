import CLinux
import EventLoop
import Glibc
import Synchronization

/// The access log of one node: a ring for each worker, and the thread that formats and writes.
///
/// Workers never wait for it: a record that finds no room is counted and gone. Memory is fixed: the rings, one batch of
/// lines. The thread ends with `end`; a node keeps its log for its life.
@safe
package final class AccessLog: Sendable {
    /// Bytes of each worker's ring: some 3,000 requests with usual fields.
    package static let ringBytes = 1024 * 1024

    /// What was counted since the start.
    package struct Counts: Equatable, Sendable {
        /// Lines that the target took.
        package var written: UInt64
        /// Records that found their ring full.
        package var droppedFull: UInt64
        /// Lines that the target didn't take.
        package var droppedFailed: UInt64
    }

    /// What the writer thread is told.
    enum Command: Sendable {
        case use(AccessLogSettings?)
        case reopen
        /// Write everything that is in the rings now, then say so in `flushCount`.
        case flush(UInt64)
        case end
    }

    /// By worker.
    package let rings: [LogRing]
    let commands = Mailbox<Command>()
    /// Owned; the rings ring it.
    private nonisolated(unsafe) let bellCell: UnsafeMutablePointer<WriterBell>
    let written = Atomic<UInt64>(0)
    let failed = Atomic<UInt64>(0)
    private let flushRequests = Atomic<UInt64>(0)
    /// The last flush that is done; then `flushed` is readable.
    let flushCount = Atomic<UInt64>(0)
    let flushed: CInt

    /// Starts the thread, which waits for settings.
    package init(workers: Int, ringBytes: Int = AccessLog.ringBytes) {
        let cell = UnsafeMutablePointer<WriterBell>.allocate(capacity: 1)
        unsafe cell.initialize(to: WriterBell())
        unsafe bellCell = unsafe cell
        rings = (0..<workers).map { _ in unsafe LogRing(capacity: ringBytes, bell: cell) }
        flushed = eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK))
        precondition(flushed >= 0, "eventfd: \(errno)")
        Thread.start("access-log") { [self] in
            let writer = AccessLogWriter(self)
            writer.run()
        }
    }

    deinit {
        for ring in rings { ring.destroy() }
        unsafe bellCell.deinitialize(count: 1)
        unsafe bellCell.deallocate()
        close(flushed)
    }

    var bell: UnsafeMutablePointer<WriterBell> { unsafe bellCell }

    // MARK: orders, from any thread

    /// What is in the rings when the thread takes the order goes to the former target. nil: what comes is thrown away.
    package func use(_ settings: AccessLogSettings?) { commands.post(.use(settings)) }

    /// The target's name may belong to another file now: opens it anew.
    package func reopen() { commands.post(.reopen) }

    /// Waits until what the rings hold now is written.
    ///
    /// - Returns: false when that took longer.
    @discardableResult
    package func flush(within limit: Duration) -> Bool {
        let request = flushRequests.add(1, ordering: .relaxed).newValue
        commands.post(.flush(request))
        let deadline = Clock.monotonicNanoseconds() + AccessLog.nanoseconds(limit)
        while flushCount.load(ordering: .acquiring) < request {
            let now = Clock.monotonicNanoseconds()
            guard now < deadline else { return false }
            var waiting = pollfd(fd: flushed, events: Int16(POLLIN), revents: 0)
            unsafe _ = poll(&waiting, 1, CInt(clamping: (deadline - now) / 1_000_000 + 1))
            // It may be about an earlier one, which was given up.
            var count: UInt64 = 0
            _ = unsafe read(flushed, &count, 8)
        }
        return true
    }

    private static func nanoseconds(_ duration: Duration) -> UInt64 {
        let (seconds, attoseconds) = duration.components
        return UInt64(clamping: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    /// Ends the thread after the records that are there. For tests.
    package func end() { commands.post(.end) }

    package var counts: Counts {
        Counts(
            written: written.load(ordering: .relaxed), droppedFull: rings.reduce(0) { $0 + $1.dropped },
            droppedFailed: failed.load(ordering: .relaxed))
    }
}
