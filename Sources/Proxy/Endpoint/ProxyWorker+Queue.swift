import EventLoop
import Glibc
import NodeLink
import TLS
import Telemetry

/// One worker's share in a pool's queue.
struct QueueShare: BitwiseCopyable {
    /// Requests of this worker that wait.
    var waiting = 0
    /// Requests that found the queue full, or waited too long.
    var refusedFull: UInt64 = 0
    var refusedTimeout: UInt64 = 0
    /// In the list of queues to look at before the turn ends.
    var isMarked = false
    /// A request of this worker was the first to wait: others are asked for idle connections, if that is still so at the end
    /// of the turn.
    var asksOthers = false
}

/// Room for a request of another worker, which has left the queue for it.
struct GrantedRoom: Sendable {
    let endpoint: UInt32
    let exchange: Token
    let place: RequestQueue.Place
    /// nil: the right to open one, already counted.
    let connection: MovedConnection?
}

/// An idle connection on its way to another worker, which then owns the descriptor.
struct MovedConnection: Sendable {
    let descriptor: CInt
    let idleSince: UInt64
    let expiresAt: UInt64
    /// When it would have been closed as idle.
    let deadline: UInt64
    /// nil: in the clear.
    let tls: TLSStream?
    let tlsIdentity: UInt32
}

/// Requests to pools whose connections are bounded: each gets room at an endpoint or a place in the pool's queue.
///
///     attempt ──room──▶ connection ──▶ …                      (nobody waits)
///        └──full──▶ place in the queue ──called with room──▶ connection ──▶ …
///                     │ full: 503        │ timeout: 503, client leaves: end
///
/// The queue is one for all workers, so whoever has room calls the request that has waited longest, its own or not; room
/// for another worker's request goes there through its mailbox, an idle connection with its descriptor. Nobody polls: a
/// worker that leaves room sees that the queue isn't empty, and the first request that waits asks for idle connections.
extension ProxyWorker {
    @inline(never)
    mutating func startBoundedAttempt(
        _ exchange: ExchangePointer, _ pool: UnsafeMutablePointer<PoolState>, _ queue: UnsafeMutablePointer<PoolQueue>
    ) {
        var isUsable = true
        if unsafe queue.pointee.isEmpty {
            switch unsafe findRoom(pool, for: exchange) {
            case .room(let number, let room):
                unsafe begin(exchange, pool, number, room)
                return
            case .full: break
            case .unusable: isUsable = false
            }
        } else {
            // Nobody overtakes those that wait already.
            isUsable = unsafe hasOpen(pool, besides: exchange.pointee.retry.tried)
        }
        guard isUsable else {
            unsafe answer(exchange, status: exchange.pointee.attempts == 0 ? 503 : exchange.pointee.failureStatus)
            return
        }
        unsafe joinQueue(exchange, pool, queue)
    }

    private mutating func begin(
        _ exchange: ExchangePointer, _ pool: UnsafeMutablePointer<PoolState>, _ number: UInt32, _ room: Room
    ) {
        unsafe enterEndpoint(exchange, pool, number)
        switch room {
        case .connection(let connection): unsafe sendRequest(exchange, on: connection)
        case .newConnection: unsafe connect(exchange, isCounted: true)
        }
    }

    // MARK: waiting

    private mutating func joinQueue(
        _ exchange: ExchangePointer, _ pool: UnsafeMutablePointer<PoolState>, _ queue: UnsafeMutablePointer<PoolQueue>
    ) {
        let number = unsafe queue.pointee.number
        let slot = unsafe exchange.pointee.slot
        let token = Token(kind: 0, slot: slot, generation: exchanges.generation(of: slot))
        let limits = unsafe pool.pointee.connections
        guard
            let joined = unsafe queue.pointee.join(
                .init(worker: index, exchange: token), countMax: limits.queueCountMax)
        else {
            queues[number].refusedFull &+= 1
            unsafe exchange.pointee.trace.termination = .queueFull
            unsafe answer(exchange, status: 503)
            return
        }
        unsafe exchange.pointee.place = joined.place
        unsafe exchange.pointee.stage = .connecting
        queues[number].waiting += 1
        if joined.isFirst && !limits.isShared { queues[number].asksOthers = true }
        mark(number)
        let client = unsafe clients[exchange.pointee.client]
        unsafe setDeadline(client, now + limits.queueNanoseconds)
        // Also one that ends its connection with this request: who goes away leaves the queue.
        unsafe arm(client)
    }

