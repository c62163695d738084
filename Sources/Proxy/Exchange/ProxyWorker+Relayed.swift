import EventLoop
import Glibc
import Telemetry

/// Connections relayed by forwarders of other hosts: TCP with a PROXY protocol v2 header in front.
extension ProxyWorker {
    mutating func acceptRelayed() {
        guard let listener = listening.relay else { return }
        while true {
            do {
                guard case .connection(let descriptor, let peer) = try Socket.accept(on: listener) else { return }
                guard listening.forwarders.contains(where: { $0.contains(peer) }) else {
                    statistics.refused &+= 1
                    if refusalLog.allows(now) {
                        Log.warning("proxy", "refused a relayed connection from \(peer): not one of --forwarders")
                    }
                    close(descriptor)
                    continue
                }
                guard !isDraining, let site = unsafe site,
                    unsafe connectionCount < site.pointee.connectionCountMax
                else {
                    // Closed before the header is read: the forwarder tries the next node.
                    statistics.refused &+= 1
                    Socket.setReset(descriptor)
                    close(descriptor)
                    continue
                }
                beginClient(descriptor, listener: Client.unknownListener, address: peer, phase: .proxyHeader)
            } catch {
                restListeners("cannot accept a relayed connection: \(error)")
                return
            }
        }
    }

    /// Reads the header at the front of a relayed connection.
    ///
    /// - Returns: Whether the client goes on; without a whole header it waits for more, with a bad one it is closed.
    mutating func takeProxyHeader(_ client: ClientPointer) -> Bool {
        var header = ProxyHeader()
        let outcome = unsafe header.parse(
            Span(_unsafeStart: client.pointee.input.bytes, count: client.pointee.input.count))
        switch outcome {
        case .incomplete:
            if unsafe !client.pointee.isReadable { unsafe arm(client) } else { unsafe readClient(client) }
            return false
        case .malformed:
            statistics.malformed.proxyHeaders &+= 1
            if refusalLog.allows(now) {
                unsafe Log.warning(
                    "proxy", "closed a relayed connection from \(client.pointee.address): no PROXY v2 header")
            }
            unsafe closeClient(client)
            return false
        case .complete(let length):
            guard let listener = listenerNumber(header.destination) else {
                statistics.refused &+= 1
                unsafe closeClient(client)
                return false
            }
            unsafe client.pointee.input.consume(length)
            unsafe client.pointee.listener = listener
            listenerClients[Int(listener)] += 1
            unsafe client.pointee.address = header.source
            unsafe client.pointee.phase = .idle
            unsafe admitSource(client)
            return unsafe !beginTLS(client)
        }
    }

    private func listenerNumber(_ destination: IPEndpoint) -> UInt32? {
        guard let site = unsafe site,
            let listener = unsafe site.pointee.tables.pointee.listener(address: destination)
        else { return nil }
        let number = unsafe site.pointee.tables.pointee.listeners[listener].number
        return unsafe hasRoom(atListener: number, besides: 0, site) ? number : nil
    }
}
