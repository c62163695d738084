import Snapshot

/// `limits`, of the site and of a listener.
extension SiteCompiler {
    func read(_ reader: SectionReader?, into limits: inout Limits) {
        guard let reader else { return }
        let own = listenerLimits(reader, of: nil)
        limits = limits.replaced(by: own)
        if let count = own.connectionCountMax { limits.connectionCountMax = count }
        limits.connectionsPerSourceMax = own.connectionsPerSourceMax
        if let overload = reader.open(LimitsKeys.overload) { limits.overload = compile(overload: overload) }
    }

    func compile(limits reader: SectionReader?, of listener: Listener) -> ListenerLimits {
        guard let reader else { return ListenerLimits() }
        return listenerLimits(reader, of: listener)
    }

    /// - Parameter listener: nil for those of the site.
    private func listenerLimits(_ reader: SectionReader, of listener: Listener?) -> ListenerLimits {
        var limits = ListenerLimits()
        limits.headBytesMax = reader.read(LimitsKeys.head)
        limits.fieldCountMax = reader.read(LimitsKeys.headers)
        limits.connectionCountMax = reader.read(LimitsKeys.connections)
        limits.connectionsPerSourceMax = reader.read(LimitsKeys.connectionsPerSource)
        limits.requestsPerConnectionMax = reader.read(LimitsKeys.requestsPerConnection)
        limits.bufferBytesMax = reader.read(LimitsKeys.buffer)
        let ofRequests: [any KeyProtocol] = [
            LimitsKeys.head, LimitsKeys.headers, LimitsKeys.connectionsPerSource, LimitsKeys.requestsPerConnection,
            LimitsKeys.buffer,
        ]
        for key in ofRequests { warnIfTCP(key, reader, listener) }
        guard let timeout = reader.open(LimitsKeys.timeout) else { return limits }
        limits.headTimeout = timeout.read(LimitsTimeoutKeys.head)
        limits.bodyIdleTimeout = timeout.read(LimitsTimeoutKeys.bodyIdle)
        limits.idleTimeout = timeout.read(LimitsTimeoutKeys.idle)
        limits.tunnelTimeout = timeout.read(LimitsTimeoutKeys.tunnel)
        limits.writeTimeout = timeout.read(LimitsTimeoutKeys.write)
        let timeouts = [
            LimitsTimeoutKeys.head, LimitsTimeoutKeys.bodyIdle, LimitsTimeoutKeys.tunnel, LimitsTimeoutKeys.write,
        ]
        for key in timeouts where key.name != LimitsTimeoutKeys.head.name || listener?.application != .tlsPassthrough {
            warnIfTCP(key, timeout, listener)
        }
        return limits
    }

    private func warnIfTCP(_ key: some KeyProtocol, _ reader: SectionReader, _ listener: Listener?) {
        guard let listener, listener.application != .http, reader.has(key) else { return }
        let word = listener.application == .tcp ? "tcp" : "tls-passthrough"
        diagnostics.warning(
            reader.mark(of: key), "\(key.name.quoted) has no effect on the \(word) listener \(listener.name.quoted)",
            hint: "it bounds requests, which such a listener doesn't look at")
    }
}
