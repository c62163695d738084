import Balancing
import EventLoop
import HTTP1
import HTTPMessage

/// A second attempt that runs while the first one does.
///
///     planned ──answer, failure──▶ (no hedge)
///        └──delay over, endpoint and budget have room──▶ under way ──answer of either──▶ the other is closed
///                                                           └──one fails──▶ the other goes on
struct HedgeState: BitwiseCopyable {
    /// The delay is running.
    var isPlanned = false
    /// It has been tried: one hedge for a request.
    private(set) var wasTried = false
    /// The attempt in front, the one that the exchange's own fields describe, is the first one.
    var isFirstInFront = true
    /// When an answer must have begun.
    var deadline: UInt64 = 0
    /// The other attempt.
    var connection = EndpointConnection.none
    var endpoint = EndpointConnection.none
    var stage = Exchange.Stage.awaitingHead
    var beganAt: UInt64 = 0
    var sentAt: UInt64 = 0

    /// There is another attempt.
    var isUnderWay: Bool { connection != EndpointConnection.none }

    /// The delay is over.
    mutating func begin() {
        isPlanned = false
        wasTried = true
    }
}

extension ProxyWorker {
    /// The request has been sent, and an answer is due at `deadline`.
    ///
    /// - Returns: When to look again.
    @inline(never)
    mutating func deadlineWithHedge(_ exchange: ExchangePointer, _ deadline: UInt64) -> UInt64 {
        // The second request doesn't give the first one more time.
        if unsafe exchange.pointee.hedge.isUnderWay { return unsafe exchange.pointee.hedge.deadline }
        unsafe exchange.pointee.hedge.isPlanned = false
        let head = unsafe exchange.pointee.head
        guard unsafe !exchange.pointee.hedge.wasTried, head.method.isIdempotent, head.framing == .none else {
            return deadline
        }
        let route = unsafe route(of: exchange)
        var delay = unsafe route.pointee.hedgeNanoseconds
        if unsafe route.pointee.hedgePercent > 0 {
            let latencies = unsafe poolFigures[poolNumber(of: exchange)].latencies
            guard let usual = unsafe latencies?.quantile(percent: route.pointee.hedgePercent) else { return deadline }
            delay = usual
        }
        guard now + delay < deadline else { return deadline }
        unsafe exchange.pointee.hedge.isPlanned = true
        unsafe exchange.pointee.hedge.deadline = deadline
        return now + delay
    }

    /// The delay has passed without an answer.
    mutating func beginHedge(_ exchange: ExchangePointer) {
        unsafe exchange.pointee.hedge.begin()
        unsafe setDeadline(clients[exchange.pointee.client], exchange.pointee.hedge.deadline)
        let policy = unsafe route(of: exchange).pointee.retry
        let pool = unsafe pool(of: exchange)
        // Where connections are bounded, a second one would be another request's first.
        guard unsafe pool.pointee.connections.queue == nil, unsafe !exchange.pointee.hasSentInterim,
            unsafe exchange.pointee.countedAttempts < policy.attemptsMax,
            unsafe connections[exchange.pointee.connection].pointee.input.isEmpty
        else { return }
        var tried = unsafe exchange.pointee.retry.tried
        unsafe tried.insert(exchange.pointee.endpoint)
        // `pick` leaves out what has been tried; the first attempt isn't one of them yet.
        let before = unsafe exchange.pointee.retry.tried
        unsafe exchange.pointee.retry.tried = tried
        let picked = unsafe pick(pool, for: exchange)
        unsafe exchange.pointee.retry.tried = before
        guard let number = picked else { return }
        guard unsafe takesRetry(exchange, policy) else {
            unsafe poolFigures[pool.pointee.number].retriesRefused &+= 1
            return
        }
        unsafe exchange.pointee.hedge.connection = exchange.pointee.connection
        unsafe exchange.pointee.hedge.endpoint = exchange.pointee.endpoint
        unsafe exchange.pointee.hedge.stage = .awaitingHead
        unsafe exchange.pointee.hedge.beganAt = exchange.pointee.trace.attemptBeganAt
        unsafe exchange.pointee.hedge.sentAt = exchange.pointee.trace.sentAt
        unsafe exchange.pointee.hedge.isFirstInFront = false
        unsafe exchange.pointee.connection = EndpointConnection.none
        unsafe exchange.pointee.retry.reason = .hedge
        unsafe enterEndpoint(exchange, pool, number)
        if let connection = unsafe takeIdleConnection(number, for: exchange) {
            unsafe sendRequest(exchange, on: connection)
        } else {
            unsafe connect(exchange)
        }
    }

    /// Something has happened on a connection of an exchange: if it is that of the other attempt, the two change places.
    @inline(__always)
    mutating func bringToFront(_ connection: ConnectionPointer) {
        let exchange = unsafe exchanges[connection.pointee.exchange]
        if unsafe exchange.pointee.hedge.connection == connection.pointee.slot { unsafe swapAttempts(exchange) }
    }

    @inline(never)
    private mutating func swapAttempts(_ exchange: ExchangePointer) {
        var other = unsafe exchange.pointee.hedge
        unsafe swap(&other.connection, &exchange.pointee.connection)
        unsafe swap(&other.endpoint, &exchange.pointee.endpoint)
        unsafe swap(&other.stage, &exchange.pointee.stage)
        unsafe swap(&other.beganAt, &exchange.pointee.trace.attemptBeganAt)
        unsafe swap(&other.sentAt, &exchange.pointee.trace.sentAt)
        other.isFirstInFront.toggle()
        unsafe exchange.pointee.hedge = other
        unsafe exchange.pointee.trace.endpoint = exchange.pointee.endpoint
    }

    /// Ends the attempt that is not in front.
    mutating func cancelOther(_ exchange: ExchangePointer) {
        let other = unsafe exchange.pointee.hedge
        unsafe exchange.pointee.hedge.connection = EndpointConnection.none
        unsafe leave(other.endpoint, pool(of: exchange))
        unsafe closeConnection(connections[other.connection])
    }

    /// The attempt in front has failed, or is out of the race; it has left its endpoint.
    mutating func continueWithOther(_ exchange: ExchangePointer, insteadOf number: UInt32) {
        unsafe exchange.pointee.retry.tried.insert(number)
        unsafe swapAttempts(exchange)
        unsafe exchange.pointee.hedge.connection = EndpointConnection.none
        unsafe setDeadline(clients[exchange.pointee.client], exchange.pointee.hedge.deadline)
    }

    /// An answer that `retry.on` names doesn't win while there is another attempt.
    mutating func losesToOther(
        _ exchange: ExchangePointer, _ head: ResponseHead, _ connection: ConnectionPointer
    ) -> Bool {
        guard let reason = RetryReason(status: head.status), unsafe route(of: exchange).pointee.retry.covers(reason)
        else { return false }
        let number = unsafe exchange.pointee.endpoint
        unsafe throwAway(head, exchange, connection)
        unsafe continueWithOther(exchange, insteadOf: number)
        return true
    }

    @inline(never)
    func countLatency(_ exchange: ExchangePointer) {
        let figures = unsafe poolFigures + poolNumber(of: exchange)
        if unsafe figures.pointee.latencies == nil { unsafe figures.pointee.latencies = LatencyQuantiles() }
        unsafe figures.pointee.latencies?.add(nanoseconds: now &- exchange.pointee.trace.attemptBeganAt)
    }
}
