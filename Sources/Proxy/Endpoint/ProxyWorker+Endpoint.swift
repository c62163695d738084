import EventLoop
import Glibc
import HTTP1
import NodeAgent
import Snapshot

/// The endpoint side's connections: connect, reuse, close.
extension ProxyWorker {
    mutating func endpointEvent(_ token: Token, _ readiness: Readiness) {
        guard let connection = unsafe connections.element(for: token) else { return }
        if readiness.isReadable { unsafe connection.pointee.isReadable = true }
        if readiness.isWritable { unsafe connection.pointee.isWritable = true }
        if readiness.isPeerClosed { unsafe connection.pointee.isPeerClosed = true }
        // Of a copy it is the number of a mirror.
        if unsafe connection.pointee.exchange != Client.noExchange && connection.pointee.phase != .mirroring {
            unsafe bringToFront(connection)
        }
        switch unsafe connection.pointee.phase {
        case .idle:
            // FIN, RST or bytes that nobody asked for: none of it makes the connection usable.
            if unsafe connection.pointee.isReadable {
                // With TLS the bytes may be a session that is offered.
                if unsafe connection.pointee.tls != nil, unsafe isQuiet(connection) { return }
                if unsafe holdsUnreadOnly(connection) { return }
                unsafe closeConnection(connection)
            }
        case .mirroring: unsafe mirrorEvent(connection, readiness)
        case .session: unsafe endpointSessionEvent(connection, readiness)
        case .connecting:
            if readiness.isWritable || readiness.isError { unsafe connectEnded(connection) }
        case .handshake:
            unsafe continueHandshake(exchanges[connection.pointee.exchange], connection)
        case .busy:
            let exchange = unsafe exchanges[connection.pointee.exchange]
            let slot = unsafe connection.pointee.slot
            let generation = connections.generation(of: slot)
            if readiness.isWritable, unsafe !exchange.pointee.hasSentRequest || connection.pointee.output.isHeld {
                unsafe pumpRequest(exchange)
            }
            // The connection may have ended, and its slot isn't given out again in this turn.
            guard connections.generation(of: slot) == generation,
                unsafe connection.pointee.phase == .busy && connection.pointee.isReadable
            else { return }
            unsafe readResponse(exchange, connection)
        }
    }

    /// The most recently used idle connection to an endpoint, if it will do for this request.
    mutating func takeIdleConnection(_ number: UInt32, for exchange: ExchangePointer) -> ConnectionPointer? {
        if unsafe endpoints[Int(number)].firstSession != EndpointSession.none,
            let stream = unsafe takeStream(number, for: exchange)
        {
            return unsafe stream
        }
        guard unsafe !exchange.pointee.needsFreshConnection else { return nil }
        while unsafe endpoints[Int(number)].idle != EndpointConnection.none {
            let connection = unsafe connections[endpoints[Int(number)].idle]
            if unsafe !exchange.pointee.staysReplayable {
                // All others have been idle for longer.
                guard unsafe isTrusted(connection) else { return nil }
                if unsafe !isQuiet(connection) {
                    unsafe closeConnection(connection)
                    continue
                }
            }
            unsafe takeIdle(connection)
            return unsafe connection
        }
        return nil
    }

    /// Whether a request that can't be replayed may go on an idle connection: the endpoint's close, which would leave open
    /// whether the request was served, is not to be expected yet. That it hasn't come is looked at right before sending.
    func isTrusted(_ connection: ConnectionPointer) -> Bool {
        unsafe now &- connection.pointee.idleSince < WorkerLimits.trustedIdleNanoseconds
    }

    mutating func takeIdle(_ connection: ConnectionPointer) {
        unsafe unlinkIdle(connection)
        unsafe connection.pointee.phase = .busy
        unsafe connection.pointee.isReused = true
    }

