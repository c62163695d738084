import Balancing
import EventLoop
import HTTP1
import HTTPMessage
import NodeLink

/// Second and further attempts: what may be sent again, where to, and how many at a time.
///
///     failure ──may not be repeated, no attempt or endpoint left──▶ answer
///        ├──nothing was sent───────────────────────────────────────▶ attempt
///        ├──the budget has room────────────────────────────────────▶ attempt
///        ├──spent, and the endpoint has answered or was too late───▶ answer
///        └──spent, and the connection broke──▶ held back ──room──▶ attempt
///                                                  └──too long──▶ answer
///
/// An endpoint that dies takes all of its requests along in one moment; those wait for each other instead of failing. A
/// request that was answered, if badly, has something to go on with.
extension ProxyWorker {
    /// The endpoint has failed the request, which has left it.
    ///
    /// - Returns: Whether another attempt has begun or waits to.
    mutating func triesAgain(_ exchange: ExchangePointer, _ failure: AttemptFailure, at number: UInt32, wasReused: Bool)
        -> Bool
    {
        if case .passedOver = failure { return unsafe beginsAnew(exchange) }
        let policy = unsafe route(of: exchange).pointee.retry
        guard let reason = failure.retryReason, policy.covers(reason),
            (unsafe failure.sentNothing && exchange.pointee.isWhole)
                || (unsafe exchange.pointee.isReplayable && !exchange.pointee.hasSentInterim)
        else { return false }
        // An idle connection that broke says nothing about the endpoint.
        let isStale = unsafe reason == .reset && wasReused && !exchange.pointee.needsFreshConnection
        if isStale {
            unsafe exchange.pointee.retry.wasStale = true
        } else if unsafe !failure.mayGoToTheSame || hasAlternative(exchange, besides: number) {
            unsafe exchange.pointee.retry.tried.insert(number)
        }
        if reason == .reset { unsafe exchange.pointee.needsFreshConnection = true }
        guard unsafe exchange.pointee.countedAttempts < policy.attemptsMax else { return false }
        unsafe exchange.pointee.rewindRequest()
        unsafe exchange.pointee.retry.reason = reason
        guard reason != .connectFailure else {
            unsafe startAttempt(exchange)
            return true
        }
        if unsafe !hasAlternative(exchange) { return false }
        if unsafe takesRetry(exchange, policy) {
            unsafe startAttempt(exchange)
            return true
        }
        guard reason == .reset else {
            unsafe poolFigures[poolNumber(of: exchange)].retriesRefused &+= 1
            return false
        }
        unsafe holdBack(exchange)
        return true
    }

    /// No endpoint has looked at the request: sending it is no retry, whatever `retry` says.
    private mutating func beginsAnew(_ exchange: ExchangePointer) -> Bool {
        guard unsafe exchange.pointee.retry.passedOver < RetryState.passedOverMax && exchange.pointee.isWhole else {
            return false
        }
        unsafe exchange.pointee.retry.passedOver += 1
        statistics.endpointHTTP2.passedOver &+= 1
        unsafe exchange.pointee.rewindRequest()
        unsafe startAttempt(exchange)
        return true
    }

    /// A whole response head has come, with a status that may be a reason to ask another endpoint. The response is then thrown
    /// away; nothing of it has gone to the client.
    ///
    /// - Returns: Whether another attempt has begun.
    mutating func triesAgain(
        _ exchange: ExchangePointer, insteadOf head: ResponseHead, on connection: ConnectionPointer
    ) -> Bool {
        let policy = unsafe route(of: exchange).pointee.retry
        guard let reason = RetryReason(status: head.status), policy.covers(reason),
            unsafe exchange.pointee.isReplayable && !exchange.pointee.hasSentInterim,
            unsafe exchange.pointee.countedAttempts < policy.attemptsMax
        else { return false }
        let number = unsafe exchange.pointee.endpoint
        unsafe exchange.pointee.retry.tried.insert(number)
        guard unsafe hasAlternative(exchange) else { return false }
        guard unsafe takesRetry(exchange, policy) else {
            unsafe poolFigures[poolNumber(of: exchange)].retriesRefused &+= 1
            return false
        }
        unsafe observeFailure(exchange, at: number)
        unsafe throwAway(head, exchange, connection)
        unsafe exchange.pointee.rewindRequest()
        unsafe exchange.pointee.retry.reason = reason
        unsafe exchange.pointee.failureStatus = head.status
        unsafe startAttempt(exchange)
        return true
    }

