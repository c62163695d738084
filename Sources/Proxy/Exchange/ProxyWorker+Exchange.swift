import Balancing
import EventLoop
import Glibc
import HTTP1
import HTTPMessage
import Telemetry

/// An exchange from its request's head to its end: route, attempts, failures.
extension ProxyWorker {
    /// A request head is complete: `fields` holds its lines.
    mutating func beginExchange(
        _ client: ClientPointer, _ head: RequestHead, _ site: UnsafeMutablePointer<WorkerSite>
    ) {
        unsafe client.pointee.phase = .exchange
        let isLast = unsafe countsAsLast(client, site)
        let tables = unsafe site.pointee.tables
        guard let listener = unsafe tables.pointee.listener(number: client.pointee.listener) else {
            // The listener left the site; its connections end with the next request.
            unsafe answerWithoutExchange(client, status: 404, series: nil, head: head, persists: false)
            return
        }
        let listenerTable = unsafe tables.pointee.listeners + listener
        guard unsafe !client.pointee.isOverLimit else {
            unsafe answerWithoutExchange(
                client, status: 429, series: listenerTable.pointee.unrouted, head: head, persists: false)
            return
        }
        let received = unsafe UnsafePointer(client.pointee.input.bytes)
        let origin = unsafe origin(of: client, head, tables)
        let route: Int32
        switch unsafe Admission.decide(
            head, received, fields, origin, listenerTable.pointee.router, tables.pointee.routes)
        {
        case .route(let index): route = index
        case .answer(let status, let persists):
            unsafe answerWithoutExchange(
                client, status: status, series: listenerTable.pointee.unrouted, head: head, persists: persists)
            return
        }
        let series = unsafe listenerTable.pointee.series[Int(route)]
        let id = RequestID(high: random.next(), low: random.next())
        let exchange = unsafe Exchange(
            client: client.pointee.slot, site: site,
            limits: site.pointee.limits(ofListener: client.pointee.listener), route: route,
            listener: Int32(listener), series: series, head: head, id: id, startedAt: now,
            origin: origin)
        guard let slot = exchanges.insert(exchange) else {
            unsafe answerWithoutExchange(client, status: 503, series: series, head: head, persists: false)
            return
        }
        let pointer = unsafe exchanges[slot]
        unsafe pointer.pointee.slot = slot
        if isLast { unsafe pointer.pointee.clientPersists = false }
        if unsafe client.pointee.stream != ClientStream.none || client.pointee.tls != nil {
            unsafe pointer.pointee.isCopied = true
        }
        unsafe client.pointee.exchange = slot
        unsafe site.pointee.exchanges += 1
        fieldsOwner = slot
        if unsafe site.pointee.log != nil {
            unsafe pointer.pointee.trace.fields = LoggedFields(fields, received)
        }
        unsafe act(pointer)
    }

    // MARK: attempts

    /// Picks an endpoint and gets a connection to it.
    mutating func startAttempt(_ exchange: ExchangePointer) {
        let site = unsafe exchange.pointee.site
        unsafe choosePool(exchange)
        let pool = unsafe site.pointee.pools + exchange.pointee.pool
        if unsafe pool.pointee.requests.isLimited, unsafe !admits(exchange, pool) { return }
        if let queue = unsafe pool.pointee.connections.queue {
            unsafe startBoundedAttempt(exchange, pool, queue)
            return
        }
        guard let number = unsafe pick(pool, for: exchange) else {
            unsafe answer(exchange, status: exchange.pointee.attempts == 0 ? 503 : exchange.pointee.failureStatus)
            return
        }
        unsafe enterEndpoint(exchange, pool, number)
        if let connection = unsafe takeIdleConnection(number, for: exchange) {
            unsafe sendRequest(exchange, on: connection)
        } else {
            unsafe connect(exchange)
        }
    }