    /// - Parameter isCounted: The connection's part of the endpoint's budget is taken already.
    mutating func connect(_ exchange: ExchangePointer, isCounted: Bool = false) {
        guard unsafe pool(of: exchange).pointee.connections.endpointProtocol == .http1 else {
            unsafe connectStream(exchange, isCounted: isCounted)
            return
        }
        unsafe exchange.pointee.trace.connectBeganAt = now
        let number = unsafe exchange.pointee.endpoint
        if !isCounted { _ = unsafe endpoints[Int(number)].budget.pointee.take(countMax: .max) }
        let descriptor: CInt
        let phase: EndpointConnection.Phase
        do {
            switch try openSocket(to: endpointKeys[Int(number)].address) {
            case .connected(let socket): (descriptor, phase) = (socket.release(), .busy)
            case .inProgress(let socket): (descriptor, phase) = (socket.release(), .connecting)
            }
        } catch {
            giveBudget(of: number)
            let shortage = Shortage(error.code)
            if let shortage { count(shortage, error) }
            unsafe attemptFailed(exchange, shortage == nil ? .connect(status: 502) : .shortage)
            return
        }
        var connection = EndpointConnection(descriptor: descriptor, phase: phase, endpoint: number)
        let lifetime = unsafe pool(of: exchange).pointee.connections.lifetimeNanoseconds
        if lifetime != .max { connection.expiresAt = expiry(afterLifetime: lifetime) }
        guard let pointer = unsafe insert(connection) else {
            giveBudget(of: number)
            unsafe attemptFailed(exchange, .shortage)
            return
        }
        unsafe pointer.pointee.exchange = exchange.pointee.slot
        unsafe exchange.pointee.connection = pointer.pointee.slot
        if phase == .busy {
            unsafe exchange.pointee.trace.connectTime = 0
            unsafe pointer.pointee.isWritable = true
            if unsafe pool(of: exchange).pointee.tlsContext != nil {
                unsafe setConnectDeadline(exchange)
                if unsafe beginTLS(exchange, pointer) { return }
            }
            unsafe sendRequest(exchange, pointer)
        } else {
            unsafe setConnectDeadline(exchange)
        }
    }

    mutating func setConnectDeadline(_ exchange: ExchangePointer) {
        let site = unsafe exchange.pointee.site
        let route = unsafe site.pointee.tables.pointee.routes + Int(exchange.pointee.route)
        unsafe setDeadline(
            clients[exchange.pointee.client],
            min(now + route.pointee.connectNanoseconds, exchange.pointee.retry.deadline))
        unsafe watchClient(exchange)
    }

    /// Takes a connection into the worker's tables and watches it.
    ///
    /// - Returns: nil after the descriptor was closed, as there is no slot or no memory for it.
    mutating func insert(_ connection: EndpointConnection) -> ConnectionPointer? {
        guard let slot = connections.insert(connection) else {
            close(connection.descriptor)
            statistics.shortages.memory &+= 1
            return nil
        }
        let pointer = unsafe connections[slot]
        unsafe pointer.pointee.slot = slot
        let token = Token(kind: Kind.endpoint, slot: slot, generation: connections.generation(of: slot))
        do {
            try poller.add(connection.descriptor, token, .stream)
        } catch {
            close(connection.descriptor)
            connections.retire(slot)
            count(.memory, error)
            return nil
        }
        unsafe endpoints[Int(connection.endpoint)].connectionCount += 1
        return unsafe pointer
    }

    private mutating func connectEnded(_ connection: ConnectionPointer) {
        let exchange = unsafe exchanges[connection.pointee.exchange]
        guard unsafe Socket.pendingError(connection.pointee.descriptor) == 0 else {
            unsafe attemptFailed(exchange, .connect(status: 502))
            return
        }
        unsafe exchange.pointee.trace.connectTime = now &- exchange.pointee.trace.connectBeganAt
        unsafe connection.pointee.isWritable = true
        if unsafe beginTLS(exchange, connection) { return }
        unsafe connection.pointee.phase = .busy
        unsafe sendRequest(exchange, connection)
    }

