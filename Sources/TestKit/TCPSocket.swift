package import Foundation
import Synchronization

/// A blocking TCP connection with a limit on every wait. For tests: one thread a connection.
package final class TCPSocket: Sendable {
    package let descriptor: CInt
    private let isClosed = Mutex(false)

    /// Takes over a connected descriptor.
    package init(adopting descriptor: CInt, timeout: Duration = .seconds(30)) {
        self.descriptor = descriptor
        setTimeout(timeout)
        setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// Connects to an IPv4 address.
    ///
    /// - Parameter timeout: The longest wait of the connect and of each send and receive after it.
    /// - Throws: `SystemCallError`.
    package convenience init(
        connectingTo port: UInt16, at address: String = "127.0.0.1", timeout: Duration = .seconds(10)
    ) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemCallError(call: "socket", errno: errno) }
        self.init(adopting: descriptor, timeout: timeout)
        guard withSocketAddress(address, port, { connect(descriptor, $0, $1) }) == 0 else {
            // A blocking connect that meets SO_SNDTIMEO says EINPROGRESS.
            throw SystemCallError(call: "connect \(address):\(port)", errno: errno == EINPROGRESS ? ETIMEDOUT : errno)
        }
    }

    deinit { close() }

    /// Sends everything.
    ///
    /// - Throws: `SystemCallError`: `EPIPE` or `ECONNRESET` when the peer is gone, `EAGAIN` at the time limit.
    package func send(_ bytes: some ContiguousBytes) throws {
        try checkOpen()
        try bytes.withUnsafeBytes { bytes in
            var sent = 0
            while sent < bytes.count {
                let count = Glibc.send(descriptor, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
                if count < 0 {
                    if errno == EINTR { continue }
                    throw SystemCallError(call: "send", errno: errno)
                }
                sent += count
            }
        }
    }

    package func send(_ text: String) throws {
        try send(Array(text.utf8))
    }

    /// Receives what is there into `buffer`.
    ///
    /// - Returns: Bytes received; 0 at the end of the stream.
    /// - Throws: `SystemCallError`: `ECONNRESET`, or `EAGAIN` at the time limit.
    package func receive(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try checkOpen()
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count >= 0 { return count }
            if errno != EINTR { throw SystemCallError(call: "recv", errno: errno) }
        }
    }

    /// Receives up to `count` bytes; empty at the end of the stream.
    package func receive(upTo count: Int = 65_536) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            used = try receive(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// Receives exactly `count` bytes.
    ///
    /// - Throws: `TestKitError` when the stream ends before.
    package func receive(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receive(upTo: count - bytes.count)
            guard !more.isEmpty else { throw TestKitError("the stream ended after \(bytes.count) of \(count) bytes") }
            bytes += more
        }
        return bytes
    }

    /// Receives until the peer ends the stream.
    package func receiveToEnd() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let more = try receive()
            if more.isEmpty { return bytes }
            bytes += more
        }
    }

    /// True when the peer has ended the stream and nothing is left to read. Does not wait.
    package var peerHasClosed: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 0
    }

    /// True when a byte can be read. Does not wait.
    package var hasInput: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) > 0
    }

    /// Waits until a byte can be read: false at the end of the stream, after an error, and at the time limit.
    package func waitsForInput() -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK)) > 0
    }

    /// Bytes of ours that the peer's kernel has acknowledged (`tcpi_bytes_acked`; the SYN counts as one).
    package var acknowledgedBytes: Int { Int(information(120, as: UInt64.self) ?? 0) }

    /// Segments that came without data, as those that only acknowledge (`tcpi_segs_in` less `tcpi_data_segs_in`).
    package var bareSegmentsReceived: Int {
        guard let all = information(140, as: UInt32.self), let data = information(152, as: UInt32.self) else {
            return 0
        }
        return Int(all) - Int(data)
    }

    /// A member of `struct tcp_info` of linux/tcp.h, which is longer than the C library's, by its place.
    private func information<Value: BitwiseCopyable>(_ offset: Int, as type: Value.Type) -> Value? {
        var information = [UInt8](repeating: 0, count: 256)
        var length = socklen_t(information.count)
        let code = getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &information, &length)
        guard code == 0, Int(length) >= offset + MemoryLayout<Value>.size else { return nil }
        return information.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }

    package func setTimeout(_ timeout: Duration) {
        let (seconds, attoseconds) = timeout.components
        var value = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    private func setOption(_ level: CInt, _ name: CInt, _ value: CInt) {
        var value = value
        setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    /// Ends our half of the stream (FIN); the other half stays open.
    package func shutdownWrite() { shut(SHUT_WR) }

    /// Ends both halves; a thread that waits in `receive` wakes.
    package func shutdownBoth() { shut(SHUT_RDWR) }

    /// Once closed, the number may belong to another socket of this process: leave that alone.
    private func shut(_ half: Int) {
        isClosed.withLock { isClosed in
            if !isClosed { _ = shutdown(descriptor, Int32(half)) }
        }
    }

    private func checkOpen() throws {
        if isClosed.withLock({ $0 }) { throw SystemCallError(call: "use of a closed socket", errno: EBADF) }
    }

    package func close() {
        isClosed.withLock { isClosed in
            guard !isClosed else { return }
            isClosed = true
            Glibc.close(descriptor)
        }
    }

    /// Closes with RST instead of FIN.
    package func reset() {
        var value = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
        close()
    }
}