    /// Frees the endpoint of a response that nobody gets. Its connection is kept when all of the response is there already.
    mutating func throwAway(
        _ head: ResponseHead, _ exchange: ExchangePointer, _ connection: ConnectionPointer
    ) {
        let framing = unsafe head.framing(answering: exchange.pointee.head.method)
        let bodyCount: UInt64? =
            switch framing {
            case .none: 0
            case .length(let length): length
            case .chunked, .untilClose: nil
            }
        unsafe connection.pointee.input.consume(head.length)
        if let bodyCount, unsafe bodyCount <= UInt64(connection.pointee.input.count) {
            unsafe connection.pointee.input.consume(Int(bodyCount))
            unsafe exchange.pointee.endpointPersists = head.isPersistent
        } else {
            unsafe exchange.pointee.endpointPersists = false
        }
        unsafe exchange.pointee.status = head.status
        unsafe freeConnection(exchange)
        unsafe exchange.pointee.status = 0
        unsafe pipes.give(&exchange.pointee.requestPipe)
    }

    /// Whether an endpoint is left that the request hasn't been tried at, or a pool.
    private mutating func hasAlternative(_ exchange: ExchangePointer) -> Bool {
        let tried = unsafe exchange.pointee.retry.tried
        if unsafe hasOpen(pool(of: exchange), besides: tried) { return true }
        let targets = unsafe route(of: exchange).pointee.targets
        let pools = unsafe exchange.pointee.site.pointee.pools
        for index in 0..<targets.count where unsafe targets[index] != exchange.pointee.pool {
            if unsafe hasUsable(pools + targets[index]) { return true }
        }
        return false
    }

    /// The same if one more endpoint were left out.
    private mutating func hasAlternative(_ exchange: ExchangePointer, besides number: UInt32) -> Bool {
        let tried = unsafe exchange.pointee.retry.tried
        unsafe exchange.pointee.retry.tried.insert(number)
        defer { unsafe exchange.pointee.retry.tried = tried }
        return unsafe hasAlternative(exchange)
    }

    // MARK: the budget

    func poolNumber(of exchange: ExchangePointer) -> Int { unsafe pool(of: exchange).pointee.number }

    /// Whether the budget lets the request be sent again. One that is a retry already stays what it is.
    mutating func takesRetry(_ exchange: ExchangePointer, _ policy: CompiledRetry) -> Bool {
        if unsafe exchange.pointee.retry.pool != RetryState.noPool { return true }
        let number = unsafe poolNumber(of: exchange)
        guard unsafe poolFigures[number].budget.take(percent: policy.budgetPercent) else { return false }
        unsafe exchange.pointee.retry.pool = UInt32(number)
        return true
    }

    /// The request is no retry any more: its attempt is over, or all of it.
    @inline(__always)
    mutating func endRetry(_ exchange: ExchangePointer) {
        guard unsafe exchange.pointee.retry.pool != RetryState.noPool else { return }
        unsafe giveRetry(exchange)
    }

    @inline(never)
    private mutating func giveRetry(_ exchange: ExchangePointer) {
        let number = unsafe Int(exchange.pointee.retry.pool)
        unsafe exchange.pointee.retry.pool = RetryState.noPool
        unsafe poolFigures[number].budget.give()
        markHeldBack(number)
    }

    // MARK: held back

    private mutating func holdBack(_ exchange: ExchangePointer) {
        let number = unsafe poolNumber(of: exchange)
        let slot = unsafe exchange.pointee.slot
        let token = Token(kind: 0, slot: slot, generation: exchanges.generation(of: slot))
        guard let place = heldBack[number].append(.init(worker: index, exchange: token), countMax: .max) else { return }
        unsafe poolFigures[number].heldBack += 1
        unsafe exchange.pointee.place = place
        unsafe exchange.pointee.retry.isHeldBack = true
        unsafe exchange.pointee.stage = .connecting
        let client = unsafe clients[exchange.pointee.client]
        unsafe setDeadline(client, now + WorkerLimits.retryWaitNanoseconds)
        // Also one that ends its connection with this request: who goes away waits no more.
        unsafe arm(client)
        markHeldBack(number)
    }

    mutating func leaveHeldBack(_ exchange: ExchangePointer) {
        let number = unsafe poolNumber(of: exchange)
        heldBack[number].remove(unsafe exchange.pointee.place)
        unsafe poolFigures[number].heldBack -= 1
        unsafe exchange.pointee.place = .none
        unsafe exchange.pointee.retry.isHeldBack = false
    }

    mutating func heldBackTooLong(_ exchange: ExchangePointer) {
        unsafe poolFigures[poolNumber(of: exchange)].retriesRefused &+= 1
        unsafe answer(exchange, status: exchange.pointee.failureStatus)
    }

