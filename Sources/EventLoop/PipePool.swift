import CLinux
import Glibc

/// A kernel pipe that `splice(2)` moves bytes through, and how many are in it.
@usableFromInline
package struct Pipe: BitwiseCopyable {
    @usableFromInline package var readEnd: CInt = -1
    @usableFromInline package var writeEnd: CInt = -1
    /// Bytes inside; a pipe goes back to its pool only when empty.
    @usableFromInline package var count = 0

    @inlinable package init() {}

    @inlinable package var isHeld: Bool { readEnd >= 0 }

    /// Copies bytes into the pipe: as many as it takes.
    package mutating func write(_ bytes: UnsafePointer<UInt8>, _ length: Int) -> Transfer {
        while true {
            let result = unsafe Glibc.write(writeEnd, bytes, length)
            if result >= 0 {
                count += result
                return .bytes(result)
            }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }
}

/// Pipes of one worker; making one costs three system calls, so they are kept.
@usableFromInline
package struct PipePool: ~Copyable {
    /// Bytes that one pipe holds: what one splice moves at most. Against 256 KiB: 16 MiB
    /// relayed for 1,704 instead of 1,968 µs of CPU (medians of two runs).
    package static let pipeBytes = 1024 * 1024
    private static let retainedMax = 64

    private var free: [Pipe] = []

    package init() { free.reserveCapacity(PipePool.retainedMax) }

    deinit { for pipe in free { PipePool.destroy(pipe) } }

    /// - Returns: nil when the kernel has no descriptor or pipe memory left: the caller copies instead.
    package mutating func take() -> Pipe? {
        if let pipe = free.popLast() { return pipe }
        var ends: (CInt, CInt) = (-1, -1)
        let made = unsafe withUnsafeMutableBytes(of: &ends) { raw in
            unsafe pipe2(raw.assumingMemoryBound(to: CInt.self).baseAddress!, O_NONBLOCK | O_CLOEXEC)
        }
        guard made == 0 else { return nil }
        var pipe = Pipe()
        pipe.readEnd = ends.0
        pipe.writeEnd = ends.1
        // Refused beyond pipe-user-pages-soft for an unprivileged user: the default size then serves.
        _ = fcntl(pipe.writeEnd, CLINUX_F_SETPIPE_SZ, CInt(PipePool.pipeBytes))
        return pipe
    }

    /// Takes a pipe back; one with bytes in it is closed, so that nothing leaks into another connection.
    @inlinable
    package mutating func give(_ pipe: inout Pipe) {
        if pipe.isHeld { takeBack(&pipe) }
    }

    @usableFromInline
    mutating func takeBack(_ pipe: inout Pipe) {
        if pipe.count == 0 && free.count < PipePool.retainedMax {
            free.append(pipe)
        } else {
            PipePool.destroy(pipe)
        }
        pipe = Pipe()
    }

    private static func destroy(_ pipe: Pipe) {
        close(pipe.readEnd)
        close(pipe.writeEnd)
    }
}
