import EventLoop
import HTTP1
import HTTP2

/// What peers have done on their streams.
extension ProxyWorker {
    mutating func takeSessionEvents() {
        let events = unsafe sessionEvents
        while let event = unsafe events.pointee.next() {
            guard let session = unsafe sessions.occupied(event.owner) else {
                drop(event)
                continue
            }
            unsafe take(event, session)
        }
    }

    private mutating func drop(_ event: SessionEvent) {
        var event = event
        buffers.empty(&event.buffer)
    }

    /// A session is being freed; events of others stay.
    mutating func dropSessionEvents(of slot: UInt32) {
        let events = unsafe sessionEvents
        let count = unsafe events.pointee.count
        for _ in 0..<count {
            guard let event = unsafe events.pointee.next() else { return }
            if event.owner == slot { drop(event) } else { unsafe events.pointee.putBack(event) }
        }
    }

    private mutating func take(_ event: SessionEvent, _ session: SessionPointer) {
        switch event.kind {
        case .allWritable, .settings:
            unsafe unblockStreams(session)
            return
        case .goAway: return
        case .head, .oversizedHead:
            unsafe beginStream(event, session)
            return
        case .data, .trailers, .end, .reset, .writable: break
        }
        let isOfStream = unsafe session.pointee.session.isCurrent(event)
        let slot = isOfStream ? unsafe session.pointee.session.tag(of: event.record) : 0
        guard isOfStream, slot > 0 else {
            drop(event)
            switch event.kind {
            case .data:
                unsafe session.pointee.session.consume(event.count, of: event.stream)
            case .reset where isOfStream: unsafe session.pointee.session.release(event.record)
            default: break
            }
            return
        }
        // Tags are slots plus one: 0 is no tag.
        let stream = unsafe streams[slot - 1]
        let client = unsafe clients[stream.pointee.client]
        switch event.kind {
        case .data: unsafe receive(event, stream, client)
        case .trailers:
            unsafe buffers.empty(&stream.pointee.trailers)
            unsafe stream.pointee.trailers = event.buffer
        case .end:
            unsafe stream.pointee.hasEnded = true
            unsafe client.pointee.isReadable = true
            unsafe continueClient(client)
        case .reset:
            statistics.http2.resets &+= 1
            unsafe clientBroke(client)
        case .writable: if unsafe !client.pointee.isWritable { unsafe unblock(stream) }
        case .head, .oversizedHead, .allWritable, .settings, .goAway: break
        }
    }

    private mutating func receive(_ event: SessionEvent, _ stream: StreamPointer, _ client: ClientPointer) {
        if unsafe !stream.pointee.inbox.isHeld, unsafe !buffers.fill(&stream.pointee.inbox) {
            // The connection's window goes on without it.
            unsafe session(of: stream).pointee.session.consume(event.count, of: event.stream)
            unsafe clientBroke(client)
            return
        }
        if unsafe stream.pointee.inbox.room < event.count { unsafe stream.pointee.inbox.compact() }
        // Windows are no larger than a block.
        unsafe stream.pointee.inbox.append(event.bytes!, count: event.count)
        unsafe client.pointee.isReadable = true
        unsafe continueClient(client)
    }

    // MARK: requests

    /// A request: a client of its own, whose head has come.
    private mutating func beginStream(_ event: SessionEvent, _ session: SessionPointer) {
        let handle = unsafe session.pointee.session
        let connection = unsafe clients[session.pointee.client]
        // Given up in the same breath.
        guard !handle.isClosed(event.record), let site = unsafe site else {
            drop(event)
            return
        }
        guard let client = unsafe insertStream(event, session, connection) else {
            drop(event)
            handle.reset(event.record, .refusedStream)
            handle.release(event.record)
            return
        }
        if event.kind == .oversizedHead {
            unsafe refuse(client, .headTooLarge)
            return
        }
        var head = RequestHead()
        fieldsOwner = Client.noExchange
        let outcome = unsafe head.parse(
            Span(_unsafeStart: client.pointee.input.bytes, count: client.pointee.input.count),
            limits: site.pointee.limits(ofListener: client.pointee.listener).pointee.head, fields: &fields)
        switch outcome {
        case .complete:
            if unsafe client.pointee.early != .none, unsafe waitsForHandshake(client, head) { return }
            unsafe beginExchange(client, head, site)
        case .failed(let error): unsafe refuse(client, error)
        // The session ends every head that it reports with an empty line, within the limits.
        case .incomplete: unsafe refuse(client, .headTooLarge)
        }
    }

    private mutating func insertStream(
        _ event: SessionEvent, _ session: SessionPointer, _ connection: ClientPointer
    ) -> ClientPointer? {
        var client = unsafe Client(
            descriptor: -1, listener: connection.pointee.listener, address: connection.pointee.address)
        client.phase = .head
        // What there is to read is told by events; a short read doesn't say that there is no more.
        client.isReadable = false
        client.isPeerClosed = true
        client.headBeganAt = now
        client.input = event.buffer
        unsafe client.isOverLimit = connection.pointee.isOverLimit
        // What rules and the log say of it; its bytes go through the session.
        unsafe client.tls = connection.pointee.tls
        if unsafe connection.pointee.early != .none { client.early = .reading }
        unsafe client.requests = connection.pointee.requests
        unsafe connection.pointee.requests &+= 1
        let number = unsafe session.pointee.slot
        guard
            let slot = streams.insert(
                ClientStream(
                    session: number, record: event.record, stream: event.stream, isChunked: event.isChunked))
        else { return nil }
        client.stream = slot
        guard let place = clients.insert(client) else {
            streams.retire(slot)
            return nil
        }
        let stream = unsafe streams[slot]
        unsafe stream.pointee.slot = slot
        unsafe stream.pointee.client = place
        unsafe clients[place].pointee.slot = place
        unsafe link(stream, session)
        unsafe session.pointee.streamCount += 1
        unsafe session.pointee.session.setTag(slot + 1, of: event.record)
        statistics.http2.streams &+= 1
        if let limits = unsafe limits(of: connection),
            unsafe connection.pointee.requests >= limits.pointee.requestsPerConnectionMax || client.isOverLimit
        {
            unsafe shutDown(session)
        }
        return unsafe clients[place]
    }
}