    /// The exchange counts as a request under way at an endpoint of its pool.
    mutating func enterEndpoint(
        _ exchange: ExchangePointer, _ pool: UnsafeMutablePointer<PoolState>, _ number: UInt32
    ) {
        unsafe exchange.pointee.attempts += 1
        if unsafe exchange.pointee.retry.reason != .none {
            unsafe poolFigures[pool.pointee.number].countRetry(exchange.pointee.retry.reason)
            unsafe exchange.pointee.retry.reason = .none
        }
        let perTry = unsafe route(of: exchange).pointee.retry.perTryNanoseconds
        if perTry != .max { unsafe exchange.pointee.retry.deadline = now + perTry }
        unsafe exchange.pointee.endpoint = number
        unsafe exchange.pointee.trace.begin(at: number, now: now)
        unsafe exchange.pointee.stage = .connecting
        unsafe loads[Int(number)].active &+= 1
        unsafe poolFigures[pool.pointee.number].budget.requestBegan()
        unsafe markHeldBack(pool.pointee.number)
    }

    /// Sends the request on a connection that was idle.
    mutating func sendRequest(_ exchange: ExchangePointer, on connection: ConnectionPointer) {
        unsafe exchange.pointee.connection = connection.pointee.slot
        unsafe connection.pointee.exchange = exchange.pointee.slot
        unsafe sendRequest(exchange, connection)
    }

    /// Why an attempt ended before any byte of a response came.
    enum AttemptFailure {
        /// Nothing was sent: always safe to try again.
        case connect(status: Int)
        /// Nothing was sent, for want of something of this host's own: the endpoint has no part in it.
        case shortage
        /// The connection was broken before a byte of the request was sent.
        case unsent
        /// The connection broke after (part of) the request was sent.
        case broken
        /// The endpoint answered with bytes that are no response.
        case malformed(HTTP1Error)
        case responseTimeout
        /// The connection ended, or turned out to be another kind, before the endpoint looked at the request: GOAWAY of HTTP/2.
        case passedOver
        /// The endpoint has refused to look at the request: REFUSED_STREAM of HTTP/2.
        case refused

        var isOfEndpoint: Bool {
            switch self {
            case .shortage, .passedOver: false
            default: true
            }
        }
    }

    /// The endpoint side failed: another attempt, or an answer of our own.
    mutating func attemptFailed(_ exchange: ExchangePointer, _ failure: AttemptFailure) {
        let number = unsafe exchange.pointee.endpoint
        unsafe exchange.pointee.trace.fail(failure)
        var wasReused = false
        if unsafe exchange.pointee.connection != EndpointConnection.none {
            let connection = unsafe connections[exchange.pointee.connection]
            unsafe wasReused = connection.pointee.isReused
            unsafe closeConnection(connection)
            unsafe exchange.pointee.connection = EndpointConnection.none
        }
        unsafe pipes.give(&exchange.pointee.requestPipe)
        unsafe leaveEndpoint(exchange)
        if case .responseTimeout = failure { unsafe observeLatency(exchange) }
        if failure.isOfEndpoint {
            unsafe endpoints[Int(number)].failures &+= 1
            noteOutcome(of: number, failure, onReusedConnection: wasReused)
            // An idle connection that broke says nothing about the endpoint.
            if !wasReused { unsafe observeFailure(exchange, at: number) }
        }
        unsafe exchange.pointee.failureStatus = failure.status
        switch failure {
        case .connect: suspect(number)
        case .malformed(let error): noteMalformedResponse(number, error)
        case .shortage, .unsent, .broken, .responseTimeout, .passedOver, .refused: break
        }
        if unsafe exchange.pointee.hedge.isUnderWay {
            unsafe continueWithOther(exchange, insteadOf: number)
            return
        }
        if unsafe triesAgain(exchange, failure, at: number, wasReused: wasReused) { return }
        unsafe answer(exchange, status: failure.status)
    }

    /// Connecting failed: other endpoints are preferred for a while.
    mutating func suspect(_ number: UInt32) {
        closeIdleConnections(of: number)
        guard unsafe !endpoints[Int(number)].isSuspected else { return }
        unsafe endpoints[Int(number)].isSuspected = true
        endpointChanged(number)
        wheel.set(number * Timer.kinds + Timer.suspicion, at: now + WorkerLimits.suspicionNanoseconds)
    }

