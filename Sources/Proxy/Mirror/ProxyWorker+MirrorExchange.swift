import Balancing
import EventLoop
import Glibc
import HTTP1
import HTTPMessage
import NodeAgent
import Snapshot

/// A copy and its endpoint: connect, send, read the answer and throw it away. There are no retries.
extension ProxyWorker {
    /// At the end of a turn: copies that are whole begin.
    mutating func sendMirrors() {
        for index in mirrorsToSend.indices { unsafe start(mirrors[mirrorsToSend[index]]) }
        mirrorsToSend.removeAll(keepingCapacity: true)
    }

    private mutating func start(_ mirror: UnsafeMutablePointer<Mirror>) {
        let pool = unsafe mirror.pointee.site.pointee.pools + mirror.pointee.settings.pointee.pool
        // Requests that wait for the pool's endpoints come first.
        if let queue = unsafe pool.pointee.connections.queue, unsafe !queue.pointee.isEmpty {
            unsafe cancel(mirror, .noEndpoint)
            return
        }
        guard case .room(let number, var room) = unsafe findRoom(pool, for: nil) else {
            unsafe cancel(mirror, .noEndpoint)
            return
        }
        unsafe mirror.pointee.endpoint = number
        unsafe loads[Int(number)].active &+= 1
        // There is no second attempt: a connection that its endpoint has closed is found out before.
        if case .connection(let idle) = room, unsafe idle.pointee.stream == EndpointStream.none && !isQuiet(idle) {
            unsafe replace(idle)
            room = .newConnection
        }
        switch room {
        case .connection(let connection):
            unsafe connection.pointee.phase = .mirroring
            unsafe attach(connection, to: mirror)
            unsafe send(mirror, connection)
        // Also for TLS alone, whose handshake is there.
        case .newConnection
        where unsafe pool.pointee.connections.endpointProtocol != .http1 || pool.pointee.tlsContext != nil:
            unsafe openSession(mirror, pool, number)
        case .newConnection: unsafe open(mirror, number, lifetime: pool.pointee.connections.lifetimeNanoseconds)
        }
    }

    private mutating func openSession(
        _ mirror: UnsafeMutablePointer<Mirror>, _ pool: UnsafeMutablePointer<PoolState>, _ number: UInt32
    ) {
        let time = unsafe mirror.pointee.timeNanoseconds
        switch unsafe openSession(to: number, pool, connectNanoseconds: time, isCounted: true) {
        case .unreachable:
            suspect(number)
            unsafe fail(mirror)
        case .shortage: unsafe cancel(mirror, .shortage)
        case .session(let session):
            guard let stream = unsafe makeStream(on: session) else {
                unsafe cancel(mirror, .shortage)
                return
            }
            unsafe stream.pointee.phase = .mirroring
            unsafe attach(stream, to: mirror)
            unsafe mirror.pointee.phase = .connecting
            if unsafe connections[session.pointee.connection].pointee.isWritable { unsafe sessionConnected(session) }
        }
    }

    mutating func attach(_ connection: ConnectionPointer, to mirror: UnsafeMutablePointer<Mirror>) {
        unsafe mirror.pointee.connection = connection.pointee.slot
        unsafe connection.pointee.exchange = mirror.pointee.slot
        unsafe setDeadline(connection, now + mirror.pointee.timeNanoseconds)
    }

    private mutating func open(_ mirror: UnsafeMutablePointer<Mirror>, _ number: UInt32, lifetime: UInt64) {
        let descriptor: CInt
        let isConnected: Bool
        do throws(SocketError) {
            // Not `openSocket`: a copy is no reason to close another connection.
            switch try Socket.connect(to: endpointKeys[Int(number)].address) {
            case .connected(let socket): (descriptor, isConnected) = (socket.release(), true)
            case .inProgress(let socket): (descriptor, isConnected) = (socket.release(), false)
            }
        } catch {
            giveBudget(of: number)
            if Shortage(error.code) == nil {
                suspect(number)
                unsafe fail(mirror)
            } else {
                unsafe cancel(mirror, .shortage)
            }
            return
        }
        var connection = EndpointConnection(descriptor: descriptor, phase: .mirroring, endpoint: number)
        if lifetime != .max { connection.expiresAt = expiry(afterLifetime: lifetime) }
        guard let pointer = unsafe insert(connection) else {
            giveBudget(of: number)
            unsafe cancel(mirror, .shortage)
            return
        }
        unsafe attach(pointer, to: mirror)
        if isConnected {
            unsafe pointer.pointee.isWritable = true
            unsafe send(mirror, pointer)
        } else {
            unsafe mirror.pointee.phase = .connecting
        }
    }

