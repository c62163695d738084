import EventLoop

/// Connections that outlive what they belong to.
extension ProxyWorker {
    /// Whether clients of listeners are left that the site doesn't have any more.
    var hasForeignClients: Bool {
        for slot in 0..<clients.slotLimit {
            guard let client = unsafe clients.occupied(slot) else { continue }
            if unsafe isForeign(client) { return true }
        }
        return false
    }

    private func isForeign(_ client: ClientPointer) -> Bool {
        guard let site = unsafe site, unsafe client.pointee.phase != .proxyHeader else { return false }
        return unsafe site.pointee.tables.pointee.listener(number: client.pointee.listener) == nil
    }

    /// Ends connections at a deadline. A request without an answer gets a 503, an answer that has begun is cut off.
    mutating func cutClients(foreignOnly: Bool) {
        for slot in 0..<clients.slotLimit {
            // A stream ends with its connection.
            guard let client = unsafe clients.occupied(slot), unsafe client.pointee.stream == ClientStream.none,
                unsafe !foreignOnly || isForeign(client)
            else { continue }
            if unsafe client.pointee.phase == .exchange {
                let exchange = unsafe exchanges[client.pointee.exchange]
                unsafe exchange.pointee.clientPersists = false
                unsafe answer(exchange, status: 503)
            } else {
                unsafe closeClient(client)
            }
        }
    }
}
