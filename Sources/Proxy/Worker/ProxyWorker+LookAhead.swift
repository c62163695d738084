import EventLoop

/// Memory that the next events will need, fetched while the ones before them are handled.
///
/// Between a request and its response other requests have taken the caches. An event names its connection, which names
/// the exchange, which names the client, which may be a stream: waited for one after the other, these four are a tenth
/// of what the worker's own code takes of a response by HTTP/2 with 320 under way.
extension ProxyWorker {
    /// Events between the one that is handled and the farthest one that is looked at: one for each step but the last. In
    /// turns with no more than that there is nobody to take the caches.
    static let lookAheadEvents = 3

    /// - Parameters:
    ///   - index: The event that is handled next; from `-lookAheadEvents` on.
    ///   - count: Events of this turn.
    @inline(__always)
    mutating func lookAhead(from index: Int, of count: Int) {
        if index + 3 < count {
            let (token, _) = poller.event(at: index + 3)
            switch token.kind {
            case Kind.endpoint: connections.prefetch(token.slot)
            case Kind.client: clients.prefetch(token.slot)
            default: break
            }
        }
        if let connection = unsafe busyConnection(index + 2, of: count) {
            unsafe exchanges.prefetch(connection.pointee.exchange)
        }
        if let connection = unsafe busyConnection(index + 1, of: count) {
            let client = unsafe exchanges[connection.pointee.exchange].pointee.client
            clients.prefetch(client)
            wheel.prefetch(client * Timer.kinds + Timer.client)
        }
        // What it is needed for comes after a system call.
        if let connection = unsafe busyConnection(index, of: count) {
            let client = unsafe clients[exchanges[connection.pointee.exchange].pointee.client]
            unsafe streams.prefetch(client.pointee.stream)
        }
    }

    @inline(__always)
    private mutating func busyConnection(_ index: Int, of count: Int) -> ConnectionPointer? {
        guard index >= 0 && index < count else { return nil }
        let (token, _) = poller.event(at: index)
        guard token.kind == Kind.endpoint, let connection = unsafe connections.element(for: token),
            unsafe connection.pointee.phase == .busy
        else { return nil }
        return unsafe connection
    }
}
