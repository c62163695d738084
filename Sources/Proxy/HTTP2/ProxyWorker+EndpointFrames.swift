import EventLoop
import HTTP2

/// What sessions with endpoints write. Frames gather in one buffer per session and are sent when the turn ends: all requests of
/// one wake-up in one write.
extension ProxyWorker {
    /// Has a session's frames sent before the turn ends.
    mutating func markEndpointSession(_ slot: UInt32) {
        let session = unsafe endpointSessions[slot]
        guard unsafe !session.pointee.isMarked else { return }
        unsafe session.pointee.isMarked = true
        endpointSessionsToFlush.append(slot)
    }

    /// At the end of the turn.
    mutating func flushEndpointSessions() {
        var index = 0
        while index < endpointSessionsToFlush.count {
            let slot = endpointSessionsToFlush[index]
            index += 1
            guard let session = unsafe endpointSessions.occupied(slot), unsafe session.pointee.isMarked else {
                continue
            }
            unsafe session.pointee.isMarked = false
            unsafe flush(session)
            if unsafe !endpointEvents.pointee.isEmpty { takeEndpointEvents() }
        }
        endpointSessionsToFlush.removeAll(keepingCapacity: true)
    }

    private mutating func flush(_ session: EndpointSessionPointer) {
        guard unsafe session.pointee.state == .open else {
            if unsafe session.pointee.isBroken { unsafe closeSession(session) }
            return
        }
        if unsafe session.pointee.isDeaf && !session.pointee.isBroken {
            let connection = unsafe connections[session.pointee.connection]
            unsafe connection.pointee.isReadable = true
            unsafe readSession(session, connection)
            unsafe breakSession(session)
        }
        let isOver = unsafe session.pointee.isShutDown && session.pointee.streamCount == 0
        if isOver && !(unsafe session.pointee.isBroken) { unsafe session.pointee.session.shutDown() }
        while unsafe !session.pointee.isBroken {
            guard unsafe holdFrames(session) else { break }
            unsafe session.pointee.session.produce(into: &session.pointee.frames)
            if unsafe session.pointee.frames.isEmpty { break }
            guard unsafe sendFrames(session) else { break }
        }
        guard unsafe !session.pointee.isBroken && !isOver else {
            unsafe closeSession(session)
            return
        }
        guard unsafe session.pointee.frames.isEmpty else { return }
        unsafe buffers.empty(&session.pointee.frames)
        if unsafe session.pointee.session.isOver { unsafe closeSession(session) }
    }

    /// - Returns: false when there is no buffer: the session is broken.
    mutating func holdFrames(_ session: EndpointSessionPointer) -> Bool {
        if unsafe session.pointee.frames.isHeld { return true }
        if unsafe buffers.fill(&session.pointee.frames) { return true }
        unsafe breakSession(session)
        return false
    }

    /// Sends what is written.
    ///
    /// - Returns: Whether all of it is sent.
    mutating func sendFrames(_ session: EndpointSessionPointer) -> Bool {
        let connection = unsafe connections[session.pointee.connection]
        while unsafe !session.pointee.frames.isEmpty {
            guard unsafe connection.pointee.isWritable else { return false }
            switch unsafe send(connection, session.pointee.frames.bytes, session.pointee.frames.count) {
            case .bytes(let count):
                unsafe session.pointee.frames.consume(count)
                if unsafe !session.pointee.frames.isEmpty { unsafe connection.pointee.isWritable = false }
            case .wouldBlock: unsafe connection.pointee.isWritable = false
            case .failed, .endOfStream:
                unsafe session.pointee.isDeaf = true
                unsafe connection.pointee.isWritable = false
                unsafe buffers.empty(&session.pointee.frames)
                unsafe markEndpointSession(session.pointee.slot)
                return false
            }
        }
        return true
    }

    /// Sends what TLS has encrypted and the socket didn't take.
    ///
    /// - Returns: false when the connection is broken.
    mutating func flushOutput(_ connection: ConnectionPointer) -> Bool {
        switch unsafe Socket.send(
            connection.pointee.descriptor, connection.pointee.output.bytes, connection.pointee.output.count)
        {
        case .bytes(let count): unsafe connection.pointee.output.consume(count)
        case .wouldBlock: break
        case .failed, .endOfStream: return false
        }
        if unsafe connection.pointee.output.isEmpty {
            unsafe buffers.empty(&connection.pointee.output)
        } else {
            unsafe connection.pointee.isWritable = false
        }
        return true
    }

    // MARK: streams that wait

    /// The connection has room: streams that waited for it go on, the one that has waited longest first.
    mutating func unblockStreams(_ session: EndpointSessionPointer) {
        var waiting = 0
        var slot = unsafe session.pointee.first
        while slot != EndpointStream.none {
            if unsafe isBlocked(endpointStreams[slot]) { waiting += 1 }
            slot = unsafe endpointStreams[slot].pointee.next
        }
        while waiting > 0, unsafe !session.pointee.isBroken {
            waiting -= 1
            slot = unsafe session.pointee.first
            while slot != EndpointStream.none, unsafe !isBlocked(endpointStreams[slot]) {
                slot = unsafe endpointStreams[slot].pointee.next
            }
            guard slot != EndpointStream.none else { return }
            let stream = unsafe endpointStreams[slot]
            unsafe unlink(stream, session)
            unsafe link(stream, session)
            unsafe unblock(stream)
        }
    }

    private func isBlocked(_ stream: EndpointStreamPointer) -> Bool {
        unsafe !connections[stream.pointee.connection].pointee.isWritable || stream.pointee.wantsEnd
    }

    /// A stream may send again.
    mutating func unblock(_ stream: EndpointStreamPointer) {
        let connection = unsafe connections[stream.pointee.connection]
        guard unsafe isBlocked(stream) && stream.pointee.record != EndpointStream.noRecord else { return }
        unsafe connection.pointee.isWritable = true
        switch unsafe connection.pointee.phase {
        case .busy:
            unsafe bringToFront(connection)
            unsafe pumpRequest(exchanges[connection.pointee.exchange])
        case .mirroring: unsafe send(mirrors[connection.pointee.exchange], connection)
        case .connecting, .handshake, .idle, .session: break
        }
    }

    func link(_ stream: EndpointStreamPointer, _ session: EndpointSessionPointer) {
        let last = unsafe session.pointee.last
        unsafe stream.pointee.previous = last
        unsafe stream.pointee.next = EndpointStream.none
        if last == EndpointStream.none {
            unsafe session.pointee.first = stream.pointee.slot
        } else {
            unsafe endpointStreams[last].pointee.next = stream.pointee.slot
        }
        unsafe session.pointee.last = stream.pointee.slot
    }

    func unlink(_ stream: EndpointStreamPointer, _ session: EndpointSessionPointer) {
        let (next, previous) = unsafe (stream.pointee.next, stream.pointee.previous)
        if previous == EndpointStream.none {
            unsafe session.pointee.first = next
        } else {
            unsafe endpointStreams[previous].pointee.next = next
        }
        if next == EndpointStream.none {
            unsafe session.pointee.last = previous
        } else {
            unsafe endpointStreams[next].pointee.previous = previous
        }
    }
}
