import CLinux
import Glibc

/// Threads for loops.
package enum Thread {
    /// Runs `body` on a new detached thread of that name (15 bytes at most are kept by the kernel).
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let box = unsafe Unmanaged.passRetained(Body(name: name, run: body))
        var thread = pthread_t()
        let result = unsafe pthread_create(&thread, nil, threadEntry, box.toOpaque())
        precondition(result == 0, "pthread_create: \(result)")
        pthread_detach(thread)
    }

    /// Has the short sleeps and timeouts of this thread end in time: within 1 µs, where the kernel takes 50 µs.
    package static func makeTimersPrecise() { clinux_set_timer_slack(1_000) }

    /// Whether this thread waits, when it has something to do, until the one that has its CPU rests or has had its share,
    /// instead of interrupting it (`SCHED_BATCH`, sched(7)). Its own share stays the same.
    package static func setYielding(_ isYielding: Bool) {
        // Allowed to every thread, either way; a sandbox that forbids it leaves things as they are.
        clinux_set_batch(isYielding ? 1 : 0)
    }

    /// Sleeps; less than a second.
    package static func sleep(nanoseconds: UInt64) {
        var time = timespec(tv_sec: 0, tv_nsec: Int(min(nanoseconds, 999_999_999)))
        unsafe _ = clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nil)
    }

    fileprivate final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void

        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }
}

/// A named function: a closure literal given to `pthread_create` may inherit the main actor and trap.
private func threadEntry(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let body = unsafe Unmanaged<Thread.Body>.fromOpaque(context!).takeRetainedValue()
    unsafe clinux_set_thread_name(String(body.name.prefix(15)))
    body.run()
    return nil
}
