import Balancing
import EventLoop
import HTTP1
import HTTPMessage
import Telemetry

/// What a route does with a request: an answer of its own, or a pool.
extension ProxyWorker {
    mutating func act(_ exchange: ExchangePointer) {
        let route = unsafe route(of: exchange)
        if let answer = unsafe route.pointee.answer {
            unsafe answerByRoute(exchange, answer)
            return
        }
        if overload.isOver, unsafe route.pointee.isShed {
            unsafe shed(exchange)
            return
        }
        // A tunnel has a connection of its own.
        if unsafe exchange.pointee.head.method == .connect { unsafe exchange.pointee.needsFreshConnection = true }
        let timeout = unsafe route.pointee.requestNanoseconds
        if timeout != .max { unsafe clients[exchange.pointee.client].pointee.exchangeDeadline = now + timeout }
        if unsafe exchange.pointee.head.method == .post { unsafe keepDeadline(exchange) }
        if unsafe exchange.pointee.head.framing != .none { unsafe keepBody(exchange) }
        if let mirror = unsafe route.pointee.mirror { unsafe beginMirror(exchange, mirror) }
        unsafe startAttempt(exchange)
    }

    /// A call of gRPC says how long its client waits: then the exchange is over, too.
    private mutating func keepDeadline(_ exchange: ExchangePointer) {
        let client = unsafe clients[exchange.pointee.client]
        guard unsafe client.pointee.stream != ClientStream.none else { return }
        let received = unsafe UnsafePointer(client.pointee.input.bytes)
        let length = unsafe exchange.pointee.head.length
        guard let value = unsafe GRPCMessage.value(of: "grpc-timeout", received, length),
            let timeout = unsafe GRPCMessage.timeout(value), timeout < UInt64.max / 2,
            unsafe GRPCMessage.isCall(received, length)
        else { return }
        unsafe client.pointee.exchangeDeadline = min(client.pointee.exchangeDeadline, now + timeout)
    }

    func route(of exchange: ExchangePointer) -> UnsafeMutablePointer<CompiledRoute> {
        unsafe exchange.pointee.site.pointee.tables.pointee.routes + Int(exchange.pointee.route)
    }

    // MARK: pools

    /// Of several pools the one that this attempt goes to: by their shares at the first attempt, and by the shares of
    /// the others when the pool in use has no usable endpoint.
    mutating func choosePool(_ exchange: ExchangePointer) {
        let targets = unsafe route(of: exchange).pointee.targets
        if targets.count == 1 {
            unsafe exchange.pointee.pool = targets[0]
            return
        }
        let pools = unsafe exchange.pointee.site.pointee.pools
        if unsafe exchange.pointee.attempts == 0 {
            unsafe exchange.pointee.pool = targets[targets.choose(&random)]
        }
        guard unsafe !hasUsable(pools + exchange.pointee.pool) else { return }
        let (loads, now) = unsafe (loads, now)
        // Without any, the pool stays: it may have endpoints that are only suspected.
        if let place = targets.choose(
            &random,
            where: { pool, random in
                unsafe pools[pool].balancer.hasUsable(loads, now: now, random: &random)
            })
        {
            unsafe exchange.pointee.pool = targets[place]
        }
    }

    // MARK: answers of the route

    /// `redirect` and `respond`. A request body that is there already is passed over; with one that is still to come, the
    /// connection ends after the answer.
    private mutating func answerByRoute(_ exchange: ExchangePointer, _ answer: UnsafePointer<CompiledAnswer>) {
        let client = unsafe clients[exchange.pointee.client]
        guard unsafe passOverBody(exchange, client) else {
            unsafe refuseBody(exchange)
            return
        }
        // `https://{host}/` without a host would name the first segment of the path as one.
        if unsafe answer.pointee.needsHost && exchange.pointee.head.hostLength == 0 {
            unsafe self.answer(exchange, status: 400)
            return
        }
        let isWhole = unsafe exchange.pointee.request.isComplete
        let persists = unsafe exchange.pointee.clientPersists && isWhole && !isDraining
        unsafe writeRouteAnswer(exchange, answer, persists: persists)
        // What one buffer doesn't hold can't wait for a slow client.
        guard writerFitsBuffer else {
            unsafe self.answer(exchange, status: 431)
            return
        }
        unsafe exchange.pointee.status = answer.pointee.status
        unsafe exchange.pointee.trace.termination = .done
        let mayBeSending = unsafe !isWhole || exchange.pointee.head.isPersistent
        unsafe releaseAnswered(exchange)
        unsafe sendAnswer(client, persists: persists, mayBeSending: mayBeSending)
    }

