import Balancing
import EventLoop
import NodeLink

/// Room at endpoints: what is left of `connections.max`, and who learns of it.
extension ProxyWorker {
    /// A request's leave to use an endpoint.
    @safe
    enum Room {
        /// One that was idle; taken from its endpoint's list.
        case connection(ConnectionPointer)
        /// A part of the endpoint's budget, taken for a connection that is to be opened.
        case newConnection
    }

    enum RoomSearch {
        /// At the endpoint with that number.
        case room(UInt32, Room)
        /// There are endpoints that could serve the request, and each has as many connections as it may have.
        case full
        /// No endpoint is up and not draining, or the only one has just failed the request.
        case unusable
    }

    func pool(of exchange: ExchangePointer) -> UnsafeMutablePointer<PoolState> {
        let site = unsafe exchange.pointee.site
        return unsafe site.pointee.pools + exchange.pointee.pool
    }

    /// Looks for room at the endpoints of a pool in the balancer's order; full ones are passed over.
    ///
    /// - Parameter exchange: Whose request it is for; nil for one that this worker can't look at.
    mutating func findRoom(_ pool: UnsafeMutablePointer<PoolState>, for exchange: ExchangePointer?) -> RoomSearch {
        var isAnyFull = false
        defer { if isAnyFull { unsafe restore(pool) } }
        while let number = unsafe pick(pool, for: exchange) {
            // With all others full, a suspected one is not tried: waiting is better.
            if isAnyFull, unsafe endpoints[Int(number)].isSuspected { return .full }
            if let room = unsafe takeRoom(number, pool.pointee.connections, for: exchange) {
                return .room(number, room)
            }
            exclude(number)
            isAnyFull = true
        }
        return isAnyFull ? .full : .unusable
    }

    private mutating func takeRoom(
        _ number: UInt32, _ limits: CompiledConnections, for exchange: ExchangePointer?
    ) -> Room? {
        let state = unsafe endpoints + Int(number)
        if let exchange = unsafe exchange {
            if let connection = unsafe takeIdleConnection(number, for: exchange) {
                return unsafe .connection(connection)
            }
        } else if unsafe state.pointee.firstSession != EndpointSession.none, let stream = unsafe takeStream(number) {
            return unsafe .connection(stream)
        } else if unsafe state.pointee.idle != EndpointConnection.none {
            let connection = unsafe connections[state.pointee.idle]
            unsafe takeIdle(connection)
            return unsafe .connection(connection)
        }
        if limits.isShared {
            if unsafe state.pointee.connectionCount < limits.countMax {
                _ = unsafe state.pointee.budget.pointee.take(countMax: .max)
                return .newConnection
            }
        } else if unsafe state.pointee.budget.pointee.take(countMax: limits.countMax) {
            return .newConnection
        }
        // Idle, but not good enough for this request: a fresh one takes its place.
        guard unsafe state.pointee.idle != EndpointConnection.none else { return nil }
        let connection = unsafe connections[state.pointee.idle]
        unsafe takeIdle(connection)
        unsafe replace(connection)
        return .newConnection
    }

    /// Closes a connection and keeps its part of the budget.
    mutating func replace(_ connection: ConnectionPointer) {
        unsafe connection.pointee.isCounted = false
        unsafe closeConnection(connection)
    }

    /// Nobody could use the room.
    mutating func giveBack(_ room: Room, of number: UInt32) {
        switch room {
        case .connection(let connection) where unsafe connection.pointee.stream != EndpointStream.none:
            unsafe closeEndpointStream(connection, isDone: true)
        case .connection(let connection):
            unsafe linkIdle(connection)
            // The idle time goes on; one that was moved here has no timer yet.
            unsafe setDeadline(connection, connection.pointee.deadline)
            noteRoom(Int(number))
        case .newConnection: giveBudget(of: number)
        }
    }

    mutating func giveBudget(of number: UInt32) {
        unsafe endpoints[Int(number)].budget.pointee.give()
        noteRoom(Int(number))
    }

    /// There may be room at an endpoint: requests that wait for it go on before the turn ends.
    ///
    /// Not at once: whoever closes or frees a connection is in the middle of something else.
    @inline(__always)
    mutating func noteRoom(_ number: Int) {
        guard let queue = unsafe endpoints[number].queue, unsafe !queue.pointee.isEmpty else { return }
        unsafe mark(queue.pointee.number)
    }

    /// When a connection stops being used, the lifetime less up to a tenth by chance: connections that were opened together,
    /// as after a restart of the endpoint, are not all closed together.
    mutating func expiry(afterLifetime lifetime: UInt64) -> UInt64 {
        let tenth = lifetime / 10 / 1_000_000
        return now + lifetime - UInt64(random.next(below: UInt32(clamping: tenth + 1))) * 1_000_000
    }

    func appendConnections(of state: EndpointState, _ labels: [Sample.Label], to samples: inout [Sample]) {
        let name = "sluice_endpoint_connections"
        let idle = state.idleCount + idleSessions(of: state)
        samples.append(Sample(name, labels + [.init("state", "active")], Double(state.connectionCount - idle)))
        samples.append(Sample(name, labels + [.init("state", "idle")], Double(idle)))
    }
}
