import EventLoop
import HTTPMessage

/// What comes after a 101 (RFC 9110 §7.8) or a 2xx to CONNECT (§9.3.6): the two sides' bytes, passed on as they come.
/// They are copied, not spliced, for the messages of such protocols are small.
extension ProxyWorker {
    /// The endpoint has switched protocols. What the client sent behind its request is the new protocol's.
    mutating func beginTunnel(_ exchange: ExchangePointer) {
        unsafe exchange.pointee.isTunnel = true
        unsafe exchange.pointee.isCopied = true
        unsafe exchange.pointee.request = BodyProgress(.untilClose)
        unsafe exchange.pointee.clientPersists = false
        unsafe exchange.pointee.endpointPersists = false
        let client = unsafe clients[exchange.pointee.client]
        // Bytes behind the request may be there already, and no edge tells of them.
        unsafe client.pointee.isReadable = true
        if unsafe client.pointee.stream != ClientStream.none {
            unsafe streams[client.pointee.stream].pointee.isChunked = false
        }
        // `timeout.request` bounds the request, which is over.
        unsafe client.pointee.exchangeDeadline = .max
        unsafe arm(client)
    }

    /// The client's bytes have been passed on as far as they go.
    mutating func tunnelMovedUp(_ exchange: ExchangePointer, _ client: ClientPointer, _ connection: ConnectionPointer) {
        unsafe setBodyDeadline(exchange, client)
        // The client has ended its side; the endpoint may still have something to say.
        if unsafe exchange.pointee.hasSentRequest && !connection.pointee.output.isHeld {
            unsafe endSending(connection)
        }
    }

    /// Something has moved; the next must follow in time.
    mutating func setBodyDeadline(_ exchange: ExchangePointer, _ client: ClientPointer) {
        // A client that takes nothing has a deadline of its own, whatever the endpoint sends.
        if unsafe client.pointee.blockedSince > 0 { return }
        let limits = unsafe exchange.pointee.limits
        let wait =
            unsafe exchange.pointee.isTunnel ? limits.pointee.tunnelNanoseconds : limits.pointee.bodyIdleNanoseconds
        unsafe setDeadline(client, now + wait)
    }
}
