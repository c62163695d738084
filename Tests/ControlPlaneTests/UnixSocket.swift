import Foundation
import Synchronization

/// A blocking stream socket; closed with the value.
final class UnixSocket: Sendable {
    private let descriptor: CInt

    /// - Throws: `POSIXError`.
    init(connectingTo path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            // The value is whole by now: its deinit closes the socket.
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
        }
    }

    deinit { close(descriptor) }

    /// Writes all, unless the peer is gone.
    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            if count < 0 && errno != EINTR { return }
            if count > 0 { rest = rest.dropFirst(count) }
        }
    }

    /// - Returns: What is there, waiting for it; nil at the end.
    func read() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 { return Array(buffer[..<count]) }
            if count == 0 || errno != EINTR { return nil }
        }
    }

    /// Writes all, then reads all; on a thread that may block.
    func exchange(_ bytes: [UInt8]) async -> [UInt8] {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                self.write(bytes)
                var all: [UInt8] = []
                while let bytes = self.read() { all += bytes }
                continuation.resume(returning: all)
            }
        }
    }

    func readToEnd() async -> [UInt8] { await exchange([]) }

    func shutdown() { _ = Foundation.shutdown(descriptor, CInt(SHUT_RDWR)) }
}
