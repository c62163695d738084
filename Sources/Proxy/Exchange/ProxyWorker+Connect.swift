import EventLoop
import HTTP1
import HTTPMessage
import Snapshot

/// CONNECT (RFC 9110 §9.3.6), where a route allows it. Where a tunnel leads is the route's to say, never the client's: its
/// target only chooses the route, as Envoy has it. So no site is an open proxy by accident.
///
///     terminate: connect to an endpoint ──▶ 200 ──▶ tunnel
///     forward:   CONNECT to an endpoint, a proxy itself ──2xx──▶ tunnel
///                                                       └─other─▶ passed on as any response
extension ProxyWorker {
    /// Whether the node itself answers a CONNECT.
    func isTerminated(_ exchange: ExchangePointer) -> Bool {
        unsafe route(of: exchange).pointee.connect == .terminate
    }

    /// The connection to the endpoint is there: the tunnel begins, with an answer of our own.
    mutating func openTunnel(_ exchange: ExchangePointer) {
        let client = unsafe clients[exchange.pointee.client]
        unsafe writeTunnelAnswer(exchange)
        guard !writer.isOverfull else {
            unsafe answer(exchange, status: 431)
            return
        }
        unsafe beginTunnel(exchange)
        unsafe exchange.pointee.status = 200
        unsafe exchange.pointee.response = BodyProgress(.untilClose)
        unsafe exchange.pointee.stage = .relaying
        unsafe exchange.pointee.hasAnswered = true
        unsafe exchange.pointee.trace.headAt = now
        unsafe exchange.pointee.trace.headBytesOut += writer.count
        guard unsafe sendComposed(client, nil, 0) >= 0 else {
            unsafe clientBroke(client)
            return
        }
        unsafe makeReady(client)
        // The endpoint may be the one that speaks first.
        unsafe pumpResponse(exchange)
    }

    private mutating func writeTunnelAnswer(_ exchange: ExchangePointer) {
        let rules = unsafe route(of: exchange).pointee.response
        var request = unsafe view(of: exchange)
        request.status = 200
        writer.reset()
        writer.append("HTTP/1.1 200 OK\r\n")
        if !rules.drops("date") {
            writer.append("Date: ")
            date.write(to: &writer)
            writer.append("\r\n")
        }
        if !rules.drops("x-request-id") {
            writer.append("X-Request-Id: ")
            unsafe writer.append(answerID(of: exchange))
            writer.append("\r\n")
        }
        for index in 0..<rules.partCount { request.write(rules[index], in: .field, to: &writer) }
        writer.append("\r\n")
        writer.endHead()
    }
}
