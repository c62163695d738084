import EventLoop
import HTTP2

/// What sessions write. Frames gather in one buffer per session and are sent when the turn ends: all answers of one
/// wake-up in one write.
extension ProxyWorker {
    /// Has a session's frames sent before the turn ends.
    mutating func markSession(_ slot: UInt32) {
        let session = unsafe sessions[slot]
        guard unsafe !session.pointee.isMarked else { return }
        unsafe session.pointee.isMarked = true
        sessionsToFlush.append(slot)
    }

    /// At the end of the turn.
    mutating func flushSessions() {
        var index = 0
        // Sending may open windows' worth of events and mark sessions again.
        while index < sessionsToFlush.count {
            let slot = sessionsToFlush[index]
            index += 1
            guard let session = unsafe sessions.occupied(slot) else { continue }
            unsafe session.pointee.isMarked = false
            unsafe flush(session)
            if unsafe !sessionEvents.pointee.isEmpty { takeSessionEvents() }
        }
        sessionsToFlush.removeAll(keepingCapacity: true)
    }

    private mutating func flush(_ session: SessionPointer) {
        let client = unsafe clients[session.pointee.client]
        while unsafe !session.pointee.isBroken {
            guard unsafe holdFrames(session) else { break }
            unsafe session.pointee.session.produce(into: &session.pointee.frames)
            if unsafe session.pointee.frames.isEmpty { break }
            guard unsafe sendFrames(session) else { break }
        }
        guard unsafe !session.pointee.isBroken else {
            unsafe closeClient(client)
            return
        }
        guard unsafe session.pointee.frames.isEmpty else { return }
        unsafe buffers.empty(&session.pointee.frames)
        if unsafe session.pointee.session.isOver { unsafe session.pointee.isEnding = true }
        if unsafe session.pointee.isEnding { unsafe finishSession(client) }
    }

    /// Everything is said: closes as after the last response of HTTP/1.1.
    private mutating func finishSession(_ client: ClientPointer) {
        unsafe endSession(client)
        unsafe client.pointee.phase = .idle
        unsafe endClient(client, mayBeSending: true)
    }

    /// - Returns: false when there is no buffer: the session is broken.
    mutating func holdFrames(_ session: SessionPointer) -> Bool {
        if unsafe session.pointee.frames.isHeld { return true }
        if unsafe buffers.fill(&session.pointee.frames) { return true }
        unsafe session.pointee.isBroken = true
        return false
    }

    /// Sends what is written.
    ///
    /// - Returns: Whether all of it is sent.
    mutating func sendFrames(_ session: SessionPointer) -> Bool {
        let client = unsafe clients[session.pointee.client]
        while unsafe !session.pointee.frames.isEmpty {
            guard unsafe client.pointee.isWritable else { return false }
            switch unsafe send(client, session.pointee.frames.bytes, session.pointee.frames.count) {
            case .bytes(let count):
                statistics.bytesOut &+= UInt64(count)
                unsafe session.pointee.frames.consume(count)
                if unsafe !session.pointee.frames.isEmpty { unsafe sessionIsFull(client) }
            case .wouldBlock: unsafe sessionIsFull(client)
            case .failed, .endOfStream:
                unsafe breakSession(session)
                return false
            }
        }
        // With TLS what the socket didn't take is kept, encrypted.
        if unsafe client.pointee.output.isHeld { unsafe sessionIsFull(client) }
        return true
    }

    private mutating func sessionIsFull(_ client: ClientPointer) {
        unsafe client.pointee.isWritable = false
        unsafe watch(client, client.pointee.interest.union(.writing))
        unsafe arm(client)
        guard unsafe client.pointee.blockedSince == 0 else { return }
        unsafe client.pointee.blockedSince = now
        unsafe client.pointee.blockedAcknowledged = Socket.acknowledgedBytes(client.pointee.descriptor)
        unsafe setDeadline(
            client, now + (limits(of: client)?.pointee.writeNanoseconds ?? WorkerLimits.lingerNanoseconds))
    }

    /// The socket takes bytes again, or there is something to read.
    mutating func continueSession(_ client: ClientPointer) {
        let slot = unsafe client.pointee.session
        let session = unsafe sessions[slot]
        if unsafe client.pointee.isWritable && session.pointee.frames.isHeld {
            if unsafe sendFrames(session) { unsafe unblockStreams(session) }
            markSession(slot)
        }
        unsafe readSession(client)
    }

    // MARK: streams that wait

    /// The connection has room: streams that waited for it go on, the most urgent ones first (RFC 9218 §10).
    mutating func unblockStreams(_ session: SessionPointer) {
        var waiting = 0
        var slot = unsafe session.pointee.first
        while slot != ClientStream.none {
            if unsafe !clients[streams[slot].pointee.client].pointee.isWritable { waiting += 1 }
            slot = unsafe streams[slot].pointee.next
        }
        guard waiting > 0 else { return }
        for urgency in 0..<8 where waiting > 0 {
            slot = unsafe session.pointee.first
            let end = unsafe session.pointee.last
            while slot != ClientStream.none {
                let stream = unsafe streams[slot]
                let isLast = slot == end
                let next = unsafe stream.pointee.next
                let client = unsafe clients[stream.pointee.client]
                if unsafe !client.pointee.isWritable,
                    unsafe Int(session.pointee.session.urgency(of: stream.pointee.record)) == urgency
                {
                    waiting -= 1
                    // Of several that are as urgent, another one comes first the next time.
                    unsafe unlink(stream, session)
                    unsafe link(stream, session)
                    unsafe streamIsWritable(client)
                    if unsafe session.pointee.isBroken { return }
                }
                if isLast { break }
                slot = next
            }
        }
    }

    private mutating func streamIsWritable(_ client: ClientPointer) {
        unsafe client.pointee.isWritable = true
        unsafe client.pointee.blockedSince = 0
        unsafe continueClient(client)
    }

    /// A stream's own window has grown.
    mutating func unblock(_ stream: StreamPointer) { unsafe streamIsWritable(clients[stream.pointee.client]) }

    func link(_ stream: StreamPointer, _ session: SessionPointer) {
        let last = unsafe session.pointee.last
        unsafe stream.pointee.previous = last
        unsafe stream.pointee.next = ClientStream.none
        if last == ClientStream.none {
            unsafe session.pointee.first = stream.pointee.slot
        } else {
            unsafe streams[last].pointee.next = stream.pointee.slot
        }
        unsafe session.pointee.last = stream.pointee.slot
    }

    func unlink(_ stream: StreamPointer, _ session: SessionPointer) {
        let (next, previous) = unsafe (stream.pointee.next, stream.pointee.previous)
        if previous == ClientStream.none {
            unsafe session.pointee.first = next
        } else {
            unsafe streams[previous].pointee.next = next
        }
        if next == ClientStream.none {
            unsafe session.pointee.last = previous
        } else {
            unsafe streams[next].pointee.previous = previous
        }
    }
}