    /// The request waits no more: called, answered or given up.
    mutating func leaveQueue(_ exchange: ExchangePointer) {
        if unsafe exchange.pointee.retry.isHeldBack {
            unsafe leaveHeldBack(exchange)
            return
        }
        guard let queue = unsafe pool(of: exchange).pointee.connections.queue else { return }
        // When it has been called meanwhile, the room is on its way here and given back on arrival.
        unsafe queue.pointee.leave(exchange.pointee.place)
        unsafe exchange.pointee.place = .none
        unsafe queues[queue.pointee.number].waiting -= 1
    }

    mutating func queueTimedOut(_ exchange: ExchangePointer) {
        if unsafe exchange.pointee.retry.isHeldBack {
            unsafe heldBackTooLong(exchange)
            return
        }
        if let queue = unsafe pool(of: exchange).pointee.connections.queue {
            unsafe queues[queue.pointee.number].refusedTimeout &+= 1
        }
        unsafe exchange.pointee.trace.termination = .queueTimeout
        unsafe answer(exchange, status: 503)
    }

    /// Whether a client's request waits in a queue. A FIN then counts as going away: nothing has been sent for it yet, and few
    /// clients close their half before they have the answer.
    func isQueued(_ client: ClientPointer) -> Bool {
        guard unsafe client.pointee.phase == .exchange else { return false }
        return unsafe exchanges[client.pointee.exchange].pointee.place != .none
    }

    // MARK: calling

    /// Has a queue looked at before the turn ends.
    mutating func mark(_ number: Int) {
        guard number < queues.count, !queues[number].isMarked else { return }
        queues[number].isMarked = true
        queuesToServe.append(number)
    }

    /// At the end of a turn: gives room to those that have waited longest. Ends, as a request that is called again and again
    /// runs out of attempts.
    mutating func serveQueues() {
        while let number = queuesToServe.popLast() {
            queues[number].isMarked = false
            serveQueue(number)
        }
    }

    private mutating func serveQueue(_ number: Int) {
        guard let pool = unsafe boundedPool(number), let queue = unsafe pool.pointee.connections.queue else { return }
        var calls = unsafe queue.pointee.count
        while calls > 0, case .room(let endpoint, let room) = unsafe findRoom(pool, for: nil) {
            calls -= 1
            guard let (waiter, place) = unsafe queue.pointee.next() else {
                giveBack(room, of: endpoint)
                break
            }
            if waiter.worker == index {
                admit(waiter.exchange, place, endpoint, room)
            } else {
                let granted = GrantedRoom(
                    endpoint: endpoint, exchange: waiter.exchange, place: place, connection: detach(room))
                mailboxes[waiter.worker].post(.room(granted))
            }
        }
        guard queues[number].asksOthers else { return }
        queues[number].asksOthers = false
        guard unsafe !queue.pointee.isEmpty else { return }
        for (other, mailbox) in mailboxes.enumerated() where other != index { mailbox.post(.queueBegan(number)) }
    }

    /// The newest pool with that queue. An older one only when the site in force bounds it no more.
    private func boundedPool(_ number: Int) -> UnsafeMutablePointer<PoolState>? {
        for site in unsafe sites.indices {
            let site = unsafe sites[site]
            for index in 0..<(unsafe site.pointee.poolCount) {
                let pool = unsafe site.pointee.pools + index
                if let queue = unsafe pool.pointee.connections.queue, unsafe queue.pointee.number == number {
                    return unsafe pool
                }
            }
        }
        return nil
    }

