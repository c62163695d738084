import EventLoop
import Glibc
import HTTP1
import HTTP2
import HTTPMessage
import NodeAgent
import Telemetry

/// A stream as a connection to an endpoint: what a connection reads from and writes to its socket, it reads from its inbox and
/// writes to its session, in the form of HTTP/1.1.
extension ProxyWorker {
    /// nil: its connection is gone.
    func session(of stream: EndpointStreamPointer) -> EndpointSessionPointer? {
        let slot = unsafe stream.pointee.session
        return slot == EndpointSession.none ? nil : unsafe endpointSessions[slot]
    }

    /// A connection that is a stream of one of the endpoint's sessions; nil when none has room.
    @inline(never)
    mutating func takeStream(_ number: UInt32, for exchange: ExchangePointer? = nil) -> ConnectionPointer? {
        guard let session = unsafe sessionWithRoom(number) else { return nil }
        if let exchange = unsafe exchange, unsafe !exchange.pointee.staysReplayable && isDubious(session) {
            unsafe retire(session)
            return nil
        }
        return unsafe makeStream(on: session)
    }

    /// Whether a session that was idle has something to say: most likely that it ends, perhaps without the GOAWAY that would tell
    /// what becomes of a request. Only of interest to requests that can't be repeated.
    private func isDubious(_ session: EndpointSessionPointer) -> Bool {
        guard
            unsafe session.pointee.state == .open && session.pointee.streamCount == 0
                && now &- session.pointee.receivedAt > WorkerLimits.trustedIdleNanoseconds
        else { return false }
        return unsafe !Socket.isQuiet(connections[session.pointee.connection].pointee.descriptor)
    }

    /// - Returns: nil when there is no slot.
    mutating func makeStream(on session: EndpointSessionPointer) -> ConnectionPointer? {
        guard let slot = unsafe endpointStreams.insert(EndpointStream(session: session.pointee.slot)) else {
            return nil
        }
        var connection = unsafe EndpointConnection(
            descriptor: -1, phase: .connecting, endpoint: session.pointee.endpoint)
        connection.stream = slot
        connection.isWritable = true
        connection.isCounted = false
        // A short read doesn't say that there is no more.
        connection.isPeerClosed = true
        // One that is in use can't be stale.
        unsafe connection.isReused =
            session.pointee.state == .open && session.pointee.hasServed && session.pointee.streamCount == 0
        guard let place = connections.insert(connection) else {
            endpointStreams.retire(slot)
            return nil
        }
        let stream = unsafe endpointStreams[slot]
        unsafe stream.pointee.slot = slot
        unsafe stream.pointee.connection = place
        unsafe connections[place].pointee.slot = place
        unsafe link(stream, session)
        unsafe session.pointee.streamCount += 1
        unsafe session.pointee.pendingCount += 1
        return unsafe connections[place]
    }

    // MARK: requests

    /// Whether a request can go out on its stream now; if not, it is taken care of.
    @inline(never)
    mutating func prepareStream(_ exchange: ExchangePointer, _ connection: ConnectionPointer) -> Bool {
        let stream = unsafe endpointStreams[connection.pointee.stream]
        guard let session = unsafe session(of: stream), unsafe !session.pointee.isBroken else {
            unsafe attemptFailed(exchange, .passedOver)
            return false
        }
        let head = unsafe exchange.pointee.head
        guard unsafe session.pointee.state == .open && (!head.asksForWebSocket || session.pointee.hasSettings) else {
            unsafe stream.pointee.awaitsSettings = session.pointee.state == .open
            unsafe connection.pointee.phase = .connecting
            unsafe setConnectDeadline(exchange)
            return false
        }
        if unsafe head.asksForWebSocket && !session.pointee.session.peerTakesExtendedConnect {
            unsafe refuseTunnel(exchange, connection, "doesn't take WebSocket over HTTP/2 (RFC 8441)")
            return false
        }
        if unsafe head.method == .connect && isTerminated(exchange) {
            unsafe refuseTunnel(exchange, connection, "speaks HTTP/2: no bare connection leads there")
            return false
        }
        unsafe connection.pointee.phase = .busy
        unsafe session.pointee.hasServed = true
        // Nothing of it is spliced.
        unsafe exchange.pointee.isCopied = true
        if head.framing == .chunked { unsafe exchange.pointee.request.dropFraming() }
        if head.framing != .none { unsafe keepBodyForStream(exchange) }
        return true
    }

