/// The wire form of a listener's `limits`: a byte before each value says whether there is one.
extension WireWriter {
    mutating func write(_ limits: ListenerLimits) {
        for count in [
            limits.headBytesMax, limits.fieldCountMax, limits.connectionCountMax, limits.bufferBytesMax,
            limits.connectionsPerSourceMax, limits.requestsPerConnectionMax,
        ] {
            write(count != nil)
            if let count { write(UInt32(count)) }
        }
        for timeout in [
            limits.headTimeout, limits.bodyIdleTimeout, limits.idleTimeout, limits.tunnelTimeout, limits.writeTimeout,
        ] {
            write(timeout != nil)
            if let timeout { write(timeout) }
        }
    }
}

extension WireReader {
    mutating func readListenerLimits() throws(WireError) -> ListenerLimits {
        var limits = ListenerLimits()
        limits.headBytesMax = try readCount()
        limits.fieldCountMax = try readCount()
        limits.connectionCountMax = try readCount()
        limits.bufferBytesMax = try readCount()
        limits.connectionsPerSourceMax = try readCount()
        limits.requestsPerConnectionMax = try readCount()
        limits.headTimeout = try readTimeout()
        limits.bodyIdleTimeout = try readTimeout()
        limits.idleTimeout = try readTimeout()
        limits.tunnelTimeout = try readTimeout()
        limits.writeTimeout = try readTimeout()
        return limits
    }

    private mutating func readCount() throws(WireError) -> Int? { try readBool() ? Int(try read(UInt32.self)) : nil }

    private mutating func readTimeout() throws(WireError) -> Duration? { try readBool() ? try readDuration() : nil }
}