    /// The budget may have room: whoever waits for it goes on before the turn ends.
    @inline(__always)
    mutating func markHeldBack(_ number: Int) {
        guard unsafe poolFigures[number].heldBack > 0 && !poolFigures[number].isMarked else { return }
        unsafe poolFigures[number].isMarked = true
        heldBackToServe.append(number)
    }

    /// At the end of a turn: those that have waited longest go first.
    mutating func serveHeldBack() {
        while let number = heldBackToServe.popLast() {
            unsafe poolFigures[number].isMarked = false
            while let waiter = heldBack[number].first {
                guard let exchange = unsafe exchanges.element(for: waiter.exchange) else {
                    preconditionFailure("an exchange ended while it was held back")
                }
                let policy = unsafe route(of: exchange).pointee.retry
                guard unsafe takesRetry(exchange, policy) else { break }
                unsafe leaveHeldBack(exchange)
                unsafe startAttempt(exchange)
            }
        }
    }

    // MARK: bodies

    /// A request with a body: keeps the body at hand if it may be needed again.
    @inline(never)
    mutating func keepBody(_ exchange: ExchangePointer) {
        let head = unsafe exchange.pointee.head
        guard head.method.isIdempotent, unsafe route(of: exchange).pointee.retry.repeatsRequests else { return }
        if isKeepable(head) { unsafe exchange.pointee.retry.keepsBody = true }
    }

    private func isKeepable(_ head: RequestHead) -> Bool {
        guard case .length(let length) = head.framing else { return true }
        return length <= UInt64(WorkerLimits.replayedBodyBytesMax)
            && head.length + Int(length) <= BufferPool.blockBytes
    }

    /// The same for any method where the endpoint speaks HTTP/2, for it says when it hasn't looked at a request.
    mutating func keepBodyForStream(_ exchange: ExchangePointer) {
        guard unsafe !exchange.pointee.retry.hasLostBody, unsafe isKeepable(exchange.pointee.head) else { return }
        unsafe exchange.pointee.retry.keepsBody = true
    }

    /// More of a kept body is to be read. One of unknown length that has become too long is not kept any longer.
    mutating func makeRoomForKept(_ exchange: ExchangePointer) {
        guard unsafe exchange.pointee.head.framing == .chunked else { return }
        let kept = unsafe exchange.pointee.bodyOffset - exchange.pointee.head.length
        if unsafe kept >= WorkerLimits.replayedBodyBytesMax
            || exchange.pointee.bodyOffset > BufferPool.blockBytes - WorkerLimits.bodyReadBytesMin
        {
            unsafe exchange.pointee.retry.keepsBody = false
        }
    }

    // MARK: figures

    func appendRetries(_ names: [String], to samples: inout [Sample]) {
        for (number, name) in names.enumerated() where number < poolFiguresCapacity {
            let figures = unsafe poolFigures[number]
            let label = [Sample.Label("pool", name)]
            samples.append(Sample("sluice_retries_active", label, Double(figures.budget.retries)))
            samples.append(Sample("sluice_retries_waiting", label, Double(figures.heldBack)))
            samples.append(Sample("sluice_retries_refused_total", label, Double(figures.retriesRefused)))
            samples.append(Sample("sluice_hedges_won_total", label, Double(figures.hedgesWon)))
            guard let retries = unsafe figures.retries else { continue }
            for index in 0..<RetryReason.count where unsafe retries[index] > 0 {
                samples.append(
                    Sample(
                        "sluice_retries_total", label + [.init("reason", RetryReason.name(ofIndex: index))],
                        unsafe Double(retries[index])))
            }
        }
    }
}

extension ProxyWorker.AttemptFailure {
    /// nil: another attempt would not help.
    var retryReason: RetryReason? {
        switch self {
        case .connect: .connectFailure
        case .shortage: nil
        case .unsent, .broken, .refused: .reset
        case .passedOver: nil
        case .malformed: RetryReason(status: 502)
        case .responseTimeout: RetryReason(status: 504)
        }
    }

    /// Without another endpoint the same one is asked again: it has refused this request, and not failed it.
    var mayGoToTheSame: Bool { if case .refused = self { true } else { false } }

    /// No endpoint has acted on the request.
    var sentNothing: Bool {
        switch self {
        case .connect, .unsent, .passedOver, .refused: true
        case .shortage, .broken, .malformed, .responseTimeout: false
        }
    }

    /// What the client gets when there is no other attempt.
    var status: Int {
        switch self {
        case .connect(let status): status
        case .shortage, .refused: 503
        case .unsent, .broken, .malformed, .passedOver: 502
        case .responseTimeout: 504
        }
    }
}
