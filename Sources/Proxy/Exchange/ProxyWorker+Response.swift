import EventLoop
import HTTP1
import HTTPMessage
import Telemetry

/// The response on its way to the client: head, then body as it comes.
extension ProxyWorker {
    /// The endpoint has sent something, or closed.
    mutating func readResponse(_ exchange: ExchangePointer, _ connection: ConnectionPointer) {
        guard unsafe exchange.pointee.stage != .relaying else {
            unsafe pumpResponse(exchange)
            return
        }
        while true {
            if unsafe !connection.pointee.input.isHeld, unsafe !buffers.fill(&connection.pointee.input) {
                unsafe answer(exchange, status: 503)
                return
            }
            let room = unsafe min(connection.pointee.input.room, WorkerLimits.firstReadBytes)
            switch unsafe receive(connection, connection.pointee.input.tail, room) {
            case .bytes(let count):
                unsafe connection.pointee.input.end += count
                if unsafe count < room && !connection.pointee.isPeerClosed {
                    unsafe connection.pointee.isReadable = false
                }
                guard unsafe parseResponse(exchange, connection) else { return }
                if unsafe !connection.pointee.isReadable { return }
            case .wouldBlock:
                unsafe connection.pointee.isReadable = false
                if unsafe connection.pointee.input.isEmpty { unsafe buffers.empty(&connection.pointee.input) }
                return
            case .endOfStream, .failed:
                let hadBytes = unsafe !connection.pointee.input.isEmpty
                unsafe attemptFailed(exchange, hadBytes ? .malformed(.truncatedHead) : .broken)
                return
            }
        }
    }

    /// - Returns: Whether the head is still incomplete.
    private mutating func parseResponse(_ exchange: ExchangePointer, _ connection: ConnectionPointer) -> Bool {
        while unsafe !connection.pointee.input.isEmpty {
            var head = ResponseHead()
            fieldsOwner = Client.noExchange
            let outcome = unsafe head.parse(
                Span(_unsafeStart: connection.pointee.input.bytes, count: connection.pointee.input.count),
                limits: exchange.pointee.limits.pointee.head, fields: &fields)
            switch outcome {
            case .incomplete: return true
            case .failed(let error):
                unsafe attemptFailed(exchange, .malformed(error))
                return false
            case .complete: break
            }
            // Only what was asked for may be switched to (RFC 9110 §7.8).
            if head.status == 101, unsafe !(head.switchesToWebSocket && exchange.pointee.head.asksForWebSocket) {
                unsafe attemptFailed(exchange, .malformed(.unaskedSwitch))
                return false
            }
            guard head.isInterim else {
                unsafe beginResponse(exchange, connection, head)
                return false
            }
            guard unsafe passInterim(exchange, connection, head) else { return false }
        }
        return true
    }

    /// 1xx goes on to clients that know it (RFC 9110 §15.2), and the final response follows.
    private mutating func passInterim(
        _ exchange: ExchangePointer, _ connection: ConnectionPointer, _ head: ResponseHead
    ) -> Bool {
        let client = unsafe clients[exchange.pointee.client]
        unsafe exchange.pointee.interimCount += 1
        guard unsafe exchange.pointee.interimCount <= WorkerLimits.interimResponsesMax else {
            unsafe attemptFailed(exchange, .malformed(.tooManyInterimResponses))
            return false
        }
        if unsafe exchange.pointee.head.minorVersion >= 1 {
            if unsafe exchange.pointee.hedge.isUnderWay { unsafe cancelOther(exchange) }
            unsafe compose(exchange, connection, head, closes: false, dropsFraming: false)
            guard unsafe !writer.isOverfull && sendComposed(client, nil, 0) >= 0 else {
                unsafe clientBroke(client)
                return false
            }
            unsafe exchange.pointee.hasSentInterim = true
            unsafe exchange.pointee.trace.headBytesOut += writer.count
        }
        unsafe connection.pointee.input.consume(head.length)
        return true
    }

