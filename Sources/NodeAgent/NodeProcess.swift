import Glibc

/// What a node asks of the system for its whole process.
package enum NodeProcess {
    /// The version that `--version` prints.
    package static let version = "0.1.0"

    /// Takes as many descriptors as the system allows: each connection is one or two.
    ///
    /// - Returns: The limit now in force.
    @discardableResult
    package static func raiseDescriptorLimit() -> UInt64 {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        guard limit.rlim_cur < limit.rlim_max else { return UInt64(limit.rlim_cur) }
        limit.rlim_cur = limit.rlim_max
        unsafe _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return UInt64(limit.rlim_cur)
    }

    /// One line on standard error, without a time: for wrong usage and failed starts.
    package static func complain(_ message: String) {
        let bytes = Array("sluice-node: \(message)\n".utf8)
        unsafe bytes.withUnsafeBytes { unsafe _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
