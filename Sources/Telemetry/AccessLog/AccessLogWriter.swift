import EventLoop
import Glibc
import Synchronization

/// The writer thread: takes records from the rings, makes lines, writes them in large batches.
///
/// It sleeps until the first record comes, writes that at once, and then naps between batches: under load it costs a
/// few system calls for each nap, and the workers none.
///
///     asleep ──first record──▶ writing ──rings empty──▶ napping ──time, half-full ring──▶ writing
///        ▲                                                 │
///        └──────────────── nothing came ───────────────────┘
final class AccessLogWriter {
    /// How long lines are gathered: no line waits longer than this for its write.
    static let napMilliseconds: CInt = 100
    /// While the target takes nothing, orders are looked at this often at least.
    private static let stallMilliseconds: CInt = 1000
    /// Complaints about a target are this far apart.
    private static let complaintNanoseconds: UInt64 = 60_000_000_000

    private let log: AccessLog
    private var target: LogTarget?
    private var format: AccessLineFormat?
    private var buffer = LineBuffer()
    /// The front of the buffer is the rest of a line of which the target took a part.
    private var startsWithinLine = false
    /// A flush that is asked for, and the ring positions that it waits for.
    private var flush: (request: UInt64, tails: [UInt64])?
    /// Before the first settings records wait in the rings.
    private var isReady = false
    private var isEnding = false
    /// The target doesn't take lines, since when and how many were lost.
    private var isFailing = false
    private var complainedAt: UInt64 = 0
    private var lost: UInt64 = 0

    init(_ log: AccessLog) { self.log = log }

    /// Until the log ends.
    func run() {
        while true {
            takeCommands()
            let gathered = gather()
            let isBlocked = writeOut()
            noteFlush()
            if isBlocked {
                wait(AccessLogWriter.stallMilliseconds, forTarget: true)
            } else if hasMore && !buffer.hasRoom {
                continue
            } else if isEnding {
                if !hasMore || !isReady { return }
            } else if gathered {
                rest(WriterBell.napping, AccessLogWriter.napMilliseconds)
            } else {
                rest(WriterBell.asleep, -1)
            }
        }
    }

    // MARK: waiting

    private var hasMore: Bool { log.rings.contains { $0.head != $0.tail } }

    private func rest(_ state: UInt8, _ milliseconds: CInt) {
        unsafe log.bell.pointee.state.store(state, ordering: .sequentiallyConsistent)
        // A record that came before the state was seen rang no bell.
        if state == WriterBell.napping || !hasMore || !isReady { wait(milliseconds, forTarget: false) }
        unsafe log.bell.pointee.state.store(WriterBell.awake, ordering: .sequentiallyConsistent)
        var count: UInt64 = 0
        unsafe _ = read(log.bell.pointee.descriptor, &count, 8)
    }

