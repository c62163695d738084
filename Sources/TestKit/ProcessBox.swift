import Synchronization

/// Holds the running process of something that can be stopped and started again.
final class ProcessBox: Sendable {
    private let process = Mutex<ChildProcess?>(nil)

    func set(_ child: ChildProcess) {
        process.withLock { $0 = child }
    }

    func take() -> ChildProcess? {
        process.withLock { process in
            defer { process = nil }
            return process
        }
    }

    var current: ChildProcess? { process.withLock { $0 } }
}