    private mutating func compose(
        _ exchange: ExchangePointer, _ connection: ConnectionPointer, _ head: ResponseHead, closes: Bool,
        dropsFraming: Bool
    ) {
        let request = unsafe exchange.pointee.head
        var facts = ResponseFacts(
            closes: closes, switchesProtocol: head.status == 101,
            opensTunnel: head.opensTunnel(answering: request.method),
            statesKeepAlive: !closes && request.minorVersion == 0,
            dropsTransferEncoding: dropsFraming || request.minorVersion == 0)
        if unsafe pool(of: exchange).pointee.sticky != nil { facts.cookie = unsafe sessionCookie(exchange) }
        let route = unsafe exchange.pointee.site.pointee.tables.pointee.routes + Int(exchange.pointee.route)
        unsafe ResponseComposer.write(
            head, UnsafePointer(connection.pointee.input.bytes), fields, route.pointee.response, facts, date: date,
            request: route.pointee.response.partCount > 0 ? view(of: exchange) : nil, into: &writer)
    }

    /// The final head is there: decides the framing, sends the head with what is there of the body.
    private mutating func beginResponse(
        _ exchange: ExchangePointer, _ connection: ConnectionPointer, _ head: ResponseHead
    ) {
        if head.status < 500 { unsafe observeLatency(exchange) }
        if unsafe exchange.pointee.hedge.isUnderWay {
            if unsafe losesToOther(exchange, head, connection) { return }
            unsafe poolFigures[poolNumber(of: exchange)].hedgesWon &+= exchange.pointee.hedge.isFirstInFront ? 0 : 1
            unsafe cancelOther(exchange)
        }
        if head.status >= 400, unsafe triesAgain(exchange, insteadOf: head, on: connection) { return }
        let client = unsafe clients[exchange.pointee.client]
        let isTunnel = unsafe head.status == 101 || head.opensTunnel(answering: exchange.pointee.head.method)
        let framing = unsafe isTunnel ? .untilClose : head.framing(answering: exchange.pointee.head.method)
        let isStream = unsafe client.pointee.stream != ClientStream.none
        let dropsFraming = unsafe framing == .chunked && (exchange.pointee.head.minorVersion == 0 || isStream)
        // An answer that comes before the whole request ends the connection: the rest may never come.
        let persists =
            unsafe exchange.pointee.clientPersists && framing != .untilClose && !dropsFraming && !isDraining
            && exchange.pointee.request.isComplete
        unsafe exchange.pointee.clientPersists = persists
        unsafe exchange.pointee.endpointPersists = head.isPersistent && framing != .untilClose
        unsafe exchange.pointee.status = head.status
        unsafe exchange.pointee.response = BodyProgress(framing, dropsFraming: dropsFraming)
        unsafe compose(exchange, connection, head, closes: !persists, dropsFraming: dropsFraming)
        guard !writer.isOverfull else {
            unsafe attemptFailed(exchange, .malformed(.headTooLarge))
            return
        }
        unsafe connection.pointee.input.consume(head.length)
        var bodyCount = 0
        if !dropsFraming, unsafe !connection.pointee.input.isEmpty {
            switch unsafe exchange.pointee.response.next(
                connection.pointee.input.bytes, connection.pointee.input.count)
            {
            case .send(let count): bodyCount = count
            case .skip(let count): unsafe connection.pointee.input.consume(count)
            case .wait: break
            case .malformed:
                unsafe attemptFailed(exchange, .malformed(exchange.pointee.response.fault))
                return
            }
        }
        unsafe exchange.pointee.stage = .relaying
        unsafe exchange.pointee.hasAnswered = true
        unsafe exchange.pointee.trace.headAt = now
        unsafe observeAnswer(exchange)
        unsafe noteLatency(of: exchange.pointee.endpoint, since: exchange.pointee.trace.attemptBeganAt)
        unsafe exchange.pointee.trace.headBytesOut += writer.count
        if isTunnel { unsafe beginTunnel(exchange) }
        let endsBody = unsafe exchange.pointee.response.isComplete || exchange.pointee.response.isLast(bodyCount)
        let sent = unsafe sendComposed(
            client, bodyCount > 0 ? UnsafePointer(connection.pointee.input.bytes) : nil, bodyCount,
            isLast: endsBody && !persists)
        guard sent >= 0 else {
            unsafe clientBroke(client)
            return
        }
        if sent > 0 {
            unsafe exchange.pointee.response.advance(sent)
            unsafe connection.pointee.input.consume(sent)
        }
        if unsafe exchange.pointee.response.isComplete {
            unsafe finish(exchange)
        } else {
            if isTunnel { unsafe makeReady(client) }
            unsafe pumpResponse(exchange)
        }
    }

