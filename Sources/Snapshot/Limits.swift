/// `limits`: bounds on what one client may use.
package struct Limits: Equatable, Sendable {
    /// `limits.head`: bytes of request line and fields; beyond it 431 (RFC 6585 §5). 1 KiB…60 KiB.
    package var headBytesMax: Int
    /// `limits.headers`: field lines in one head; beyond it 431. 1…250.
    package var fieldCountMax: Int
    /// `limits.connections`: client connections of one node at a time; 1…1,000,000.
    package var connectionCountMax: Int
    /// `limits.buffer`: bytes of an answer that are held for a client that reads slowly; 0…1 MiB.
    package var bufferBytesMax: Int
    /// `limits.timeout.head`: from the first byte of a request (or the connection) to the end of its head; then 408.
    package var headTimeout: Duration
    /// `limits.timeout.body_idle`: without a byte moving in a body, either way.
    package var bodyIdleTimeout: Duration
    /// `limits.timeout.idle`: an idle keep-alive connection, or a relayed one on which nothing moves.
    package var idleTimeout: Duration
    /// `limits.timeout.tunnel`: a connection that has switched protocols, on which nothing moves.
    package var tunnelTimeout: Duration
    /// `limits.timeout.write`: a client that takes no byte of an answer; nil: as `bodyIdleTimeout`.
    package var writeTimeout: Duration?
    /// `limits.connections_per_source`: of one node; nil: no limit.
    package var connectionsPerSourceMax: Int?
    /// `limits.requests_per_connection`; nil: no limit.
    package var requestsPerConnectionMax: Int?
    package var overload: OverloadLimits

    package init(
        headBytesMax: Int = 32 * 1024, fieldCountMax: Int = 100, connectionCountMax: Int = 100_000,
        bufferBytesMax: Int = 64 * 1024,
        headTimeout: Duration = .seconds(10), bodyIdleTimeout: Duration = .seconds(30),
        idleTimeout: Duration = .seconds(60), tunnelTimeout: Duration = .seconds(3600), writeTimeout: Duration? = nil,
        connectionsPerSourceMax: Int? = nil, requestsPerConnectionMax: Int? = nil,
        overload: OverloadLimits = .init()
    ) {
        self.headBytesMax = headBytesMax
        self.fieldCountMax = fieldCountMax
        self.connectionCountMax = connectionCountMax
        self.bufferBytesMax = bufferBytesMax
        self.headTimeout = headTimeout
        self.bodyIdleTimeout = bodyIdleTimeout
        self.idleTimeout = idleTimeout
        self.tunnelTimeout = tunnelTimeout
        self.writeTimeout = writeTimeout
        self.connectionsPerSourceMax = connectionsPerSourceMax
        self.requestsPerConnectionMax = requestsPerConnectionMax
        self.overload = overload
    }

    /// These, with what a listener says otherwise.
    ///
    /// `connectionCountMax` and `connectionsPerSourceMax` stay the site's: a listener's own are counted apart.
    package func replaced(by own: ListenerLimits) -> Limits {
        var limits = self
        if let bytes = own.headBytesMax { limits.headBytesMax = bytes }
        if let count = own.fieldCountMax { limits.fieldCountMax = count }
        if let bytes = own.bufferBytesMax { limits.bufferBytesMax = bytes }
        if let timeout = own.headTimeout { limits.headTimeout = timeout }
        if let timeout = own.bodyIdleTimeout { limits.bodyIdleTimeout = timeout }
        if let timeout = own.idleTimeout { limits.idleTimeout = timeout }
        if let timeout = own.tunnelTimeout { limits.tunnelTimeout = timeout }
        if let timeout = own.writeTimeout { limits.writeTimeout = timeout }
        if let count = own.requestsPerConnectionMax { limits.requestsPerConnectionMax = count }
        return limits
    }
}

/// `limits` of a listener: nil stands for the site's value. Ranges are those of `Limits`.
package struct ListenerLimits: Equatable, Sendable {
    package var headBytesMax: Int?
    package var fieldCountMax: Int?
    /// Connections of this listener alone; they count among the site's as well.
    package var connectionCountMax: Int?
    package var bufferBytesMax: Int?
    package var headTimeout: Duration?
    package var bodyIdleTimeout: Duration?
    package var idleTimeout: Duration?
    package var tunnelTimeout: Duration?
    package var writeTimeout: Duration?
    /// A source's connections to this listener alone; they don't count among the site's.
    package var connectionsPerSourceMax: Int?
    package var requestsPerConnectionMax: Int?

    package init() {}
}
