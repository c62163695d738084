/// At most so many log lines a second; hostile clients must not fill the disk.
package struct LogBudget: BitwiseCopyable, Sendable {
    package static let linesPerSecondMax = 10
    private var second: UInt64 = 0
    private var lines = 0

    package init() {}

    package mutating func allows(_ now: UInt64) -> Bool {
        if now / 1_000_000_000 != second {
            second = now / 1_000_000_000
            lines = 0
        }
        lines += 1
        return lines <= LogBudget.linesPerSecondMax
    }
}