    /// Edges of a copy's connection have been noted in it.
    mutating func mirrorEvent(_ connection: ConnectionPointer, _ readiness: Readiness) {
        let mirror = unsafe mirrors[connection.pointee.exchange]
        let slot = unsafe connection.pointee.slot
        let generation = connections.generation(of: slot)
        if unsafe mirror.pointee.phase == .connecting {
            guard readiness.isWritable || readiness.isError else { return }
            guard unsafe Socket.pendingError(connection.pointee.descriptor) == 0 else {
                suspect(unsafe connection.pointee.endpoint)
                unsafe fail(mirror)
                return
            }
            unsafe send(mirror, connection)
        } else if readiness.isWritable, unsafe mirror.pointee.phase == .sending {
            unsafe send(mirror, connection)
        }
        guard connections.generation(of: slot) == generation,
            unsafe connection.pointee.phase == .mirroring && connection.pointee.isReadable
        else { return }
        unsafe read(mirror, connection)
    }

    /// Connecting, sending and reading have taken too long.
    mutating func mirrorTimedOut(_ connection: ConnectionPointer) {
        let mirror = unsafe mirrors[connection.pointee.exchange]
        if unsafe mirror.pointee.phase == .connecting { suspect(unsafe connection.pointee.endpoint) }
        unsafe fail(mirror)
    }

    mutating func send(_ mirror: UnsafeMutablePointer<Mirror>, _ connection: ConnectionPointer) {
        guard unsafe connection.pointee.stream == EndpointStream.none else {
            unsafe sendOnStream(mirror, connection)
            return
        }
        unsafe mirror.pointee.phase = .sending
        while unsafe mirror.pointee.sentBlocks < mirror.pointee.blockCount {
            let block = unsafe mirror.pointee.sentBlocks
            let count = unsafe mirror.pointee.blocks[block].count
            switch unsafe send(connection, mirror.pointee.blocks[block].bytes, count) {
            case .bytes(let sent):
                unsafe mirror.pointee.blocks[block].consume(sent)
                guard sent == count else {
                    unsafe watch(connection, .stream)
                    return
                }
                unsafe buffers.empty(&mirror.pointee.blocks[block])
                unsafe mirror.pointee.sentBlocks += 1
            case .wouldBlock:
                unsafe watch(connection, .stream)
                return
            case .failed, .endOfStream:
                unsafe fail(mirror)
                return
            }
        }
        unsafe mirror.pointee.phase = .reading
    }

    /// The same on a stream: chunk framing stays behind.
    private mutating func sendOnStream(_ mirror: UnsafeMutablePointer<Mirror>, _ connection: ConnectionPointer) {
        let stream = unsafe endpointStreams[connection.pointee.stream]
        guard let session = unsafe session(of: stream), unsafe !stream.pointee.isReset else {
            unsafe fail(mirror)
            return
        }
        guard unsafe session.pointee.state == .open else {
            unsafe mirror.pointee.phase = .connecting
            return
        }
        unsafe mirror.pointee.phase = .sending
        if unsafe stream.pointee.record == EndpointStream.noRecord {
            guard unsafe beginOnStream(mirror, connection, session) else {
                unsafe fail(mirror)
                return
            }
        }
        while unsafe mirror.pointee.sentBlocks < mirror.pointee.blockCount {
            let block = unsafe mirror.pointee.sentBlocks
            let bytes = unsafe mirror.pointee.blocks[block].isEmpty ? nil : mirror.pointee.blocks[block].bytes
            guard let bytes = unsafe bytes else {
                unsafe buffers.empty(&mirror.pointee.blocks[block])
                unsafe mirror.pointee.sentBlocks += 1
                continue
            }
            switch unsafe mirror.pointee.request.next(bytes, mirror.pointee.blocks[block].count) {
            case .send(let count):
                let ends = unsafe mirror.pointee.request.isLast(count)
                let sent = unsafe give(stream, session, bytes, count, ends: ends)
                unsafe mirror.pointee.request.advance(sent)
                unsafe mirror.pointee.blocks[block].consume(sent)
                guard sent == count else {
                    unsafe connection.pointee.isWritable = false
                    return
                }
            case .skip(let count): unsafe mirror.pointee.blocks[block].consume(count)
            case .wait, .malformed:
                unsafe fail(mirror)
                return
            }
        }
        unsafe endRequest(connection)
        if unsafe !stream.pointee.wantsEnd { unsafe mirror.pointee.phase = .reading }
    }

    /// The head of a copy goes out.
    private mutating func beginOnStream(
        _ mirror: UnsafeMutablePointer<Mirror>, _ connection: ConnectionPointer, _ session: EndpointSessionPointer
    ) -> Bool {
        var head = RequestHead()
        fieldsOwner = Client.noExchange
        let bytes = unsafe UnsafePointer(mirror.pointee.blocks[0].bytes)
        let limits = HeadLimits(headBytesMax: 65_535, fieldCountMax: FieldTable.capacity)
        let outcome = unsafe head.parse(
            Span(_unsafeStart: bytes, count: mirror.pointee.blocks[0].count), limits: limits, fields: &fields)
        guard outcome == .complete else { return false }
        unsafe mirror.pointee.request = BodyProgress(head.framing, dropsFraming: head.framing == .chunked)
        let sent = unsafe sendHeadOnStream(
            connection, bytes, head.length, bytes, 0, hasBody: head.framing != .none, ends: false)
        guard case .bytes = sent else { return false }
        unsafe session.pointee.hasServed = true
        unsafe mirror.pointee.blocks[0].consume(head.length)
        return true
    }

