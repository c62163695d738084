/// `limits.overload`: from when on a node's workers shed requests.
package struct OverloadLimits: Equatable, Sendable {
    /// `delay`: how long what comes may wait until a worker gets to it.
    package var delay: Duration
    /// `memory`: of `proxy.memory`, in percent; 1…100.
    package var memoryPercent: Int
    /// `retry_after`: what the answer says; whole seconds, 1…255.
    package var retryAfter: Duration

    package init(
        delay: Duration = .milliseconds(500), memoryPercent: Int = 90, retryAfter: Duration = .seconds(1)
    ) {
        self.delay = delay
        self.memoryPercent = memoryPercent
        self.retryAfter = retryAfter
    }
}

extension WireWriter {
    mutating func write(_ limits: OverloadLimits) {
        write(limits.delay)
        write(UInt8(limits.memoryPercent))
        write(limits.retryAfter)
    }
}

extension WireReader {
    mutating func readOverloadLimits() throws(WireError) -> OverloadLimits {
        let limits = OverloadLimits(
            delay: try readDuration(), memoryPercent: Int(try read(UInt8.self)), retryAfter: try readDuration())
        guard 1...100 ~= limits.memoryPercent else { throw .invalid("memory of an overload") }
        return limits
    }
}