    /// Takes what is held of the request's body.
    ///
    /// - Returns: Whether it is of the right form so far.
    private mutating func passOverBody(_ exchange: ExchangePointer, _ client: ClientPointer) -> Bool {
        while unsafe !exchange.pointee.request.isComplete {
            let offset = unsafe exchange.pointee.bodyOffset
            switch unsafe exchange.pointee.request.next(
                client.pointee.input.bytes + offset, client.pointee.input.count - offset)
            {
            case .send(let count):
                unsafe exchange.pointee.request.advance(count)
                unsafe exchange.pointee.bodyOffset += count
            case .skip(let count): unsafe exchange.pointee.bodyOffset += count
            case .wait: return true
            case .malformed: return false
            }
        }
        return true
    }

    private mutating func writeRouteAnswer(
        _ exchange: ExchangePointer, _ answer: UnsafePointer<CompiledAnswer>, persists: Bool
    ) {
        let answer = unsafe answer.pointee
        let rules = unsafe route(of: exchange).pointee.response
        var request = unsafe view(of: exchange)
        request.status = answer.status
        writer.reset()
        writer.append("HTTP/1.1 ")
        writer.append(decimal: answer.status)
        writer.append(" ")
        writer.append(ReasonPhrase.of(answer.status))
        writer.append("\r\n")
        if answer.contentType.count > 0, !rules.drops("content-type") {
            writer.append("Content-Type: ")
            writer.append(answer.contentType)
            writer.append("\r\n")
        }
        if answer.statesLength {
            writer.append("Content-Length: ")
            writer.append(decimal: answer.body.count)
            writer.append("\r\n")
        }
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
        if answer.location.count > 0, !rules.drops("location") {
            writer.append("Location: ")
            LocationWriter.write(answer.location, request, into: &writer)
            writer.append("\r\n")
        }
        for index in 0..<rules.partCount { request.write(rules[index], in: .field, to: &writer) }
        if !persists {
            writer.append("Connection: close\r\n")
        } else if unsafe exchange.pointee.head.minorVersion == 0 {
            writer.append("Connection: keep-alive\r\n")
        }
        writer.append("\r\n")
        writer.endHead()
        if unsafe exchange.pointee.head.method != .head { writer.append(answer.body) }
    }

    // MARK: answers of the proxy

    /// The route's page for a status, or the site's.
    func errorPage(for status: Int, _ exchange: ExchangePointer) -> UnsafePointer<CompiledErrorPage>? {
        if let page = unsafe route(of: exchange).pointee.errorPages.page(for: status) { return unsafe page }
        return unsafe exchange.pointee.site.pointee.tables.pointee.errorPages.page(for: status)
    }

    /// The current site's page for a status of a request without a route.
    func errorPage(for status: Int) -> UnsafePointer<CompiledErrorPage>? {
        guard let site = unsafe site else { return nil }
        return unsafe site.pointee.tables.pointee.errorPages.page(for: status)
    }

    /// `timeout.request` has passed.
    mutating func requestTimedOut(_ exchange: ExchangePointer) {
        unsafe statistics.countTimedOut(series: exchange.pointee.series)
        let isBlocked = unsafe clients[exchange.pointee.client].pointee.blockedSince > 0
        let isQueued = unsafe exchange.pointee.place != .none && !exchange.pointee.retry.isHeldBack
        unsafe exchange.pointee.trace.termination =
            isBlocked ? .clientTimeout : isQueued ? .queueTimeout : .endpointTimeout
        unsafe answer(exchange, status: 504)
    }
}