    private mutating func refuseTunnel(_ exchange: ExchangePointer, _ connection: ConnectionPointer, _ reason: String) {
        if refusalLog.allows(now) {
            let key = unsafe endpointKeys[Int(connection.pointee.endpoint)]
            Log.warning("proxy", "refused a tunnel to \(key.pool)/\(key.address): it \(reason)")
        }
        unsafe answer(exchange, status: 502)
    }

    /// The head that `writer` holds becomes a HEADERS frame, what is there of the body follows as DATA.
    ///
    /// - Returns: Bytes of head and body that were taken; all of the head.
    @inline(never)
    mutating func sendHeadOnStream(
        _ exchange: ExchangePointer, _ connection: ConnectionPointer, _ body: UnsafePointer<UInt8>, _ bodyCount: Int
    ) -> Transfer {
        let hasBody = unsafe exchange.pointee.head.framing != .none || isTunnel(exchange.pointee.head)
        let ends = unsafe exchange.pointee.request.isLast(bodyCount)
        return unsafe sendHeadOnStream(
            connection, writer.bytes, writer.count, body, bodyCount, hasBody: hasBody, ends: ends)
    }

    /// What follows its head is a tunnel's.
    private func isTunnel(_ head: RequestHead) -> Bool { head.method == .connect || head.asksForWebSocket }

    mutating func sendHeadOnStream(
        _ connection: ConnectionPointer, _ composed: UnsafePointer<UInt8>, _ composedCount: Int,
        _ body: UnsafePointer<UInt8>, _ bodyCount: Int, hasBody: Bool, ends: Bool
    ) -> Transfer {
        let stream = unsafe endpointStreams[connection.pointee.stream]
        guard let session = unsafe session(of: stream), unsafe !session.pointee.isBroken else { return .failed(EPIPE) }
        var head = RequestHead()
        fieldsOwner = Client.noExchange
        let limits = HeadLimits(headBytesMax: 65_535, fieldCountMax: FieldScratch.fieldCountMax)
        let outcome = unsafe head.parse(
            Span(_unsafeStart: composed, count: composedCount), limits: limits, fields: &fields)
        guard outcome == .complete else { return .failed(EMSGSIZE) }
        let isSecure = unsafe connections[session.pointee.connection].pointee.tls != nil
        let path = head.originLength > 0 ? (head.originStart, head.originLength) : (head.targetStart, head.targetLength)
        let pseudo = unsafe Session.PseudoFields(
            method: UnsafeBufferPointer(start: composed, count: head.methodLength), isSecure: isSecure,
            authority: UnsafeBufferPointer(start: composed + head.hostStart, count: head.hostLength),
            path: UnsafeBufferPointer(start: composed + path.0, count: path.1), opensWebSocket: head.asksForWebSocket)
        let handle = unsafe session.pointee.session
        guard
            let record = unsafe handle.request(
                pseudo, fields, composed, takesTrailers: head.facts.takesTrailers, endsStream: !hasBody, &sessionFields)
        else {
            unsafe retire(session)
            return .failed(EPIPE)
        }
        unsafe stream.pointee.record = record
        unsafe stream.pointee.stream = handle.stream(of: record)
        unsafe session.pointee.pendingCount -= 1
        handle.setTag(unsafe stream.pointee.slot + 1, of: record)
        statistics.endpointHTTP2.streams &+= 1
        let taken = unsafe give(stream, session, body, bodyCount, ends: ends && hasBody)
        return .bytes(composedCount + taken)
    }