    /// Keeps a connection for the next request, unless that makes no sense.
    mutating func makeIdle(_ connection: ConnectionPointer, idleNanoseconds: UInt64) {
        guard unsafe connection.pointee.stream == EndpointStream.none else {
            unsafe closeEndpointStream(connection, isDone: true)
            return
        }
        let number = Int(unsafe connection.pointee.endpoint)
        guard
            unsafe connection.pointee.input.isEmpty && !connection.pointee.output.isHeld
                && !connection.pointee.isPeerClosed && endpoints[number].isEligible
                && endpoints[number].isNamed && connection.pointee.expiresAt > now
                && endpoints[number].tlsIdentity == connection.pointee.tlsIdentity
                && endpoints[number].idleCount < WorkerLimits.idlePerEndpointMax,
            unsafe isSpent(connection)
        else {
            unsafe closeConnection(connection)
            return
        }
        unsafe buffers.empty(&connection.pointee.input)
        unsafe noteResponse(on: connection)
        unsafe connection.pointee.idleSince = now
        unsafe setDeadline(connection, min(now + idleNanoseconds, connection.pointee.expiresAt))
        unsafe linkIdle(connection)
        noteRoom(number)
    }

    /// Puts a connection first into its endpoint's list of idle ones.
    mutating func linkIdle(_ connection: ConnectionPointer) {
        let number = Int(unsafe connection.pointee.endpoint)
        unsafe connection.pointee.phase = .idle
        if unsafe !connection.pointee.interest.contains(.reading) { unsafe watch(connection, .reading) }
        unsafe connection.pointee.exchange = Client.noExchange
        let first = unsafe endpoints[number].idle
        unsafe connection.pointee.next = first
        unsafe connection.pointee.previous = EndpointConnection.none
        if first != EndpointConnection.none { unsafe connections[first].pointee.previous = connection.pointee.slot }
        unsafe endpoints[number].idle = connection.pointee.slot
        unsafe endpoints[number].idleCount += 1
    }

    /// Whether nothing follows the response that the connection has brought. What does would be taken for the answer to the
    /// next request. The kernel is asked only when the last read left that open.
    private mutating func isSpent(_ connection: ConnectionPointer) -> Bool {
        guard unsafe connection.pointee.isReadable else { return true }
        if unsafe holdsUnreadOnly(connection) { return true }
        unsafe connection.pointee.isReadable = false
        return unsafe isQuiet(connection)
    }

    private mutating func unlinkIdle(_ connection: ConnectionPointer) {
        let number = Int(unsafe connection.pointee.endpoint)
        let (next, previous) = unsafe (connection.pointee.next, connection.pointee.previous)
        if previous == EndpointConnection.none {
            unsafe endpoints[number].idle = next
        } else {
            unsafe connections[previous].pointee.next = next
        }
        if next != EndpointConnection.none {
            unsafe connections[next].pointee.previous = previous
            // The next request takes that one, and changes the one behind it.
            unsafe connections.prefetch(connections[next].pointee.next)
        }
        unsafe endpoints[number].idleCount -= 1
    }

    mutating func closeConnection(_ connection: ConnectionPointer) {
        guard unsafe connection.pointee.stream == EndpointStream.none else {
            unsafe closeEndpointStream(connection, isDone: false)
            return
        }
        if unsafe connection.pointee.phase == .idle { unsafe unlinkIdle(connection) }
        if unsafe connection.pointee.tls != nil { unsafe endTLS(connection) }
        unsafe takeUnread(connection)
        unsafe close(connection.pointee.descriptor)
        let number = unsafe connection.pointee.endpoint
        if unsafe connection.pointee.isCounted { giveBudget(of: number) }
        unsafe endpoints[Int(number)].connectionCount -= 1
        unsafe retire(connection)
    }

    /// Gives back what a connection holds, its descriptor excepted.
    mutating func retire(_ connection: ConnectionPointer) {
        unsafe buffers.empty(&connection.pointee.input)
        unsafe buffers.empty(&connection.pointee.output)
        let slot = unsafe connection.pointee.slot
        wheel.cancel(slot * Timer.kinds + Timer.endpointConnection)
        connections.retire(slot)
    }
}