    /// Moves the body on until one side would block.
    mutating func pumpResponse(_ exchange: ExchangePointer) {
        let client = unsafe clients[exchange.pointee.client]
        guard unsafe exchange.pointee.connection != EndpointConnection.none else {
            unsafe drainPipe(exchange, client)
            return
        }
        let connection = unsafe connections[exchange.pointee.connection]
        var budget = WorkerLimits.bytesPerTurnMax
        unsafe setBodyDeadline(exchange, client)
        while true {
            if unsafe client.pointee.output.isHeld {
                let token = token(of: exchange)
                guard unsafe client.pointee.isWritable, unsafe flush(client) else {
                    // The client may have gone, and the exchange with it.
                    guard unsafe exchanges.element(for: token) != nil else { return }
                    unsafe takeRest(exchange, client, connection)
                    return
                }
            }
            if unsafe exchange.pointee.responsePipe.count > 0 {
                switch unsafe Socket.splice(
                    from: &exchange.pointee.responsePipe, to: client.pointee.descriptor,
                    more: !exchange.pointee.response.isComplete)
                {
                case .bytes(let count):
                    statistics.bytesOut &+= UInt64(count)
                    budget -= count
                    continue
                case .wouldBlock:
                    unsafe clientIsFull(client)
                    unsafe takeRest(exchange, client, connection)
                    return
                case .failed, .endOfStream:
                    unsafe clientBroke(client)
                    return
                }
            }
            if unsafe exchange.pointee.response.isComplete {
                unsafe finish(exchange)
                return
            }
            guard unsafe passBuffered(exchange, client, connection) else { return }
            if unsafe exchange.pointee.response.isComplete || !connection.pointee.input.isEmpty { continue }
            guard unsafe connection.pointee.isReadable || hasUnread(connection) else {
                unsafe buffers.empty(&connection.pointee.input)
                unsafe watchResponse(exchange, connection)
                return
            }
            if budget <= 0 {
                unsafe makeReady(client)
                return
            }
            guard unsafe readResponseBody(exchange, connection) else { return }
        }
    }

    /// Sends what the connection's buffer holds of the body.
    ///
    /// - Returns: Whether the pump goes on.
    private mutating func passBuffered(
        _ exchange: ExchangePointer, _ client: ClientPointer, _ connection: ConnectionPointer
    ) -> Bool {
        while unsafe !connection.pointee.input.isEmpty {
            guard unsafe client.pointee.isWritable else {
                unsafe takeRest(exchange, client, connection)
                return false
            }
            switch unsafe exchange.pointee.response.next(
                connection.pointee.input.bytes, connection.pointee.input.count)
            {
            case .send(let count):
                switch unsafe send(client, connection.pointee.input.bytes, count) {
                case .bytes(let sent):
                    statistics.bytesOut &+= UInt64(sent)
                    unsafe exchange.pointee.response.advance(sent)
                    unsafe connection.pointee.input.consume(sent)
                    if sent < count { unsafe clientIsFull(client) }
                case .wouldBlock: unsafe clientIsFull(client)
                case .failed, .endOfStream:
                    unsafe clientBroke(client)
                    return false
                }
            case .skip(let count):
                if unsafe exchange.pointee.response.skipsTrailers && client.pointee.stream != ClientStream.none {
                    unsafe keepTrailers(client, connection.pointee.input.bytes, count)
                }
                unsafe connection.pointee.input.consume(count)
            case .wait: return true
            case .malformed:
                unsafe bodyMalformed(exchange)
                return false
            }
        }
        return true
    }

    /// The endpoint's chunks are none: the client must see that its answer is cut short.
    mutating func bodyMalformed(_ exchange: ExchangePointer) {
        unsafe noteMalformedResponse(exchange.pointee.endpoint, exchange.pointee.response.fault)
        unsafe exchange.pointee.trace.termination = .endpointMalformed
        unsafe abandon(exchange, status: exchange.pointee.status)
    }