    /// Bytes of the request's body; as `Socket.send`: what the windows and the connection have no room for isn't taken.
    @inline(never)
    mutating func sendOnStream(_ connection: ConnectionPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Transfer
    {
        let stream = unsafe endpointStreams[connection.pointee.stream]
        guard let session = unsafe session(of: stream), unsafe !session.pointee.isBroken && !stream.pointee.isReset,
            unsafe !session.pointee.session.isClosed(stream.pointee.record)
        else { return .failed(ECONNRESET) }
        let ends = unsafe exchanges[connection.pointee.exchange].pointee.request.isLast(count)
        let taken = unsafe give(stream, session, bytes, count, ends: ends)
        return taken > 0 ? .bytes(taken) : .wouldBlock
    }

    /// - Returns: Bytes taken.
    mutating func give(
        _ stream: EndpointStreamPointer, _ session: EndpointSessionPointer, _ bytes: UnsafePointer<UInt8>?,
        _ count: Int,
        ends: Bool, hasTrailers: Bool = false
    ) -> Int {
        unsafe markEndpointSession(session.pointee.slot)
        let handle = unsafe session.pointee.session
        let record = unsafe stream.pointee.record
        var taken = 0
        while true {
            guard unsafe holdFrames(session) else { break }
            let rest = unsafe bytes.map { unsafe $0 + taken }
            taken += unsafe handle.send(
                record, rest, count - taken, ends: ends, hasTrailers: hasTrailers, into: &session.pointee.frames)
            if taken == count && (!ends || handle.hasEnded(record)) { break }
            // Room for frames, and yet not taken: it is the peer's windows that are full.
            if unsafe session.pointee.frames.room >= Session.frameBytesMax { break }
            guard unsafe sendFrames(session) else { break }
        }
        return taken
    }

    /// The request is given: ends our side of the stream, with the trailers if there are any. Without room in the windows even
    /// an empty DATA frame waits.
    @inline(never)
    mutating func endRequest(_ connection: ConnectionPointer) {
        let stream = unsafe endpointStreams[connection.pointee.stream]
        unsafe stream.pointee.wantsEnd = false
        guard let session = unsafe session(of: stream), unsafe !session.pointee.isBroken else { return }
        let handle = unsafe session.pointee.session
        let record = unsafe stream.pointee.record
        guard record != EndpointStream.noRecord, !handle.hasEnded(record) else { return }
        let hasTrailers = unsafe stream.pointee.requestTrailers.count > 2
        _ = unsafe give(stream, session, nil, 0, ends: true, hasTrailers: hasTrailers)
        guard handle.hasEnded(record) else {
            unsafe stream.pointee.wantsEnd = true
            return
        }
        if hasTrailers { unsafe sendTrailers(stream, session) }
        unsafe buffers.empty(&stream.pointee.requestTrailers)
    }

    private mutating func sendTrailers(_ stream: EndpointStreamPointer, _ session: EndpointSessionPointer) {
        fieldsOwner = Client.noExchange
        let lines = unsafe stream.pointee.requestTrailers
        let isSection = unsafe TrailerSection.parse(
            Span(_unsafeStart: UnsafePointer(lines.bytes), count: lines.count),
            fieldCountMax: FieldScratch.fieldCountMax, into: &fields)
        let isSent =
            unsafe isSection
            && session.pointee.session.sendTrailers(
                stream.pointee.record, fields, UnsafePointer(lines.bytes), &sessionFields)
        if !isSent { unsafe session.pointee.session.reset(stream.pointee.record, .internalError) }
    }

    /// Framing of a chunked request that is left out: of the trailer section its lines are kept.
    mutating func keepTrailers(_ connection: ConnectionPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int) {
        let stream = unsafe endpointStreams[connection.pointee.stream]
        if unsafe !stream.pointee.requestTrailers.isHeld, unsafe !buffers.fill(&stream.pointee.requestTrailers) {
            return
        }
        // The decoder allows less than a block holds.
        guard unsafe count <= stream.pointee.requestTrailers.room else { return }
        unsafe stream.pointee.requestTrailers.append(bytes, count: count)
    }

    // MARK: responses

    /// The response as HTTP/1.1 has it, with chunk framing where no length is stated; as `Socket.receive`.
    @inline(never)
    mutating func receiveOnStream(
        _ connection: ConnectionPointer, _ out: UnsafeMutablePointer<UInt8>, _ room: Int
    ) -> Transfer {
        let stream = unsafe endpointStreams[connection.pointee.stream]
        if unsafe stream.pointee.head.isHeld {
            let count = unsafe EndpointStream.take(&stream.pointee.head, out, room)
            if unsafe stream.pointee.head.isEmpty { unsafe buffers.empty(&stream.pointee.head) }
            return .bytes(count)
        }
        if unsafe !stream.pointee.inbox.isEmpty {
            let frame = unsafe stream.pointee.isChunked ? ChunkFrame.bytesMax : 0
            let count = unsafe min(stream.pointee.inbox.count, room - frame)
            guard count > 0 else { return .wouldBlock }
            var written = 0
            if frame > 0 { unsafe written = ChunkFrame.writeSize(count, to: out) }
            unsafe (out + written).update(from: stream.pointee.inbox.bytes, count: count)
            written += count
            if frame > 0 { unsafe written += ChunkFrame.writeLineEnd(to: out + written) }
            unsafe stream.pointee.inbox.consume(count)
            if unsafe stream.pointee.inbox.isEmpty { unsafe buffers.empty(&stream.pointee.inbox) }
            if let session = unsafe session(of: stream) {
                unsafe session.pointee.session.consumeStream(count, of: stream.pointee.stream)
                unsafe markEndpointSession(session.pointee.slot)
            }
            return .bytes(written)
        }
        guard unsafe stream.pointee.hasEnded else {
            return unsafe stream.pointee.isReset ? .failed(ECONNRESET) : .wouldBlock
        }
        guard unsafe stream.pointee.isChunked else { return .endOfStream }
        if unsafe !stream.pointee.hasReadLast {
            guard room >= ChunkFrame.endBytes else { return .wouldBlock }
            unsafe stream.pointee.hasReadLast = true
            var written = unsafe ChunkFrame.writeLast(to: out)
            if unsafe !stream.pointee.trailers.isHeld { unsafe written += ChunkFrame.writeLineEnd(to: out + written) }
            return .bytes(written)
        }
        guard unsafe stream.pointee.trailers.isHeld else { return .endOfStream }
        let count = unsafe EndpointStream.take(&stream.pointee.trailers, out, room)
        if unsafe stream.pointee.trailers.isEmpty { unsafe buffers.empty(&stream.pointee.trailers) }
        return .bytes(count)
    }

    /// Whether a connection is a stream with something that a read would bring, though the last one brought nothing: it may have
    /// had no room for a chunk's frame.
    func hasUnread(_ connection: ConnectionPointer) -> Bool {
        guard unsafe connection.pointee.stream != EndpointStream.none else { return false }
        let stream = unsafe endpointStreams[connection.pointee.stream].pointee
        return stream.head.isHeld || stream.inbox.isHeld || stream.hasEnded || stream.isReset
    }

    /// Something has come on a stream, or nothing will any more.
    mutating func continueReading(_ stream: EndpointStreamPointer) {
        let connection = unsafe connections[stream.pointee.connection]
        unsafe connection.pointee.isReadable = true
        switch unsafe connection.pointee.phase {
        case .busy:
            unsafe bringToFront(connection)
            unsafe readResponse(exchanges[connection.pointee.exchange], connection)
        case .mirroring: unsafe read(mirrors[connection.pointee.exchange], connection)
        case .connecting, .handshake, .idle, .session: break
        }
    }

    // MARK: the end

    /// The attempt that has the stream has failed.
    mutating func fail(_ stream: EndpointStreamPointer, _ failure: AttemptFailure) {
        let connection = unsafe connections[stream.pointee.connection]
        guard unsafe connection.pointee.phase != .mirroring else {
            unsafe fail(mirrors[connection.pointee.exchange])
            return
        }
        let exchange = unsafe exchanges[connection.pointee.exchange]
        unsafe bringToFront(connection)
        guard unsafe exchange.pointee.stage == .relaying else {
            unsafe attemptFailed(exchange, failure)
            return
        }
        if case .malformed(let error) = failure {
            unsafe noteMalformedResponse(connection.pointee.endpoint, error)
            unsafe exchange.pointee.trace.termination = .endpointMalformed
            unsafe abandon(exchange, status: exchange.pointee.status)
        } else {
            unsafe continueReading(stream)
        }
    }

    /// Its session is gone. What has come is still to be read.
    mutating func orphan(_ stream: EndpointStreamPointer, _ session: EndpointSessionPointer) {
        let isPending = unsafe stream.pointee.record == EndpointStream.noRecord
        let isBeyond = unsafe !isPending && stream.pointee.stream > session.pointee.lastStream
        unsafe unlink(stream, session)
        unsafe session.pointee.streamCount -= 1
        if isPending { unsafe session.pointee.pendingCount -= 1 }
        unsafe stream.pointee.session = EndpointSession.none
        unsafe stream.pointee.record = EndpointStream.noRecord
        unsafe stream.pointee.isReset = true
        unsafe stream.pointee.wantsEnd = false
        if isPending || isBeyond {
            unsafe fail(stream, session.pointee.failureOfPassedOver)
        } else if unsafe !stream.pointee.hasEnded {
            unsafe continueReading(stream)
        }
    }

    /// `closeConnection` of a stream. The session goes on.
    ///
    /// - Parameter isDone: The response has been read to its end, and the request was sent whole.
    mutating func closeEndpointStream(_ connection: ConnectionPointer, isDone: Bool) {
        let slot = unsafe connection.pointee.stream
        let stream = unsafe endpointStreams[slot]
        if let session = unsafe session(of: stream) { unsafe leave(session, stream, isDone: isDone) }
        unsafe buffers.empty(&stream.pointee.head)
        unsafe buffers.empty(&stream.pointee.inbox)
        unsafe buffers.empty(&stream.pointee.trailers)
        unsafe buffers.empty(&stream.pointee.requestTrailers)
        endpointStreams.retire(slot)
        unsafe retire(connection)
    }

    private mutating func leave(_ session: EndpointSessionPointer, _ stream: EndpointStreamPointer, isDone: Bool) {
        let handle = unsafe session.pointee.session
        let record = unsafe stream.pointee.record
        if record == EndpointStream.noRecord {
            unsafe session.pointee.pendingCount -= 1
        } else {
            // What the end of a body of known length is followed by comes or doesn't: nobody waits for it.
            let isOver =
                unsafe stream.pointee.isReset || handle.hasEnded(record) && (isDone || stream.pointee.hasEnded)
            if !isOver { handle.reset(record, .cancel) }
            handle.release(record)
            if unsafe !isDone && !stream.pointee.hasEnded && !stream.pointee.isReset { unsafe doubt(session) }
        }
        unsafe unlink(stream, session)
        unsafe session.pointee.streamCount -= 1
        unsafe markEndpointSession(session.pointee.slot)
        let connection = unsafe connections[session.pointee.connection]
        if unsafe session.pointee.streamCount == 0 && session.pointee.state == .open && !session.pointee.isDoubted {
            let number = unsafe Int(session.pointee.endpoint)
            if unsafe !endpoints[number].isEligible || !endpoints[number].isNamed
                || endpoints[number].tlsIdentity != connection.pointee.tlsIdentity
            {
                unsafe retire(session)
            }
            unsafe setDeadline(connection, min(now + session.pointee.idleNanoseconds, connection.pointee.expiresAt))
        }
        noteRoom(unsafe Int(session.pointee.endpoint))
    }
}

extension EndpointStream {
    /// Copies from the front of a buffer.
    ///
    /// - Returns: How many bytes.
    fileprivate static func take(
        _ buffer: inout Buffer, _ out: UnsafeMutablePointer<UInt8>, _ room: Int
    ) -> Int {
        let count = min(buffer.count, room)
        unsafe out.update(from: buffer.bytes, count: count)
        buffer.consume(count)
        return count
    }
}
