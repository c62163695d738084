import Foundation

/// Runs work that recurses deeply on a thread whose stack is known to be large enough.
///
/// The YAML library recurses once for each level of a file, of which its scanner allows a thousand: more than the
/// 512 KiB of a thread of the concurrency pool hold in a debug build.
enum DeepStack {
    /// 64 KiB for each of the thousand levels; only what is touched takes memory.
    private static let stackBytes = 64 * 1024 * 1024

    /// Blocks until the work is done.
    static func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) -> Value {
        let outcome = Outcome<Value>()
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            outcome.value = work()
            done.signal()
        }
        thread.stackSize = stackBytes
        thread.start()
        done.wait()
        guard let value = outcome.value else { preconditionFailure("the thread ended without a value") }
        return value
    }

    /// Written by the thread before the signal, read by the caller after it.
    private final class Outcome<Value: Sendable>: @unchecked Sendable {
        var value: Value?
    }
}
