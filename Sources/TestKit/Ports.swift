import Glibc
import Synchronization

/// Picks ports that nothing listens on.
///
/// They come from below the kernel's range for outgoing connections (`ip_local_port_range` starts at 32768), so that no
/// connection made between the pick and the bind can take one. Each is given out once a run.
package enum Ports {
    private static let next = Mutex<UInt16>(UInt16.random(in: 18_000..<28_000))

    /// - Throws: `TestKitError` when no port of the range is free.
    package static func unused() throws -> UInt16 {
        try next.withLock { next in
            for _ in 0..<10_000 {
                next = next >= 32_000 ? 18_000 : next + 1
                if isFree(next) { return next }
            }
            throw TestKitError("no free port between 18000 and 32000")
        }
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return withSocketAddress("0.0.0.0", port) { bind(descriptor, $0, $1) } == 0
    }
}

/// Calls `body` with an IPv4 socket address.
func withSocketAddress<Result>(
    _ address: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    var value = sockaddr_in()
    value.sin_family = sa_family_t(AF_INET)
    value.sin_port = port.bigEndian
    precondition(inet_pton(AF_INET, address, &value.sin_addr) == 1, "not an IPv4 address: \(address)")
    return withUnsafePointer(to: &value) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}
