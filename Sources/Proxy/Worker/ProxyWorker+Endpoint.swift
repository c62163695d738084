import EventLoop
import Glibc
import HTTP1
import NodeAgent

/// The endpoint side's connections: connect, reuse, close.
extension ProxyWorker {
    mutating func endpointEvent(_ token: Token, _ readiness: Readiness) {
        guard let connection = unsafe connections.element(for: token) else { return }
        if readiness.isReadable { unsafe connection.pointee.isReadable = true }
        if readiness.isWritable { unsafe connection.pointee.isWritable = true }
        if readiness.isPeerClosed { unsafe connection.pointee.isPeerClosed = true }
        switch unsafe connection.pointee.phase {
        case .idle:
            // FIN, RST or bytes that nobody asked for: none of it makes the connection usable.
            if unsafe connection.pointee.isReadable { unsafe closeConnection(connection) }
        case .connecting:
            if readiness.isWritable || readiness.isError { unsafe connectEnded(connection) }
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
    ///
    /// A request that can't be replayed never goes on a connection that the endpoint may have closed: that is
    /// looked at once more, right before sending.
    mutating func takeIdleConnection(_ number: UInt32, for exchange: ExchangePointer) -> ConnectionPointer? {
        guard unsafe !exchange.pointee.needsFreshConnection else { return nil }
        while unsafe endpoints[Int(number)].idle != EndpointConnection.none {
            let connection = unsafe connections[endpoints[Int(number)].idle]
            if unsafe !exchange.pointee.isReplayable && !Socket.isQuiet(connection.pointee.descriptor) {
                unsafe closeConnection(connection)
                continue
            }
            unsafe unlinkIdle(connection)
            unsafe connection.pointee.phase = .busy
            unsafe connection.pointee.isReused = true
            return unsafe connection
        }
        return nil
    }

    mutating func connect(_ exchange: ExchangePointer) {
        unsafe exchange.pointee.trace.connectBeganAt = now
        let number = unsafe exchange.pointee.endpoint
        let address = endpointKeys[Int(number)].address
        let descriptor: CInt
        let phase: EndpointConnection.Phase
        do {
            switch try Socket.connect(to: address) {
            case .connected(let socket): (descriptor, phase) = (socket.release(), .busy)
            case .inProgress(let socket): (descriptor, phase) = (socket.release(), .connecting)
            }
        } catch {
            unsafe attemptFailed(exchange, .connect(status: 502))
            return
        }
        let connection = EndpointConnection(descriptor: descriptor, phase: phase, endpoint: number)
        guard let slot = connections.insert(connection) else {
            close(descriptor)
            unsafe attemptFailed(exchange, .connect(status: 503))
            return
        }
        let pointer = unsafe connections[slot]
        unsafe pointer.pointee.slot = slot
        unsafe pointer.pointee.exchange = exchange.pointee.slot
        unsafe exchange.pointee.connection = slot
        let token = Token(kind: Kind.endpoint, slot: slot, generation: connections.generation(of: slot))
        do {
            try poller.add(descriptor, token, .stream)
        } catch {
            unsafe attemptFailed(exchange, .connect(status: 503))
            return
        }
        if phase == .busy {
            unsafe exchange.pointee.trace.connectTime = 0
            unsafe pointer.pointee.isWritable = true
            unsafe sendRequest(exchange, pointer)
        } else {
            let site = unsafe exchange.pointee.site
            let route = unsafe site.pointee.tables.pointee.routes + Int(exchange.pointee.route)
            unsafe setDeadline(clients[exchange.pointee.client], now + route.pointee.connectNanoseconds)
            unsafe watchClient(exchange)
        }
    }

    private mutating func connectEnded(_ connection: ConnectionPointer) {
        let exchange = unsafe exchanges[connection.pointee.exchange]
        guard unsafe Socket.pendingError(connection.pointee.descriptor) == 0 else {
            unsafe attemptFailed(exchange, .connect(status: 502))
            return
        }
        unsafe exchange.pointee.trace.connectTime = now &- exchange.pointee.trace.connectBeganAt
        unsafe connection.pointee.phase = .busy
        unsafe connection.pointee.isWritable = true
        unsafe sendRequest(exchange, connection)
    }

    /// Keeps a connection for the next request, unless that makes no sense.
    mutating func makeIdle(_ connection: ConnectionPointer, idleNanoseconds: UInt64) {
        let number = Int(unsafe connection.pointee.endpoint)
        guard
            unsafe connection.pointee.input.isEmpty && !connection.pointee.output.isHeld
                && !connection.pointee.isPeerClosed && endpoints[number].isEligible
                && endpoints[number].idleCount < WorkerLimits.idlePerEndpointMax
        else {
            unsafe closeConnection(connection)
            return
        }
        unsafe buffers.empty(&connection.pointee.input)
        unsafe connection.pointee.phase = .idle
        if unsafe !connection.pointee.interest.contains(.reading) { unsafe watch(connection, .reading) }
        unsafe connection.pointee.exchange = Client.noExchange
        let first = unsafe endpoints[number].idle
        unsafe connection.pointee.next = first
        unsafe connection.pointee.previous = EndpointConnection.none
        if first != EndpointConnection.none { unsafe connections[first].pointee.previous = connection.pointee.slot }
        unsafe endpoints[number].idle = connection.pointee.slot
        unsafe endpoints[number].idleCount += 1
        unsafe setDeadline(connection, now + idleNanoseconds)
    }

    private mutating func unlinkIdle(_ connection: ConnectionPointer) {
        let number = Int(unsafe connection.pointee.endpoint)
        let (next, previous) = unsafe (connection.pointee.next, connection.pointee.previous)
        if previous == EndpointConnection.none {
            unsafe endpoints[number].idle = next
        } else {
            unsafe connections[previous].pointee.next = next
        }
        if next != EndpointConnection.none { unsafe connections[next].pointee.previous = previous }
        unsafe endpoints[number].idleCount -= 1
    }

    mutating func closeConnection(_ connection: ConnectionPointer) {
        if unsafe connection.pointee.phase == .idle { unsafe unlinkIdle(connection) }
        unsafe close(connection.pointee.descriptor)
        unsafe buffers.empty(&connection.pointee.input)
        unsafe buffers.empty(&connection.pointee.output)
        let slot = unsafe connection.pointee.slot
        wheel.cancel(slot * Timer.kinds + Timer.endpointConnection)
        connections.retire(slot)
    }
}
