import EventLoop
import Telemetry

/// `limits.timeout.write`: a client that takes nothing of an answer that waits for it.
///
/// "Writable" comes late: only when a third of the socket's memory is free, which may be megabytes. So when the time is
/// over, what counts is whether the client's kernel has acknowledged anything since.
extension ProxyWorker {
    /// The client's socket takes no more of an answer.
    mutating func beginWriteStall(_ client: ClientPointer) {
        guard unsafe client.pointee.phase == .exchange && client.pointee.blockedSince == 0 else { return }
        let exchange = unsafe exchanges[client.pointee.exchange]
        guard unsafe exchange.pointee.stage == .relaying && !exchange.pointee.isTunnel else { return }
        unsafe client.pointee.blockedSince = now
        unsafe client.pointee.blockedAcknowledged = acknowledgedBytes(client)
        unsafe setDeadline(client, now + exchange.pointee.limits.pointee.writeNanoseconds)
    }

    /// Nothing has moved in an answer's body for too long, or the client is not done with what it has.
    ///
    /// - Returns: Whether the exchange goes on, with a new deadline.
    mutating func relayGoesOn(_ exchange: ExchangePointer) -> Bool {
        let client = unsafe clients[exchange.pointee.client]
        guard unsafe client.pointee.blockedSince > 0 else {
            let isTunnel = unsafe exchange.pointee.isTunnel
            unsafe exchange.pointee.trace.termination = isTunnel ? .tunnelIdle : .endpointTimeout
            return false
        }
        let acknowledged = unsafe acknowledgedBytes(client)
        guard unsafe acknowledged > client.pointee.blockedAcknowledged else {
            unsafe exchange.pointee.trace.termination = .clientTimeout
            statistics.limitedWrites &+= 1
            return false
        }
        unsafe client.pointee.blockedAcknowledged = acknowledged
        unsafe client.pointee.blockedSince = now
        unsafe setDeadline(client, now + exchange.pointee.limits.pointee.writeNanoseconds)
        return true
    }
}