    /// Reads more of the body: into the pipe when it is large and plain, else into the connection's buffer.
    ///
    /// - Returns: Whether the pump goes on.
    private mutating func readResponseBody(_ exchange: ExchangePointer, _ connection: ConnectionPointer) -> Bool {
        if unsafe isSpliced(exchange) && takeResponsePipe(exchange) {
            unsafe buffers.empty(&connection.pointee.input)
            return unsafe fillResponsePipe(exchange, connection)
        }
        if unsafe !connection.pointee.input.isHeld, unsafe !buffers.fill(&connection.pointee.input) {
            unsafe abandon(exchange, status: exchange.pointee.status)
            return false
        }
        var room = unsafe connection.pointee.input.room
        if unsafe clients[exchange.pointee.client].pointee.tls != nil {
            room = min(room, WorkerLimits.encryptedReadBytesMax)
        }
        let result = unsafe receive(connection, connection.pointee.input.tail, room)
        if case .bytes(let count) = result {
            unsafe connection.pointee.input.end += count
            if unsafe count < room && !connection.pointee.isPeerClosed {
                unsafe connection.pointee.isReadable = false
            }
        }
        switch result {
        case .bytes: return true
        case .wouldBlock:
            unsafe connection.pointee.isReadable = false
            return true
        case .endOfStream: return unsafe responseEnded(exchange)
        case .failed:
            unsafe endpointCutShort(exchange)
            return false
        }
    }

    /// Splices as much of the body into the pipe as there is and as it takes.
    ///
    /// - Returns: Whether the exchange goes on.
    mutating func fillResponsePipe(_ exchange: ExchangePointer, _ connection: ConnectionPointer) -> Bool {
        let held = unsafe exchange.pointee.responsePipe.count
        let count = unsafe Int(min(exchange.pointee.response.spliceable, UInt64(PipePool.pipeBytes - held)))
        guard unsafe count > 0 && connection.pointee.isReadable else { return true }
        unsafe countRead(connection)
        switch unsafe Socket.splice(
            from: connection.pointee.descriptor, into: &exchange.pointee.responsePipe, count: count)
        {
        case .bytes(let moved):
            unsafe exchange.pointee.response.advance(moved)
            unsafe exchange.pointee.responsePace.moved(moved)
            return true
        case .wouldBlock:
            unsafe exchange.pointee.responsePace.emptied()
            // With bytes in the pipe it may be the pipe that is full.
            guard held == 0 else { return true }
            unsafe connection.pointee.isReadable = false
            unsafe pipes.give(&exchange.pointee.responsePipe)
            return true
        case .endOfStream: return unsafe responseEnded(exchange)
        case .failed:
            unsafe endpointCutShort(exchange)
            return false
        }
    }

    /// The endpoint has closed: the end of the body, or too early.
    ///
    /// - Returns: Whether the exchange goes on.
    private mutating func responseEnded(_ exchange: ExchangePointer) -> Bool {
        if unsafe exchange.pointee.response.endOfStream() { return true }
        unsafe endpointCutShort(exchange)
        return false
    }

    /// Whether what is to come of the body goes through a pipe.
    mutating func isSpliced(_ exchange: ExchangePointer) -> Bool {
        let plain = unsafe exchange.pointee.isCopied ? 0 : exchange.pointee.response.spliceable
        return unsafe plain >= WorkerLimits.spliceBytesMin || exchange.pointee.responsePipe.isHeld && plain > 0
    }

    mutating func takeResponsePipe(_ exchange: ExchangePointer) -> Bool {
        if unsafe exchange.pointee.responsePipe.isHeld { return true }
        guard let pipe = pipes.take() else { return false }
        unsafe exchange.pointee.responsePipe = pipe
        return true
    }

    /// The endpoint closed within a body: the client must see that, too.
    private mutating func endpointCutShort(_ exchange: ExchangePointer) {
        unsafe endpoints[Int(exchange.pointee.endpoint)].failures &+= 1
        unsafe noteOutcome(of: exchange.pointee.endpoint, isError: true)
        unsafe exchange.pointee.trace.termination = .endpointReset
        unsafe abandon(exchange, status: exchange.pointee.status)
    }
}
