import EventLoop
import HTTP1
import HTTPMessage
import NodeAgent
import Telemetry

/// The request on its way to the endpoint: head, then body as it comes.
extension ProxyWorker {
    /// Composes the head and sends it with what is there of the body.
    mutating func sendRequest(_ exchange: ExchangePointer, _ connection: ConnectionPointer) {
        let isStream = unsafe connection.pointee.stream != EndpointStream.none
        if isStream, unsafe !prepareStream(exchange, connection) { return }
        if unsafe exchange.pointee.head.method == .connect && isTerminated(exchange) {
            unsafe openTunnel(exchange)
            return
        }
        let client = unsafe clients[exchange.pointee.client]
        let received = unsafe UnsafePointer(client.pointee.input.bytes)
        unsafe restoreFields(exchange, received)
        let route = unsafe exchange.pointee.site.pointee.tables.pointee.routes + Int(exchange.pointee.route)
        unsafe RequestComposer.write(
            exchange.pointee.head, received, fields, route.pointee.request, route.pointee.rewrite,
            facts(of: exchange, client, route), into: &writer)
        guard !writer.isOverfull else {
            unsafe answer(exchange, status: 431)
            return
        }
        var bodyCount = 0
        let offset = unsafe exchange.pointee.bodyOffset
        if unsafe !exchange.pointee.request.isComplete {
            switch unsafe exchange.pointee.request.next(received + offset, client.pointee.input.count - offset) {
            case .send(let count): bodyCount = count
            case .skip(let count): unsafe exchange.pointee.bodyOffset += count
            case .wait: break
            case .malformed:
                unsafe refuseBody(exchange)
                return
            }
        }
        unsafe exchange.pointee.stage = .awaitingHead
        var sent = 0
        let headCount = writer.count
        let stream = unsafe connection.pointee.tls
        let outcome: Transfer
        if let stream {
            unsafe exchange.pointee.isCopied = true
            outcome = unsafe sendHead(connection, stream, received + offset, bodyCount)
        } else if isStream {
            outcome = unsafe sendHeadOnStream(exchange, connection, received + offset, bodyCount)
        } else {
            outcome = unsafe Socket.send(
                connection.pointee.descriptor, writer.bytes, headCount, received + offset, bodyCount)
            // The request has acknowledged it.
            unsafe takeUnread(connection)
        }
        switch outcome {
        case .bytes(let count): sent = count
        case .wouldBlock: break
        case .failed, .endOfStream:
            unsafe attemptFailed(exchange, .unsent)
            return
        }
        // With TLS a record may have ended, and not the room of the socket.
        let isFull = unsafe stream == nil ? sent < headCount + bodyCount : connection.pointee.output.isHeld
        if isFull {
            unsafe connection.pointee.isWritable = false
            unsafe watch(connection, .stream)
        }
        if sent < headCount {
            guard unsafe keepHead(connection, from: sent) else {
                unsafe answer(exchange, status: 503)
                return
            }
        } else if sent > headCount {
            unsafe exchange.pointee.bodyOffset += sent - headCount
            unsafe exchange.pointee.request.advance(sent - headCount)
            if unsafe exchange.pointee.mirror != Mirror.none {
                unsafe mirrorBody(exchange, received + offset, sent - headCount)
            }
        }
        unsafe setRequestDeadline(exchange, route.pointee.responseNanoseconds)
        unsafe watchClient(exchange)
        if unsafe !exchange.pointee.request.isComplete && !isFull {
            unsafe pumpRequest(exchange)
        }
    }

    /// What an endpoint is called in `Host` when a request names no host; nil for a Unix socket.
    func address(of endpoint: UInt32) -> IPEndpoint? {
        guard case .ip(let address) = endpointKeys[Int(endpoint)].address else { return nil }
        return address
    }

    /// Keeps the unsent rest of a composed head.
    private mutating func keepHead(_ connection: ConnectionPointer, from sent: Int) -> Bool {
        guard unsafe buffers.fill(&connection.pointee.output) else { return false }
        let rest = writer.count - sent
        guard unsafe rest <= connection.pointee.output.room else { return false }
        unsafe connection.pointee.output.append(writer.bytes + sent, count: rest)
        return true
    }

    /// `fields` belongs to the head parsed last; a request that had to wait parses its head again.
    mutating func restoreFields(_ exchange: ExchangePointer, _ received: UnsafePointer<UInt8>) {
        guard unsafe fieldsOwner != exchange.pointee.slot else { return }
        var head = RequestHead()
        let length = unsafe exchange.pointee.head.length
        // The limits of then, not of now: it has been accepted.
        let limits = HeadLimits(headBytesMax: length + 1, fieldCountMax: FieldTable.capacity)
        let outcome = unsafe head.parse(Span(_unsafeStart: received, count: length), limits: limits, fields: &fields)
        precondition(outcome == .complete, "a head that was complete is not any more")
        unsafe fieldsOwner = exchange.pointee.slot
    }

