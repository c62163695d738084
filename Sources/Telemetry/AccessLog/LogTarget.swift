import EventLoop
import Glibc

/// Where lines go: opened when needed, opened again after a failure or when told to. By the writer thread only.
final class LogTarget {
    /// A target that can't be opened is tried again after this.
    private static let retryNanoseconds: UInt64 = 1_000_000_000

    private enum Kind {
        /// A batch is one `write(2)`: with `O_APPEND` the lines of several nodes don't mix.
        case file
        /// A pipe, FIFO or terminal: as many whole lines as are written as a whole.
        case stream
        /// A line is a datagram.
        case datagram(isLocal: Bool)
    }

    /// What `write` did.
    enum Outcome {
        /// So many bytes, of so many whole lines.
        case wrote(bytes: Int, lines: Int)
        /// The reader is slow: go on when `descriptor` is writable.
        case blocked
        /// Nothing (more) of this batch can be written.
        case failed(call: StaticString, code: CInt)
    }

    let settings: AccessLogSettings
    private var opened: OwnedDescriptor?
    private var kind = Kind.file
    private var file: RotatedFile?
    private var retryAt: UInt64 = 0
    /// Why it couldn't be opened last.
    private(set) var openFailure: CInt = 0
    /// The last write ended within a line: a newline comes first, so that only that line is damaged.
    private var endsWithinLine = false
    private var header = LineBuffer()
    private var time = TimeText()

    init(_ settings: AccessLogSettings) {
        self.settings = settings
        if case .file(let path) = settings.target, let max = settings.fileBytesMax {
            file = RotatedFile(path: path, bytesMax: max, keptFiles: settings.keptFiles)
        }
        switch settings.target {
        case .standardOutput, .file: break
        case .syslog(.unix): kind = .datagram(isLocal: true)
        case .syslog(.ip): kind = .datagram(isLocal: false)
        }
    }

    /// For waiting; -1 when nothing is open.
    var descriptor: CInt {
        switch opened {
        case .some(let descriptor): descriptor.rawValue
        case nil: -1
        }
    }

    /// The longest line that goes out as a whole.
    var lineBytesMax: Int {
        switch kind {
        case .file: LineBuffer.lineBytesMax
        case .stream: AccessLogSettings.pipeLineBytesMax
        case .datagram: AccessLogSettings.syslogLineBytesMax
        }
    }

    /// The target in a message.
    var name: String {
        switch settings.target {
        case .standardOutput: "standard output"
        case .file(let path): path
        case .syslog(let address): "syslog \(address)"
        }
    }

    /// The name may belong to another file now (SIGUSR1): opens it again with the next line.
    func reopen() {
        opened = nil
        endsWithinLine = false
        retryAt = 0
    }

    // MARK: opening

    /// - Returns: Whether it is open; when not, `openFailure` says why.
    func open(now: UInt64) -> Bool {
        if opened != nil { return true }
        guard now >= retryAt else { return false }
        let raw: CInt
        switch settings.target {
        case .standardOutput:
            // An own file description where there can be one: not blocking, and appending.
            let flags = O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC
            let own = unsafe Glibc.open("/proc/self/fd/1", flags)
            raw = own >= 0 ? own : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
        case .file(let path):
            // O_NONBLOCK matters for a FIFO only: without a reader it can't be opened (ENXIO).
            raw = unsafe Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, mode_t(0o640))
        case .syslog(let address): raw = LogTarget.connect(to: address)
        }
        guard raw >= 0 else {
            openFailure = errno
            retryAt = now + LogTarget.retryNanoseconds
            return false
        }
        opened = OwnedDescriptor(adopting: raw)
        if case .datagram = kind { return true }
        var status = stat()
        let isFile = unsafe fstat(raw, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        kind = isFile ? .file : .stream
        return true
    }

    /// - Returns: A connected datagram socket, or -1 with `errno`.
    private static func connect(to address: SocketAddress) -> CInt {
        do {
            switch try Socket.connect(to: address, type: CInt(SOCK_DGRAM.rawValue)) {
            case .connected(let socket): return socket.release()
            case .inProgress(let socket): return socket.release()
            }
        } catch {
            errno = error.code
            return -1
        }
    }

    // MARK: writing

    /// Writes from the front of a batch of whole lines (its first may be the rest of one that was cut).
    func write(_ bytes: UnsafeBufferPointer<UInt8>, now: UInt64, wallNanoseconds: UInt64) -> Outcome {
        guard open(now: now) else { return .failed(call: "open", code: openFailure) }
        switch kind {
        case .file: return unsafe writeFile(bytes)
        case .stream:
            return unsafe writeStream(UnsafeBufferPointer(rebasing: bytes[..<LogTarget.wholeLines(bytes)]))
        case .datagram(let isLocal):
            return unsafe send(bytes, isLocal: isLocal, wallNanoseconds: wallNanoseconds)
        }
    }