    /// A request of this worker has been called.
    private mutating func admit(_ token: Token, _ place: RequestQueue.Place, _ number: UInt32, _ room: Room) {
        guard let exchange = unsafe exchanges.element(for: token), unsafe exchange.pointee.place == place else {
            giveBack(room, of: number)
            return
        }
        unsafe leaveQueue(exchange)
        let pool = unsafe pool(of: exchange)
        guard unsafe pool.pointee.contains(number) else {
            // The endpoint came with another site than the one that the request began with.
            giveBack(room, of: number)
            unsafe exchange.pointee.attempts += 1
            if unsafe exchange.pointee.attempts < Exchange.callsMax {
                unsafe startAttempt(exchange)
            } else {
                unsafe answer(exchange, status: 503)
            }
            return
        }
        if case .connection(let connection) = room, unsafe !fits(connection, exchange) {
            unsafe replace(connection)
            unsafe begin(exchange, pool, number, .newConnection)
        } else {
            unsafe begin(exchange, pool, number, room)
        }
    }

    private mutating func fits(_ connection: ConnectionPointer, _ exchange: ExchangePointer) -> Bool {
        if unsafe connection.pointee.stream != EndpointStream.none { return true }
        if unsafe exchange.pointee.needsFreshConnection { return false }
        if unsafe exchange.pointee.staysReplayable { return true }
        guard unsafe isTrusted(connection) else { return false }
        return unsafe isQuiet(connection)
    }

    // MARK: between workers

    /// Takes a connection out of this worker.
    private mutating func detach(_ room: Room) -> MovedConnection? {
        guard case .connection(let connection) = room else { return nil }
        guard unsafe connection.pointee.stream == EndpointStream.none else {
            // The request is from before its pool spoke HTTP/2: it gets the right to a connection of its own.
            _ = unsafe endpoints[Int(connection.pointee.endpoint)].budget.pointee.take(countMax: .max)
            unsafe closeEndpointStream(connection, isDone: true)
            return nil
        }
        unsafe takeUnread(connection)
        let moved = unsafe MovedConnection(
            descriptor: connection.pointee.descriptor, idleSince: connection.pointee.idleSince,
            expiresAt: connection.pointee.expiresAt, deadline: connection.pointee.deadline, tls: connection.pointee.tls,
            tlsIdentity: connection.pointee.tlsIdentity)
        poller.remove(moved.descriptor)
        unsafe endpoints[Int(connection.pointee.endpoint)].connectionCount -= 1
        unsafe retire(connection)
        return moved
    }

    /// Another worker has called a request of this one.
    mutating func take(_ granted: GrantedRoom) {
        guard Int(granted.endpoint) < endpointCapacity else {
            // The other worker has a site that is still on its way here.
            mailbox.post(.room(granted))
            return
        }
        var room = Room.newConnection
        if let moved = granted.connection {
            var connection = EndpointConnection(
                descriptor: moved.descriptor, phase: .busy, endpoint: granted.endpoint)
            connection.isReused = true
            connection.isWritable = true
            connection.idleSince = moved.idleSince
            connection.expiresAt = moved.expiresAt
            connection.deadline = moved.deadline
            connection.tls = moved.tls
            connection.tlsIdentity = moved.tlsIdentity
            if let stream = moved.tls { tls.adopt(stream) }
            if let inserted = unsafe insert(connection) { unsafe room = .connection(inserted) }
        }
        admit(granted.exchange, granted.place, granted.endpoint, room)
    }

    // MARK: sites and reports

    mutating func growQueues(to count: Int) {
        while queues.count < count { queues.append(QueueShare()) }
    }

    /// A new site may bound other pools, and bound them otherwise.
    mutating func adoptBounds() {
        guard let site = unsafe site else { return }
        for index in 0..<(unsafe site.pointee.poolCount) {
            let pool = unsafe site.pointee.pools + index
            guard let queue = unsafe pool.pointee.connections.queue else { continue }
            for position in 0..<(unsafe pool.pointee.count) {
                unsafe endpoints[Int(pool.pointee.endpoints[position])].queue = unsafe queue
            }
        }
        for number in queues.indices { mark(number) }
    }

    func appendQueues(_ names: [String], to samples: inout [Sample]) {
        for (number, name) in names.enumerated() where number < queues.count {
            let share = queues[number]
            let label = [Sample.Label("pool", name)]
            samples.append(Sample("sluice_pool_queue", label, Double(share.waiting)))
            for (reason, value) in [("full", share.refusedFull), ("timeout", share.refusedTimeout)] {
                samples.append(
                    Sample("sluice_pool_queue_rejected_total", label + [.init("reason", reason)], Double(value)))
            }
        }
    }
}