    /// While a request waits, the client's edges are of interest: it may go away. A client that ends its connection with this request
    /// is watched only when something has to wait for it.
    mutating func watchClient(_ exchange: ExchangePointer) {
        if unsafe exchange.pointee.clientPersists || !exchange.pointee.request.isComplete {
            unsafe arm(clients[exchange.pointee.client])
        }
    }

    /// When the request is whole the response is due; until then each step of the body is.
    private mutating func setRequestDeadline(_ exchange: ExchangePointer, _ responseNanoseconds: UInt64) {
        let isSent = unsafe exchange.pointee.hasSentRequest
        if isSent { unsafe exchange.pointee.trace.sentAt = now }
        let wait = unsafe isSent ? responseNanoseconds : exchange.pointee.limits.pointee.bodyIdleNanoseconds
        var deadline = now + wait
        if isSent {
            deadline = unsafe min(deadline, exchange.pointee.retry.deadline)
            if unsafe route(of: exchange).pointee.hedgeNanoseconds != .max {
                deadline = unsafe deadlineWithHedge(exchange, deadline)
            }
        }
        unsafe setDeadline(clients[exchange.pointee.client], deadline)
    }

    mutating func refuseBody(_ exchange: ExchangePointer) {
        let error = unsafe exchange.pointee.request.fault
        unsafe noteMalformedRequest(clients[exchange.pointee.client].pointee.address, error)
        unsafe exchange.pointee.clientPersists = false
        unsafe exchange.pointee.trace.termination = .refused
        unsafe answer(exchange, status: error.status)
    }

    /// Moves the body on until one side would block.
    mutating func pumpRequest(_ exchange: ExchangePointer) {
        let client = unsafe clients[exchange.pointee.client]
        let connection = unsafe connections[exchange.pointee.connection]
        var budget = WorkerLimits.bytesPerTurnMax
        pump: while true {
            guard unsafe connection.pointee.isWritable else { break pump }
            if unsafe connection.pointee.output.isHeld {
                guard unsafe flush(connection, exchange) else { return }
                continue
            }
            if unsafe exchange.pointee.requestPipe.count > 0 {
                switch unsafe Socket.splice(
                    from: &exchange.pointee.requestPipe, to: connection.pointee.descriptor,
                    more: !exchange.pointee.request.isComplete)
                {
                case .bytes(let count): budget -= count
                case .wouldBlock:
                    unsafe connection.pointee.isWritable = false
                    guard unsafe fillRequestPipe(exchange, client) else { return }
                case .failed, .endOfStream:
                    unsafe requestBroke(exchange)
                    return
                }
                continue
            }
            if unsafe exchange.pointee.request.isComplete { break pump }
            let offset = unsafe exchange.pointee.bodyOffset
            let held = unsafe client.pointee.input.count - offset
            switch unsafe exchange.pointee.request.next(client.pointee.input.bytes + offset, held) {
            case .send(let count):
                switch unsafe send(connection, client.pointee.input.bytes + offset, count) {
                case .bytes(let sent):
                    unsafe exchange.pointee.request.advance(sent)
                    unsafe exchange.pointee.bodyOffset += sent
                    if unsafe exchange.pointee.mirror != Mirror.none {
                        unsafe mirrorBody(exchange, client.pointee.input.bytes + offset, sent)
                    }
                    budget -= sent
                    if sent < count { unsafe connection.pointee.isWritable = false }
                case .wouldBlock: unsafe connection.pointee.isWritable = false
                case .failed, .endOfStream:
                    unsafe requestBroke(exchange)
                    return
                }
            case .skip(let count):
                if unsafe connection.pointee.stream != EndpointStream.none {
                    unsafe skipFraming(exchange, connection, client.pointee.input.bytes + offset, count)
                }
                unsafe exchange.pointee.bodyOffset += count
            case .malformed:
                unsafe refuseBody(exchange)
                return
            case .wait:
                guard unsafe client.pointee.isReadable else { break pump }
                if budget <= 0 {
                    unsafe makeReady(client)
                    break pump
                }
                guard unsafe readBody(exchange, client) else { return }
            }
        }
        unsafe watchRequest(exchange, client, connection)
        if unsafe connection.pointee.stream != EndpointStream.none && exchange.pointee.request.isComplete {
            unsafe endRequest(connection)
        }
        // A pipe with bytes in it stays: they go on when the endpoint has room.
        if unsafe exchange.pointee.hasSentRequest { unsafe pipes.give(&exchange.pointee.requestPipe) }
        guard unsafe !exchange.pointee.isTunnel else {
            unsafe tunnelMovedUp(exchange, client, connection)
            return
        }
        guard unsafe exchange.pointee.stage == .awaitingHead else { return }
        let route = unsafe exchange.pointee.site.pointee.tables.pointee.routes + Int(exchange.pointee.route)
        // The endpoint has had no time to answer while the body was on its way.
        let perTry = unsafe route.pointee.retry.perTryNanoseconds
        if perTry != .max { unsafe exchange.pointee.retry.deadline = now + perTry }
        unsafe setRequestDeadline(exchange, route.pointee.responseNanoseconds)
    }