    private func wait(_ milliseconds: CInt, forTarget: Bool) {
        var waited = [pollfd(fd: log.commands.descriptor, events: Int16(POLLIN), revents: 0)]
        if !forTarget {
            unsafe waited.append(pollfd(fd: log.bell.pointee.descriptor, events: Int16(POLLIN), revents: 0))
        } else if let descriptor = target?.descriptor, descriptor >= 0 {
            waited.append(pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0))
        }
        unsafe _ = poll(&waited, nfds_t(waited.count), milliseconds)
    }

    // MARK: orders

    private func takeCommands() {
        for command in log.commands.takeAll() {
            switch command {
            case .use(let settings): use(settings)
            case .reopen: reopen()
            case .flush(let request): flush = (request, log.rings.map(\.tail))
            case .end: isEnding = true
            }
        }
    }

    private func use(_ settings: AccessLogSettings?) {
        if let current = target?.settings, current == settings { return }
        writeEverything()
        isReady = true
        target = nil
        format = nil
        isFailing = false
        complainedAt = 0
        guard let settings else { return }
        target = LogTarget(settings)
        format = AccessLineFormat(settings)
        // A wrong path should be seen now, not with the first request.
        let now = Clock.monotonicNanoseconds()
        if target!.open(now: now) == false { complain("open", target!.openFailure, now) }
    }

    private func reopen() {
        guard target != nil else { return }
        _ = writeOut()
        if startsWithinLine {
            // What the old file has of this line is all that there will be.
            let rest = unsafe buffer.rest
            buffer.take(unsafe (rest.firstIndex(of: 0x0a) ?? rest.count - 1) + 1)
            startsWithinLine = false
            count(lost: 1)
        }
        target!.reopen()
        isFailing = false
    }

    /// What the rings hold now goes to the target that is about to change, if that takes it.
    private func writeEverything() {
        guard isReady else { return }
        let tails = log.rings.map(\.tail)
        repeat {
            _ = gather()
            if writeOut() { break }
        } while !isTaken(tails)
        guard !buffer.isEmpty else { return }
        count(lost: unsafe LogTarget.lines(in: buffer.rest))
        buffer.removeAll()
        startsWithinLine = false
    }

    private func isTaken(_ tails: [UInt64]) -> Bool {
        zip(log.rings, tails).allSatisfy { ring, tail in ring.head >= tail }
    }

    private func noteFlush() {
        guard let (request, tails) = flush, buffer.isEmpty, isTaken(tails) else { return }
        flush = nil
        log.flushCount.store(request, ordering: .releasing)
        var one: UInt64 = 1
        _ = unsafe write(log.flushed, &one, 8)
    }

    // MARK: lines

    /// Makes lines of what the rings hold, as far as the buffer has room.
    ///
    /// - Returns: Whether there was a record.
    private func gather() -> Bool {
        guard isReady else { return false }
        let wallOffset = Clock.wallNanoseconds() &- Clock.monotonicNanoseconds()
        var isAny = false
        for ring in log.rings {
            let count = unsafe ring.read { bytes in
                guard target != nil else { return true }
                guard buffer.hasRoom else { return false }
                unsafe format!.append(
                    bytes, wallOffset: wallOffset, lineBytesMax: target!.lineBytesMax, to: &buffer)
                return true
            }
            if count > 0 { isAny = true }
        }
        return isAny
    }

    /// Writes the buffer.
    ///
    /// - Returns: Whether the target takes no more for now.
    private func writeOut() -> Bool {
        while !buffer.isEmpty {
            let bytes = unsafe buffer.rest
            let now = Clock.monotonicNanoseconds()
            switch unsafe target!.write(bytes, now: now, wallNanoseconds: Clock.wallNanoseconds()) {
            case .wrote(let count, let lines):
                if count > 0 { unsafe startsWithinLine = bytes[count - 1] != 0x0a }
                buffer.take(count)
                log.written.add(UInt64(lines), ordering: .relaxed)
                if lines > 0 { noteSuccess() }
            case .blocked: return true
            case .failed(let call, let code):
                count(lost: unsafe LogTarget.lines(in: bytes))
                target!.giveUpRest(startsWithinLine: startsWithinLine)
                buffer.removeAll()
                startsWithinLine = false
                complain(call, code, now)
            }
        }
        return false
    }

    private func count(lost lines: Int) {
        log.failed.add(UInt64(lines), ordering: .relaxed)
        lost += UInt64(lines)
    }

    private func complain(_ call: StaticString, _ code: CInt, _ now: UInt64) {
        isFailing = true
        guard complainedAt == 0 || now - complainedAt >= AccessLogWriter.complaintNanoseconds else { return }
        complainedAt = now
        let reason = unsafe String(cString: strerror(code))
        Log.error("access-log", "\(target!.name): \(call): \(reason); lines are lost and counted")
    }

    private func noteSuccess() {
        guard isFailing else { return }
        isFailing = false
        Log.info("access-log", "\(target!.name) takes lines again; \(lost) were lost so far")
    }
}
