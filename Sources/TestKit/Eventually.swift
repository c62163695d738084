import Glibc

/// Waits for conditions with a deadline. Tests never sleep for a fixed time.
package enum Eventually {
    /// Asks `probe` until it gives a value.
    ///
    /// An error thrown by `probe` means "not yet"; the last one is part of the message when the deadline passes.
    /// `Hopeless` ends the wait at once.
    ///
    /// - Parameters:
    ///   - what: What is waited for, as the end of "gave up waiting for …".
    ///   - within: The deadline, from now.
    ///   - every: The pause between two probes.
    /// - Throws: `TestKitError` at the deadline.
    package static func value<Value>(
        _ what: @autoclosure () -> String,
        within: Duration = .seconds(10),
        every: Duration = .milliseconds(10),
        _ probe: () throws -> Value?
    ) throws -> Value {
        let clock = ContinuousClock()
        let deadline = clock.now + within
        var lastError: (any Error)?
        while true {
            do {
                if let value = try probe() { return value }
                lastError = nil
            } catch let error as Hopeless {
                throw TestKitError("gave up waiting for \(what()): \(error.reason)")
            } catch {
                lastError = error
            }
            if clock.now >= deadline {
                let reason = lastError.map { "; the last attempt failed: \($0)" } ?? ""
                throw TestKitError("gave up after \(within) waiting for \(what())\(reason)")
            }
            pause(every)
        }
    }

    /// Thrown by a probe that knows that its condition will never hold.
    package struct Hopeless: Error {
        package let reason: String

        package init(_ reason: String) {
            self.reason = reason
        }
    }

    /// Asks `condition` until it holds.
    ///
    /// - Throws: `TestKitError` at the deadline.
    package static func holds(
        _ what: @autoclosure () -> String,
        within: Duration = .seconds(10),
        every: Duration = .milliseconds(10),
        _ condition: () throws -> Bool
    ) throws {
        try value(what(), within: within, every: every) { try condition() ? () : nil }
    }
}

/// Gives the processor away between two probes of a condition.
func pause(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var length = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    nanosleep(&length, nil)  // a signal that ends it early does no harm: the caller looks at its condition
}

/// `duration` in seconds, for reports.
package func seconds(_ duration: Duration) -> Double {
    let (seconds, attoseconds) = duration.components
    return Double(seconds) + Double(attoseconds) / 1e18
}