    /// Chunk framing that the endpoint doesn't get.
    @inline(never)
    private mutating func skipFraming(
        _ exchange: ExchangePointer, _ connection: ConnectionPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int
    ) {
        guard unsafe exchange.pointee.request.dropsFraming else { return }
        if unsafe exchange.pointee.request.skipsTrailers { unsafe keepTrailers(connection, bytes, count) }
        if unsafe exchange.pointee.request.isComplete && exchange.pointee.mirror != Mirror.none {
            unsafe mirrorEnd(exchange)
        }
    }

    /// Reads more of the body: into the pipe when it is large and plain, else behind the head.
    ///
    /// - Returns: Whether the exchange goes on.
    private mutating func readBody(_ exchange: ExchangePointer, _ client: ClientPointer) -> Bool {
        if unsafe exchange.pointee.retry.keepsBody { unsafe makeRoomForKept(exchange) }
        let keepsBody = unsafe exchange.pointee.retry.keepsBody
        let isCopied = unsafe exchange.pointee.isCopied || keepsBody || exchange.pointee.mirror != Mirror.none
        let plain = unsafe isCopied ? 0 : exchange.pointee.request.spliceable
        if unsafe plain >= WorkerLimits.spliceBytesMin || exchange.pointee.requestPipe.isHeld && plain > 0 {
            if unsafe !exchange.pointee.requestPipe.isHeld, let pipe = pipes.take() {
                unsafe exchange.pointee.requestPipe = pipe
            }
            if unsafe exchange.pointee.requestPipe.isHeld {
                return unsafe fillRequestPipe(exchange, client)
            }
        }
        if !keepsBody {
            // All of the body that was held is sent: the room behind the head is free.
            let headEnd = unsafe exchange.pointee.head.length
            if unsafe exchange.pointee.bodyOffset > headEnd { unsafe exchange.pointee.retry.hasLostBody = true }
            unsafe client.pointee.input.end -= exchange.pointee.bodyOffset - headEnd
            unsafe exchange.pointee.bodyOffset = headEnd
        }
        if unsafe client.pointee.input.start > 0 { unsafe client.pointee.input.compact() }
        let room = unsafe client.pointee.input.room
        switch unsafe receive(client, client.pointee.input.tail, room) {
        case .bytes(let count):
            unsafe client.pointee.input.end += count
            statistics.bytesIn &+= UInt64(count)
            if unsafe count < room && !client.pointee.isPeerClosed { unsafe client.pointee.isReadable = false }
        case .wouldBlock: unsafe client.pointee.isReadable = false
        case .endOfStream where unsafe exchange.pointee.request.endOfStream(): break
        case .endOfStream, .failed:
            unsafe abandon(exchange, status: 499)
            return false
        }
        return true
    }

    /// Splices as much of the body into the pipe as there is and as it takes.
    ///
    /// - Returns: Whether the exchange goes on.
    private mutating func fillRequestPipe(_ exchange: ExchangePointer, _ client: ClientPointer) -> Bool {
        let held = unsafe exchange.pointee.requestPipe.count
        let count = unsafe Int(min(exchange.pointee.request.spliceable, UInt64(PipePool.pipeBytes - held)))
        guard unsafe count > 0 && client.pointee.isReadable else { return true }
        switch unsafe Socket.splice(
            from: client.pointee.descriptor, into: &exchange.pointee.requestPipe, count: count)
        {
        case .bytes(let moved):
            unsafe exchange.pointee.request.advance(moved)
            unsafe exchange.pointee.requestPace.moved(moved)
            statistics.bytesIn &+= UInt64(moved)
        case .wouldBlock:
            // With bytes in the pipe it may be the pipe that is full.
            guard held == 0 else { break }
            unsafe client.pointee.isReadable = false
            unsafe exchange.pointee.requestPace.emptied()
        case .endOfStream, .failed:
            unsafe abandon(exchange, status: 499)
            return false
        }
        return true
    }

    /// Sends the rest of a composed head to the endpoint.
    private mutating func flush(_ connection: ConnectionPointer, _ exchange: ExchangePointer) -> Bool {
        switch unsafe Socket.send(
            connection.pointee.descriptor, connection.pointee.output.bytes, connection.pointee.output.count)
        {
        case .bytes(let count):
            unsafe connection.pointee.output.consume(count)
            if unsafe connection.pointee.output.isEmpty {
                unsafe buffers.empty(&connection.pointee.output)
            } else {
                unsafe connection.pointee.isWritable = false
            }
            return true
        case .wouldBlock:
            unsafe connection.pointee.isWritable = false
            return true
        case .failed, .endOfStream:
            unsafe requestBroke(exchange)
            return false
        }
    }

    /// The endpoint takes no more of the request. It may have answered before it closed: that answer counts.
    private mutating func requestBroke(_ exchange: ExchangePointer) {
        let connection = unsafe connections[exchange.pointee.connection]
        unsafe connection.pointee.isWritable = false
        unsafe connection.pointee.isPeerClosed = true
        unsafe connection.pointee.isReadable = true
        unsafe exchange.pointee.endpointPersists = false
        unsafe readResponse(exchange, connection)
    }
}