    // MARK: the answer

    mutating func read(_ mirror: UnsafeMutablePointer<Mirror>, _ connection: ConnectionPointer) {
        while true {
            if unsafe !connection.pointee.input.isHeld, unsafe !buffers.fill(&connection.pointee.input) {
                unsafe fail(mirror)
                return
            }
            unsafe connection.pointee.input.compact()
            let room = unsafe connection.pointee.input.room
            switch unsafe receive(connection, connection.pointee.input.tail, room) {
            case .bytes(let count):
                unsafe connection.pointee.input.end += count
                if unsafe count < room && !connection.pointee.isPeerClosed {
                    unsafe connection.pointee.isReadable = false
                }
                guard unsafe throwAway(mirror, connection) else { return }
                if unsafe !connection.pointee.isReadable { break }
                continue
            case .wouldBlock: unsafe connection.pointee.isReadable = false
            case .endOfStream, .failed:
                if unsafe mirror.pointee.hasHead && mirror.pointee.answer.endOfStream() {
                    unsafe finish(mirror, connection, keeps: false)
                } else {
                    unsafe fail(mirror)
                }
                return
            }
            if unsafe connection.pointee.input.isEmpty { unsafe buffers.empty(&connection.pointee.input) }
            return
        }
    }

    /// - Returns: Whether more of the answer is to come.
    private mutating func throwAway(_ mirror: UnsafeMutablePointer<Mirror>, _ connection: ConnectionPointer) -> Bool {
        while unsafe !mirror.pointee.hasHead {
            guard unsafe !connection.pointee.input.isEmpty else { return true }
            var head = ResponseHead()
            fieldsOwner = Client.noExchange
            let outcome = unsafe head.parse(
                Span(_unsafeStart: connection.pointee.input.bytes, count: connection.pointee.input.count),
                limits: mirror.pointee.site.pointee.limits(ofListener: Client.unknownListener).pointee.head,
                fields: &fields)
            if outcome == .incomplete { return true }
            unsafe mirror.pointee.interimCount += head.isInterim ? 1 : 0
            guard outcome == .complete, head.status != 101,
                unsafe mirror.pointee.interimCount <= WorkerLimits.interimResponsesMax
            else {
                unsafe fail(mirror)
                return false
            }
            unsafe connection.pointee.input.consume(head.length)
            if head.isInterim { continue }
            let framing = unsafe head.framing(answering: mirror.pointee.method)
            unsafe mirror.pointee.hasHead = true
            unsafe mirror.pointee.status = head.status
            unsafe mirror.pointee.answer = BodyProgress(framing)
            unsafe mirror.pointee.endpointPersists = head.isPersistent && framing != .untilClose
        }
        while unsafe !mirror.pointee.answer.isComplete && !connection.pointee.input.isEmpty {
            switch unsafe mirror.pointee.answer.next(connection.pointee.input.bytes, connection.pointee.input.count) {
            case .send(let count):
                unsafe mirror.pointee.answer.advance(count)
                unsafe connection.pointee.input.consume(count)
            case .skip(let count): unsafe connection.pointee.input.consume(count)
            case .wait: return true
            case .malformed:
                unsafe fail(mirror)
                return false
            }
        }
        if unsafe mirror.pointee.answer.isComplete {
            let isSent = unsafe mirror.pointee.phase == .reading
            unsafe finish(mirror, connection, keeps: isSent && mirror.pointee.endpointPersists)
            return false
        }
        // More isn't worth reading only to be thrown away: a new connection is cheaper.
        guard unsafe mirror.pointee.answer.moved < WorkerLimits.mirrorAnswerBytesMax else {
            unsafe finish(mirror, connection, keeps: false)
            return false
        }
        return true
    }

    /// The answer has come, or as much of it as anyone wants.
    private mutating func finish(
        _ mirror: UnsafeMutablePointer<Mirror>, _ connection: ConnectionPointer, keeps: Bool
    ) {
        unsafe mirrorFigures[mirror.pointee.settings.pointee.number].answered &+= 1
        unsafe countAnswer(of: mirror.pointee.endpoint, status: mirror.pointee.status)
        if keeps {
            let pool = unsafe mirror.pointee.site.pointee.pools + mirror.pointee.settings.pointee.pool
            let idle = unsafe pool.pointee.connections.idleNanoseconds
            unsafe mirror.pointee.connection = EndpointConnection.none
            unsafe makeIdle(connection, idleNanoseconds: idle)
        }
        unsafe end(mirror)
    }
}
