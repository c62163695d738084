import Snapshot

extension SiteCompiler {
    func compile(connections reader: SectionReader, _ pool: Pool) -> ConnectionLimits {
        var connections = ConnectionLimits()
        connections.countMax = reader.read(ConnectionsKeys.max)
        reader.read(ConnectionsKeys.queue, into: &connections.queueCountMax)
        reader.read(ConnectionsKeys.queueTimeout, into: &connections.queueTimeout)
        reader.read(ConnectionsKeys.idle, into: &connections.idleTimeout)
        connections.lifetime = reader.read(ConnectionsKeys.lifetime)
        reader.read(ConnectionsKeys.streams, into: &connections.streamCountMax)
        if pool.endpointProtocol == .http1 && reader.has(ConnectionsKeys.streams) {
            diagnostics.warning(
                reader.mark(of: ConnectionsKeys.streams), "\"streams\" has no effect with `protocol: http1`",
                hint: "a connection of HTTP/1.1 serves one request at a time")
        }
        if !reader.has(ConnectionsKeys.max) {
            warnWithoutMax(ConnectionsKeys.queue, reader)
            warnWithoutMax(ConnectionsKeys.queueTimeout, reader)
        }
        return connections
    }

    private func warnWithoutMax(_ key: some KeyProtocol, _ reader: SectionReader) {
        guard reader.has(key) else { return }
        diagnostics.warning(
            reader.mark(of: key), "\(key.name.quoted) has no effect without \(ConnectionsKeys.max.name.quoted)",
            hint: "requests wait only where connections are bounded, as in `max: 256`")
    }

    /// Relayed connections are the forwarder's, which has no bound of this kind.
    func warnOfUnboundedRelays(_ snapshot: Snapshot) {
        for relay in relays where snapshot.pools[relay.pool].connections.countMax != nil {
            diagnostics.warning(
                relay.mark,
                "\(ConnectionsKeys.max.name.quoted) of the pool \(snapshot.pools[relay.pool].name.quoted) does not bound \(relay.user)",
                hint: "it bounds connections for requests of http listeners")
        }
    }
}
