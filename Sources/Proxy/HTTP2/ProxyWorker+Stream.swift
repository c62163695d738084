import EventLoop
import Glibc
import HTTP1
import HTTP2
import HTTPMessage

/// A stream as a client: what a connection reads from and writes to its socket, it reads from its inbox and writes to its
/// session, in the form of HTTP/1.1.
extension ProxyWorker {
    func session(of stream: StreamPointer) -> SessionPointer { unsafe sessions[stream.pointee.session] }

    // MARK: reading

    /// The body as HTTP/1.1 has it, with chunk framing where no length is stated; as `Socket.receive`.
    @inline(never)
    mutating func receiveOnStream(
        _ client: ClientPointer, _ out: UnsafeMutablePointer<UInt8>, _ room: Int
    ) -> Transfer {
        let stream = unsafe streams[client.pointee.stream]
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
            unsafe consume(count, stream)
            return received(written)
        }
        guard unsafe stream.pointee.hasEnded else { return .wouldBlock }
        guard unsafe stream.pointee.isChunked && !stream.pointee.hasReadEnd else { return .endOfStream }
        let trailers = unsafe stream.pointee.trailers.count
        guard trailers + ChunkFrame.endBytes <= room else { return .failed(EMSGSIZE) }
        unsafe stream.pointee.hasReadEnd = true
        var written = unsafe ChunkFrame.writeLast(to: out)
        if trailers > 0 {
            unsafe (out + written).update(from: stream.pointee.trailers.bytes, count: trailers)
            written += trailers
        }
        unsafe buffers.empty(&stream.pointee.trailers)
        unsafe written += ChunkFrame.writeLineEnd(to: out + written)
        return received(written)
    }

    /// The caller counts what it receives; frames have been counted when they came.
    private mutating func received(_ count: Int) -> Transfer {
        statistics.bytesIn &-= UInt64(count)
        return .bytes(count)
    }

    /// The exchange has taken bytes: the peer may send as many more.
    private mutating func consume(_ count: Int, _ stream: StreamPointer) {
        unsafe session(of: stream).pointee.session.consume(count, of: stream.pointee.stream)
        unsafe markSession(stream.pointee.session)
    }

    // MARK: writing

    /// Bytes of the response's body; as `Socket.send`: what the windows and the connection have no room for isn't taken.
    @inline(never)
    mutating func sendOnStream(_ client: ClientPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Transfer {
        let stream = unsafe streams[client.pointee.stream]
        let session = unsafe session(of: stream)
        guard unsafe !session.pointee.isBroken && !session.pointee.session.isClosed(stream.pointee.record) else {
            return .failed(ECONNRESET)
        }
        // The bytes may be the last ones of a body of known length, or of an answer of our own.
        let ends =
            unsafe client.pointee.exchange == Client.noExchange
            || exchanges[client.pointee.exchange].pointee.response.isLast(count)
        let taken = unsafe give(stream, session, bytes, count, ends: ends)
        // The caller counts what it sends; frames are counted when they go.
        statistics.bytesOut &-= UInt64(taken)
        return taken > 0 ? .bytes(taken) : .wouldBlock
    }

    /// - Returns: Bytes taken.
    private mutating func give(
        _ stream: StreamPointer, _ session: SessionPointer, _ bytes: UnsafePointer<UInt8>?, _ count: Int, ends: Bool,
        hasTrailers: Bool = false
    ) -> Int {
        unsafe markSession(session.pointee.slot)
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

    /// `sendComposed` on a stream: the head that `writer` holds becomes a HEADERS frame, what follows it in `writer` or
    /// `body` becomes DATA.
    ///
    /// - Returns: How many bytes of `body` are sent; -1 when the stream is broken.
    @inline(never)
    mutating func sendComposedOnStream(
        _ client: ClientPointer, _ body: UnsafePointer<UInt8>?, _ bodyCount: Int
    ) -> Int {
        let stream = unsafe streams[client.pointee.stream]
        let session = unsafe session(of: stream)
        guard !writer.isOverfull, unsafe !session.pointee.isBroken else { return -1 }
        let (status, linesStart) = writer.statusLine
        let isTunnel = status == 101
        guard
            let linesCount = unsafe sessionFields.fill(
                status: isTunnel ? 200 : status, lines: writer.bytes + linesStart, writer.count - linesStart,
                drops: isTunnel ? "sec-websocket-accept" : nil)
        else { return -1 }
        let headCount = linesStart + linesCount
        let hasExchange = unsafe client.pointee.exchange != Client.noExchange
        let ends =
            unsafe status >= 200 && bodyCount == 0 && headCount == writer.count
            && (!hasExchange || exchanges[client.pointee.exchange].pointee.response.isComplete)
        let isSent = unsafe session.pointee.session.respond(
            stream.pointee.record, status: isTunnel ? 200 : status, sessionFields, endsStream: ends)
        unsafe markSession(session.pointee.slot)
        guard isSent else { return -1 }
        if headCount < writer.count { return unsafe sendOwnBody(client, stream, session, from: headCount) ? 0 : -1 }
        guard let body = unsafe body, bodyCount > 0 else { return 0 }
        let isLast = unsafe hasExchange && exchanges[client.pointee.exchange].pointee.response.isLast(bodyCount)
        let taken = unsafe give(stream, session, body, bodyCount, ends: isLast)
        if taken < bodyCount { unsafe clientIsFull(client) }
        return taken
    }

    /// The body of an answer of our own; what isn't taken waits in the client's output.
    private mutating func sendOwnBody(
        _ client: ClientPointer, _ stream: StreamPointer, _ session: SessionPointer, from start: Int
    ) -> Bool {
        let count = writer.count - start
        let taken = unsafe give(stream, session, writer.bytes + start, count, ends: true)
        guard taken < count else { return true }
        guard unsafe buffers.fill(&client.pointee.output), unsafe count - taken <= client.pointee.output.room else {
            return false
        }
        unsafe client.pointee.output.append(writer.bytes + start + taken, count: count - taken)
        unsafe clientIsFull(client)
        return true
    }

    // MARK: the end

    /// The response is given: ends our side of the stream, with the trailers if there are any, and the stream.
    ///
    /// Without room in the windows even an empty DATA frame waits.
    mutating func endStream(_ client: ClientPointer) {
        let stream = unsafe streams[client.pointee.stream]
        let session = unsafe session(of: stream)
        let handle = unsafe session.pointee.session
        let record = unsafe stream.pointee.record
        unsafe client.pointee.phase = .lingering
        guard unsafe !client.pointee.output.isHeld else {
            unsafe awaitWindow(client)
            return
        }
        if !handle.hasEnded(record), unsafe !session.pointee.isBroken {
            let hasTrailers = unsafe stream.pointee.responseTrailers.count > 2
            _ = unsafe give(stream, session, nil, 0, ends: true, hasTrailers: hasTrailers)
            guard handle.hasEnded(record) else {
                unsafe awaitWindow(client)
                return
            }
            if hasTrailers { unsafe sendTrailers(stream, session) }
        }
        // RFC 9113 §8.1: the rest of the request isn't wanted. The library drops what it hasn't written of a stream that is reset.
        if unsafe !stream.pointee.hasEnded && writesAll(session) { handle.reset(record, .noError) }
        unsafe closeStream(client)
    }

    /// Writes the frames that wait.
    ///
    /// - Returns: Whether all of them are written.
    private mutating func writesAll(_ session: SessionPointer) -> Bool {
        guard unsafe !session.pointee.isBroken && holdFrames(session) else { return false }
        unsafe session.pointee.session.produce(into: &session.pointee.frames)
        return unsafe session.pointee.frames.room >= Session.frameBytesMax
    }

    private mutating func awaitWindow(_ client: ClientPointer) {
        unsafe client.pointee.isWritable = false
        unsafe setDeadline(
            client, now + (limits(of: client)?.pointee.writeNanoseconds ?? WorkerLimits.lingerNanoseconds))
    }

    private mutating func sendTrailers(_ stream: StreamPointer, _ session: SessionPointer) {
        fieldsOwner = Client.noExchange
        let lines = unsafe stream.pointee.responseTrailers
        let isSection = unsafe TrailerSection.parse(
            Span(_unsafeStart: UnsafePointer(lines.bytes), count: lines.count),
            fieldCountMax: FieldScratch.fieldCountMax, into: &fields)
        let isSent =
            unsafe isSection
            && session.pointee.session.sendTrailers(
                stream.pointee.record, fields, UnsafePointer(lines.bytes), &sessionFields)
        if !isSent { unsafe session.pointee.session.reset(stream.pointee.record, .internalError) }
    }

    /// `flush` of a stream: the rest of an answer of our own.
    ///
    /// - Returns: false: when it is taken, the stream is over.
    mutating func flushOnStream(_ client: ClientPointer) -> Bool {
        switch unsafe sendOnStream(client, client.pointee.output.bytes, client.pointee.output.count) {
        case .bytes(let count):
            statistics.bytesOut &+= UInt64(count)
            unsafe client.pointee.output.consume(count)
            guard unsafe client.pointee.output.isEmpty else {
                unsafe clientIsFull(client)
                return false
            }
            unsafe buffers.empty(&client.pointee.output)
            unsafe endStream(client)
        case .wouldBlock: unsafe clientIsFull(client)
        case .failed, .endOfStream: unsafe clientBroke(client)
        }
        return false
    }

    /// Bytes that the peer's kernel has acknowledged. A stream that waits for its own window gets nothing, whatever the
    /// others get.
    func acknowledgedBytes(_ client: ClientPointer) -> UInt64 {
        guard unsafe client.pointee.stream != ClientStream.none else {
            return unsafe Socket.acknowledgedBytes(client.pointee.descriptor)
        }
        let session = unsafe session(of: streams[client.pointee.stream])
        let connection = unsafe clients[session.pointee.client]
        return unsafe connection.pointee.isWritable ? 0 : Socket.acknowledgedBytes(connection.pointee.descriptor)
    }

    /// A stream goes on that has nothing left but to be ended.
    mutating func finishStream(_ client: ClientPointer) {
        if unsafe client.pointee.isWritable { unsafe endStream(client) }
    }

    /// Framing of a chunked response that is left out: of the trailer section its lines are kept.
    mutating func keepTrailers(_ client: ClientPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int) {
        let stream = unsafe streams[client.pointee.stream]
        if unsafe !stream.pointee.responseTrailers.isHeld, unsafe !buffers.fill(&stream.pointee.responseTrailers) {
            return
        }
        // The decoder allows less than a block holds.
        guard unsafe count <= stream.pointee.responseTrailers.room else { return }
        unsafe stream.pointee.responseTrailers.append(bytes, count: count)
    }

    /// `closeClient` of a stream.
    mutating func closeStream(_ client: ClientPointer) {
        let slot = unsafe client.pointee.stream
        let stream = unsafe streams[slot]
        let session = unsafe session(of: stream)
        let handle = unsafe session.pointee.session
        let record = unsafe stream.pointee.record
        if !handle.hasEnded(record) { handle.reset(record, .internalError) }
        // What came for nothing still counts for the connection's window.
        unsafe handle.consume(stream.pointee.inbox.count, of: stream.pointee.stream)
        handle.release(record)
        unsafe markSession(session.pointee.slot)
        unsafe buffers.empty(&stream.pointee.inbox)
        unsafe buffers.empty(&stream.pointee.trailers)
        unsafe buffers.empty(&stream.pointee.responseTrailers)
        unsafe buffers.empty(&client.pointee.input)
        unsafe buffers.empty(&client.pointee.output)
        unsafe unlink(stream, session)
        unsafe session.pointee.streamCount -= 1
        let connection = unsafe clients[session.pointee.client]
        if unsafe session.pointee.streamCount == 0 && connection.pointee.blockedSince == 0,
            let limits = unsafe limits(of: connection)
        {
            unsafe setDeadline(connection, now + limits.pointee.idleNanoseconds)
        }
        let place = unsafe client.pointee.slot
        wheel.cancel(place * Timer.kinds + Timer.client)
        clients.retire(place)
        streams.retire(slot)
    }
}