    /// As many bytes of whole lines as a pipe takes as a whole; the first line at least.
    private static func wholeLines(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        guard bytes.count > AccessLogSettings.pipeLineBytesMax else { return bytes.count }
        if let end = unsafe bytes[..<AccessLogSettings.pipeLineBytesMax].lastIndex(of: 0x0a) { return end + 1 }
        return unsafe (bytes.firstIndex(of: 0x0a) ?? bytes.count - 1) + 1
    }

    private func writeFile(_ bytes: UnsafeBufferPointer<UInt8>) -> Outcome {
        guard file != nil else { return unsafe writeStream(bytes) }
        // Held while writing: no other node renames the file between the look at its name and the write.
        while let own = opened?.rawValue {
            flock(own, LOCK_SH)
            if file!.isCurrent(own) { break }
            opened = nil
            guard open(now: UInt64.max) else { return .failed(call: "open", code: openFailure) }
        }
        let outcome = unsafe writeStream(bytes)
        flock(descriptor, LOCK_UN)
        guard case .wrote = outcome, file!.isFull(descriptor) else { return outcome }
        if file!.rename(descriptor) { opened = nil }
        return outcome
    }

    private func writeStream(_ bytes: UnsafeBufferPointer<UInt8>) -> Outcome {
        if endsWithinLine {
            guard unsafe Glibc.write(descriptor, "\n", 1) == 1 else { return failure("write") }
            endsWithinLine = false
        }
        let count = unsafe Glibc.write(descriptor, bytes.baseAddress!, bytes.count)
        guard count > 0 else { return failure("write") }
        let written = unsafe UnsafeBufferPointer(rebasing: bytes[..<count])
        return unsafe .wrote(bytes: count, lines: LogTarget.lines(in: written))
    }

    /// The rest of a line whose front was written is given up.
    func giveUpRest(startsWithinLine: Bool) { endsWithinLine = startsWithinLine }

    private func failure(_ call: StaticString) -> Outcome {
        switch errno {
        case EINTR: return .wrote(bytes: 0, lines: 0)
        case EAGAIN: return .blocked
        case let code:
            // The descriptor stays where the next write may succeed (a full disk), else it is opened again.
            if code != ENOSPC && code != EDQUOT { opened = nil }
            return .failed(call: call, code: code)
        }
    }

    private func send(
        _ bytes: UnsafeBufferPointer<UInt8>, isLocal: Bool, wallNanoseconds: UInt64
    ) -> Outcome {
        makeHeader(isLocal: isLocal, wallNanoseconds)
        var done = 0
        var lines = 0
        while done < bytes.count {
            let end = unsafe bytes[done...].firstIndex(of: 0x0a) ?? bytes.count
            let count = unsafe header.rest.withMemoryRebound(to: UInt8.self) { front in
                var parts = unsafe [
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: front.baseAddress!), iov_len: front.count),
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress! + done), iov_len: end - done),
                ]
                return unsafe writev(descriptor, &parts, 2)
            }
            if count < 0 {
                // What was sent counts first; the failure comes again.
                if done > 0 { return .wrote(bytes: done, lines: lines) }
                // ECONNREFUSED is about a datagram before this one (udp(7)): once more.
                if errno == ECONNREFUSED && !isLocal && !isRefused {
                    isRefused = true
                    return .wrote(bytes: 0, lines: 0)
                }
                return failure("send")
            }
            isRefused = false
            done = min(end + 1, bytes.count)
            lines += 1
        }
        return .wrote(bytes: done, lines: lines)
    }

    /// The last datagram met `ECONNREFUSED`.
    private var isRefused = false

    /// Facility local7, severity informational: what nginx takes, too.
    private func makeHeader(isLocal: Bool, _ wallNanoseconds: UInt64) {
        header.removeAll()
        time.update(nanoseconds: wallNanoseconds)
        if isLocal {
            header.append("<190>")
            time.appendBSD(to: &header)
            header.append(" sluice[")
            header.append(decimal: UInt64(getpid()))
            header.append("]: ")
        } else {
            // RFC 5424 §6; the name of this host is nil ("-"): receivers know the sender's address.
            header.append("<190>1 ")
            time.appendRFC3339(to: &header)
            header.append(" - sluice ")
            header.append(decimal: UInt64(getpid()))
            header.append(" access - ")
        }
    }

    static func lines(in bytes: UnsafeBufferPointer<UInt8>) -> Int {
        unsafe bytes.count { $0 == 0x0a }
    }
}