    /// The exchange no longer counts as a request under way at its endpoint.
    private mutating func leaveEndpoint(_ exchange: ExchangePointer) {
        let number = unsafe exchange.pointee.endpoint
        guard number != EndpointConnection.none else { return }
        let site = unsafe exchange.pointee.site
        unsafe leave(number, site.pointee.pools + exchange.pointee.pool)
        unsafe exchange.pointee.endpoint = EndpointConnection.none
    }

    /// A request under way at an endpoint, by its number, is no more.
    mutating func leave(_ number: UInt32, _ pool: UnsafeMutablePointer<PoolState>) {
        unsafe loads[Int(number)].active &-= 1
        unsafe poolFigures[pool.pointee.number].budget.requestEnded()
    }

    // MARK: ends

    /// The response has been passed on whole.
    mutating func finish(_ exchange: ExchangePointer) {
        let client = unsafe clients[exchange.pointee.client]
        let requestIsComplete = unsafe exchange.pointee.hasSentRequest
        if unsafe exchange.pointee.connection != EndpointConnection.none { unsafe freeEndpoint(exchange) }
        let persists = unsafe exchange.pointee.clientPersists && requestIsComplete
        let mayBeSending = unsafe exchange.pointee.head.isPersistent
        let bodyOffset = unsafe exchange.pointee.bodyOffset
        unsafe exchange.pointee.trace.termination = .done
        unsafe release(exchange)
        unsafe client.pointee.input.consume(min(bodyOffset, client.pointee.input.count))
        if requestIsComplete {
            unsafe continueAfterResponse(client, persists: persists, mayBeSending: mayBeSending)
        } else {
            unsafe endClient(client, mayBeSending: true)
        }
    }

    /// The endpoint has done its part: its connection serves others, or ends.
    mutating func freeEndpoint(_ exchange: ExchangePointer) {
        unsafe freeConnection(exchange)
        unsafe endRetry(exchange)
        unsafe endAdmission(exchange)
    }

    /// The same while the request goes on to another one.
    mutating func freeConnection(_ exchange: ExchangePointer) {
        unsafe countAnswer(of: exchange.pointee.endpoint, status: exchange.pointee.status)
        unsafe noteOutcome(of: exchange.pointee.endpoint, isError: exchange.pointee.status >= 500)
        let connection = unsafe connections[exchange.pointee.connection]
        unsafe exchange.pointee.connection = EndpointConnection.none
        let site = unsafe exchange.pointee.site
        let pool = unsafe exchange.pointee.pool
        unsafe leaveEndpoint(exchange)
        if unsafe exchange.pointee.hasSentRequest && exchange.pointee.endpointPersists {
            unsafe makeIdle(connection, idleNanoseconds: site.pointee.pools[pool].connections.idleNanoseconds)
        } else {
            unsafe closeConnection(connection)
        }
    }

    /// Ends the exchange with a response of our own, or by cutting the client off when one has begun already.
    mutating func answer(_ exchange: ExchangePointer, status: Int) {
        if unsafe exchange.pointee.hasAnswered {
            unsafe abandon(exchange, status: exchange.pointee.status)
            return
        }
        let client = unsafe clients[exchange.pointee.client]
        unsafe exchange.pointee.status = status
        unsafe dropConnection(exchange)
        let requestIsComplete = unsafe exchange.pointee.request.isComplete
        let persists = unsafe exchange.pointee.clientPersists && requestIsComplete && !isDraining
        if unsafe isGRPC(client, exchange.pointee.head) {
            unsafe writeGRPCAnswer(
                status, id: answerID(of: exchange), retryAfter: exchange.pointee.retryAfterSeconds)
        } else {
            unsafe writeAnswer(
                status, id: answerID(of: exchange), closes: !persists, hasBody: exchange.pointee.head.method != .head,
                page: errorPage(for: status, exchange), retryAfter: exchange.pointee.retryAfterSeconds)
        }
        let mayBeSending = unsafe !requestIsComplete || exchange.pointee.head.isPersistent
        unsafe releaseAnswered(exchange)
        unsafe sendAnswer(client, persists: persists, mayBeSending: mayBeSending)
    }

