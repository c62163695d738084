import EventLoop
import HTTP1
import HTTP2
import NodeAgent
import TLS
import Telemetry

/// What endpoints do on their sessions: bytes to the session, and its events to streams.
extension ProxyWorker {
    /// The socket of an open session can be read or written.
    mutating func continueSession(_ session: EndpointSessionPointer, _ connection: ConnectionPointer) {
        if unsafe connection.pointee.isWritable && connection.pointee.output.isHeld, unsafe !flushOutput(connection) {
            unsafe breakSession(session)
            return
        }
        if unsafe connection.pointee.isWritable && session.pointee.frames.isHeld {
            if unsafe sendFrames(session) { unsafe unblockStreams(session) }
            unsafe markEndpointSession(session.pointee.slot)
        }
        if unsafe connection.pointee.isReadable { unsafe readSession(session, connection) }
    }

    /// Reads what there is, as long as the peer takes what is written, up to its share of a turn: windows bound bodies alone.
    mutating func readSession(_ session: EndpointSessionPointer, _ connection: ConnectionPointer) {
        var budget = WorkerLimits.bytesPerTurnMax
        while unsafe connection.pointee.isReadable && !session.pointee.isBroken {
            if budget <= 0 {
                // Watched anew, the socket says again that there is something.
                unsafe poller.change(
                    connection.pointee.descriptor, token(of: connection), connection.pointee.interest)
                return
            }
            // Answers pile up otherwise.
            guard unsafe !session.pointee.frames.isHeld || connection.pointee.isWritable else { return }
            guard unsafe buffers.fill(&connection.pointee.input) else {
                unsafe breakSession(session)
                return
            }
            let room = unsafe connection.pointee.input.room
            switch unsafe receive(connection, connection.pointee.input.tail, room) {
            case .bytes(let count):
                unsafe connection.pointee.input.end += count
                budget -= count
                if unsafe count < room && !connection.pointee.isPeerClosed {
                    unsafe connection.pointee.isReadable = false
                }
                unsafe receiveFrames(session, connection)
            case .wouldBlock: unsafe connection.pointee.isReadable = false
            case .endOfStream, .failed:
                unsafe connection.pointee.isReadable = false
                unsafe breakSession(session)
            }
            unsafe buffers.empty(&connection.pointee.input)
        }
    }

    /// Gives what the connection's buffer holds to the session, and acts on it.
    private mutating func receiveFrames(_ session: EndpointSessionPointer, _ connection: ConnectionPointer) {
        unsafe session.pointee.receivedAt = now
        let wasDoubted = unsafe session.pointee.isDoubted
        unsafe session.pointee.isDoubted = false
        let outcome = unsafe session.pointee.session.receive(
            connection.pointee.input.bytes, connection.pointee.input.count, now: now, &buffers)
        takeEndpointEvents()
        if wasDoubted {
            unsafe setDeadline(connection, min(now + session.pointee.idleNanoseconds, connection.pointee.expiresAt))
            noteRoom(unsafe Int(session.pointee.endpoint))
        }
        unsafe markEndpointSession(session.pointee.slot)
        switch outcome {
        case .fine: if unsafe session.pointee.session.isOver { unsafe breakSession(session) }
        case .abuse(let reason):
            statistics.endpointHTTP2.abuse[Int(reason.rawValue)] &+= 1
            unsafe logEnd(session, "HTTP/2 limit \(reason.reason)")
            unsafe breakSession(session)
        case .notHTTP2:
            unsafe logEnd(session, "what it says is not HTTP/2")
            unsafe breakSession(session)
        case .outOfMemory: unsafe breakSession(session)
        }
    }

    private mutating func logEnd(_ session: EndpointSessionPointer, _ reason: String) {
        guard refusalLog.allows(now) else { return }
        let key = unsafe endpointKeys[Int(session.pointee.endpoint)]
        Log.warning("proxy", "ended a connection to \(key.pool)/\(key.address): \(reason)")
    }

    // MARK: events

