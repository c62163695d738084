import Glibc

/// Functions that the C library has (glibc 2.36 and later) but its headers show to GNU sources only, which the
/// compiler's view of them is not: found at run time.
enum LibC {
    private typealias PidfdOpen = @convention(c) (pid_t, CUnsignedInt) -> CInt
    private typealias PidfdSendSignal = @convention(c) (CInt, CInt, UnsafeMutableRawPointer?, CUnsignedInt) -> CInt
    typealias AddCloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, CInt) -> CInt

    private static let pidfdOpen = dlsym(nil, "pidfd_open").map { unsafeBitCast($0, to: PidfdOpen.self) }
    private static let pidfdSendSignal = dlsym(nil, "pidfd_send_signal").map {
        unsafeBitCast($0, to: PidfdSendSignal.self)
    }
    /// `posix_spawn_file_actions_addclosefrom_np(3)`: the child closes this descriptor and all above it.
    static let addCloseFrom = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
        unsafeBitCast($0, to: AddCloseFrom.self)
    }

    static var isComplete: Bool { pidfdOpen != nil && pidfdSendSignal != nil && addCloseFrom != nil }

    /// - Returns: A descriptor that closes on exec, or -1 with `errno`.
    static func openPidfd(_ pid: pid_t) -> CInt { pidfdOpen?(pid, 0) ?? -1 }

    /// Does nothing when the process has ended.
    static func signal(pidfd: CInt, _ number: CInt) { _ = pidfdSendSignal?(pidfd, number, nil, 0) }
}