    /// Ends the exchange with the response of our own that `writer` holds, and takes the request from the client's input.
    mutating func releaseAnswered(_ exchange: ExchangePointer) {
        let client = unsafe clients[exchange.pointee.client]
        let bodyOffset = unsafe exchange.pointee.bodyOffset
        unsafe exchange.pointee.trace.headBytesOut += writer.headCount
        unsafe exchange.pointee.trace.ownBodyBytesOut = writer.count - writer.headCount
        unsafe release(exchange)
        unsafe client.pointee.input.consume(min(bodyOffset, client.pointee.input.count))
    }

    /// Ends the exchange by closing both sides.
    mutating func abandon(_ exchange: ExchangePointer, status: Int) {
        let client = unsafe clients[exchange.pointee.client]
        unsafe exchange.pointee.status = status
        unsafe exchange.pointee.trace.cut(status: status)
        unsafe dropConnection(exchange)
        unsafe release(exchange)
        // A response cut short must look cut short, also when its length isn't stated.
        if unsafe client.pointee.descriptor >= 0 { unsafe Socket.setReset(client.pointee.descriptor) }
        unsafe client.pointee.isCut = true
        unsafe closeClient(client)
    }

    private mutating func dropConnection(_ exchange: ExchangePointer) {
        if unsafe exchange.pointee.hedge.isUnderWay { unsafe cancelOther(exchange) }
        unsafe leaveEndpoint(exchange)
        if unsafe exchange.pointee.place != .none { unsafe leaveQueue(exchange) }
        guard unsafe exchange.pointee.connection != EndpointConnection.none else { return }
        unsafe closeConnection(connections[exchange.pointee.connection])
        unsafe exchange.pointee.connection = EndpointConnection.none
    }

    /// Counts the exchange and gives back what it holds.
    ///
    /// The request's head must still be at the front of the client's input.
    private mutating func release(_ exchange: ExchangePointer) {
        if let log = unsafe exchange.pointee.site.pointee.log { unsafe logExchange(exchange, log) }
        unsafe endRetry(exchange)
        unsafe endAdmission(exchange)
        unsafe statistics.countRequest(
            series: exchange.pointee.series, status: exchange.pointee.status,
            nanoseconds: now &- exchange.pointee.startedAt)
        unsafe pipes.give(&exchange.pointee.requestPipe)
        unsafe pipes.give(&exchange.pointee.responsePipe)
        if unsafe exchange.pointee.mirror != Mirror.none { unsafe cancelMirror(exchange) }
        let site = unsafe exchange.pointee.site
        let client = unsafe clients[exchange.pointee.client]
        unsafe client.pointee.exchange = Client.noExchange
        unsafe client.pointee.exchangeDeadline = .max
        unsafe client.pointee.phase = .idle
        if unsafe fieldsOwner == exchange.pointee.slot { fieldsOwner = Client.noExchange }
        unsafe exchanges.retire(exchange.pointee.slot)
        unsafe site.pointee.exchanges -= 1
        unsafe releaseIfUnused(site)
    }

    mutating func countAnswer(of number: UInt32, status: Int) {
        let state = unsafe endpoints + Int(number)
        if unsafe state.pointee.answers == nil {
            unsafe state.pointee.answers = .allocate(capacity: Statistics.codes)
            unsafe state.pointee.answers!.initialize(repeating: 0, count: Statistics.codes)
        }
        unsafe state.pointee.answers![min(max(status, 100), 599) - 100] &+= 1
    }

    mutating func exchangeTimedOut(_ exchange: ExchangePointer) {
        switch unsafe exchange.pointee.stage {
        case .connecting where unsafe exchange.pointee.place != .none: unsafe queueTimedOut(exchange)
        case .connecting: unsafe attemptFailed(exchange, .connect(status: 504))
        case .awaitingHead:
            if unsafe exchange.pointee.hedge.isPlanned {
                unsafe beginHedge(exchange)
            } else if unsafe exchange.pointee.hasSentRequest {
                unsafe attemptFailed(exchange, .responseTimeout)
            } else {
                unsafe answer(exchange, status: 408)
            }
        case .relaying:
            if unsafe relayGoesOn(exchange) { return }
            unsafe abandon(exchange, status: exchange.pointee.status)
        }
    }
}