    mutating func takeEndpointEvents() {
        let events = unsafe endpointEvents
        while let event = unsafe events.pointee.next() {
            guard let session = unsafe endpointSessions.occupied(event.owner) else {
                dropEndpointEvent(event)
                continue
            }
            unsafe take(event, session)
        }
    }

    private mutating func dropEndpointEvent(_ event: SessionEvent) {
        var event = event
        buffers.empty(&event.buffer)
    }

    /// A session is being freed; events of others stay.
    mutating func dropEndpointEvents(of slot: UInt32) {
        let events = unsafe endpointEvents
        let count = unsafe events.pointee.count
        for _ in 0..<count {
            guard let event = unsafe events.pointee.next() else { return }
            if event.owner == slot { dropEndpointEvent(event) } else { unsafe events.pointee.putBack(event) }
        }
    }

    private mutating func take(_ event: SessionEvent, _ session: EndpointSessionPointer) {
        switch event.kind {
        case .allWritable:
            unsafe unblockStreams(session)
            return
        case .settings:
            unsafe settingsCame(session)
            return
        case .goAway:
            unsafe session.pointee.lastStream = event.lastStream
            statistics.endpointHTTP2.goAways &+= 1
            unsafe retire(session)
            return
        case .head, .oversizedHead, .data, .trailers, .end, .reset, .writable: break
        }
        let isOfStream = unsafe session.pointee.session.isCurrent(event)
        let slot = isOfStream ? unsafe session.pointee.session.tag(of: event.record) : 0
        guard isOfStream, slot > 0 else {
            dropEndpointEvent(event)
            if event.kind == .data { unsafe session.pointee.session.consume(event.count, of: event.stream) }
            return
        }
        // Tags are slots plus one: 0 is no tag.
        let stream = unsafe endpointStreams[slot - 1]
        switch event.kind {
        case .head: unsafe take(head: event, stream)
        case .data: unsafe take(data: event, stream)
        case .trailers: unsafe take(trailers: event, stream)
        case .end:
            unsafe stream.pointee.hasEnded = true
            unsafe continueReading(stream)
        case .reset: unsafe wasReset(event, stream, session)
        case .writable: unsafe unblock(stream)
        case .oversizedHead, .allWritable, .settings, .goAway: break
        }
    }

    private mutating func settingsCame(_ session: EndpointSessionPointer) {
        unsafe session.pointee.hasSettings = true
        var slot = unsafe session.pointee.first
        while slot != EndpointStream.none {
            unsafe endpointStreams[slot].pointee.awaitsSettings = false
            slot = unsafe endpointStreams[slot].pointee.next
        }
        unsafe beginStreams(session)
        unsafe unblockStreams(session)
        // Servers say so before they go. A session that never has room would stay for its idle time, one for each request.
        if unsafe session.pointee.session.peerStreamsMax == 0 { unsafe retire(session) }
        // It may take more streams than before.
        noteRoom(unsafe Int(session.pointee.endpoint))
    }

    private mutating func take(head event: SessionEvent, _ stream: EndpointStreamPointer) {
        unsafe buffers.empty(&stream.pointee.head)
        unsafe stream.pointee.head = event.buffer
        let connection = unsafe connections[stream.pointee.connection]
        if unsafe !event.isInterim && connection.pointee.phase == .busy
            && exchanges[connection.pointee.exchange].pointee.head.asksForWebSocket
        {
            unsafe switchProtocol(stream, exchanges[connection.pointee.exchange])
        }
        if !event.isInterim { unsafe stream.pointee.isChunked = event.isChunked }
        unsafe continueReading(stream)
    }

    /// A 2xx to extended CONNECT is to HTTP/1.1 the 101 that was asked for (RFC 8441 §5).
    private mutating func switchProtocol(_ stream: EndpointStreamPointer, _ exchange: ExchangePointer) {
        let received = unsafe stream.pointee.head
        guard received.count > 9, unsafe received.bytes[9] == 0x32 else { return }
        var lineBytes = 0
        while lineBytes < received.count, unsafe received.bytes[lineBytes] != 0x0a { lineBytes += 1 }
        lineBytes += 1
        var head = Buffer()
        guard buffers.fill(&head) else { return }
        let line: StaticString =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: "
        unsafe head.append(line.utf8Start, count: line.utf8CodeUnitCount)
        let client = unsafe clients[exchange.pointee.client]
        let key = unsafe GRPCMessage.value(
            of: "sec-websocket-key", UnsafePointer(client.pointee.input.bytes), exchange.pointee.head.length)
        unsafe WebSocketAccept.write(key ?? UnsafeBufferPointer(start: nil, count: 0), to: head.tail)
        head.end += WebSocketAccept.byteCount
        head.end += unsafe ChunkFrame.writeLineEnd(to: head.tail)
        let rest = received.count - lineBytes
        if rest <= head.room {
            unsafe head.append(received.bytes + lineBytes, count: rest)
            unsafe stream.pointee.head = head
            head = received
        }
        buffers.empty(&head)
    }

    private mutating func take(data event: SessionEvent, _ stream: EndpointStreamPointer) {
        // The connection's window isn't for one to hold: others would wait for a client that doesn't read. What is kept for it is
        // bounded by the stream's own.
        if let session = unsafe session(of: stream) {
            unsafe session.pointee.session.consumeConnection(event.count)
            unsafe markEndpointSession(session.pointee.slot)
        }
        // What is missing by now must not look as if it weren't.
        guard unsafe !stream.pointee.isReset else { return }
        if unsafe !stream.pointee.inbox.isHeld, unsafe !buffers.fill(&stream.pointee.inbox) {
            unsafe giveUp(stream)
            return
        }
        if unsafe stream.pointee.inbox.room < event.count { unsafe stream.pointee.inbox.compact() }
        // Windows are no larger than a block.
        unsafe stream.pointee.inbox.append(event.bytes!, count: event.count)
        unsafe continueReading(stream)
    }

    private mutating func take(trailers event: SessionEvent, _ stream: EndpointStreamPointer) {
        unsafe buffers.empty(&stream.pointee.trailers)
        unsafe stream.pointee.trailers = event.buffer
        guard unsafe stream.pointee.trailers.room >= 2 else {
            unsafe giveUp(stream)
            return
        }
        unsafe stream.pointee.trailers.end += ChunkFrame.writeLineEnd(to: stream.pointee.trailers.tail)
    }

    /// There is no memory for what has come.
    private mutating func giveUp(_ stream: EndpointStreamPointer) {
        if let session = unsafe session(of: stream) {
            unsafe session.pointee.session.reset(stream.pointee.record, .internalError)
            unsafe markEndpointSession(session.pointee.slot)
        }
        unsafe stream.pointee.isReset = true
        unsafe continueReading(stream)
    }

    /// The stream is gone, whoever reset it. A response that has come whole before is still good (RFC 9113 §8.1).
    private mutating func wasReset(
        _ event: SessionEvent, _ stream: EndpointStreamPointer, _ session: EndpointSessionPointer
    ) {
        statistics.endpointHTTP2.resets &+= 1
        unsafe stream.pointee.isReset = true
        if unsafe stream.pointee.hasEnded {
            // Sending will fail, if it is still under way.
            unsafe unblock(stream)
            return
        }
        // RFC 9113 §8.7: what was refused, or is beyond the last stream, hasn't been looked at.
        let isBeyond = unsafe event.stream > session.pointee.lastStream
        if event.isUnsent || isBeyond {
            unsafe fail(stream, session.pointee.failureOfPassedOver)
        } else if event.code == Session.ErrorCode.refusedStream.rawValue {
            unsafe fail(stream, .refused)
        } else if event.isMalformed {
            unsafe fail(stream, .malformed(.malformedMessage))
        } else {
            // The connection was no stale one: it has just brought this.
            unsafe connections[stream.pointee.connection].pointee.isReused = false
            unsafe continueReading(stream)
        }
    }
}
