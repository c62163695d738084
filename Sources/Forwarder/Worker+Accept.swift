import Balancing
import EventLoop
import Glibc
import NodeLink

/// One listening socket of one worker.
struct WorkerListener: BitwiseCopyable {
    let id: UInt64
    let descriptor: CInt
    /// As bound.
    let address: IPEndpoint
    /// `Hash64.xxh64` of the listener's name.
    let name: UInt64
    /// Of address and port.
    let addressHash: UInt64
    /// Index of the counters.
    let counters: Int32
    /// Index of the pool of a `tcp` listener; else `WaitingConnection.poolOfNode` or `poolByHello`.
    var pool = WaitingConnection.poolOfNode
    /// Not watched until `listenersResumeAt`.
    var isPaused = false

    init(_ assignment: ListenerAssignment, counters: Int32) {
        id = assignment.id
        descriptor = assignment.descriptor
        address = assignment.address
        name = Hash64.xxh64(assignment.name.utf8)
        addressHash = Hash64.combine(
            Hash64.combine(address.high, address.low), UInt64(address.port))
        self.counters = counters
    }
}

/// New clients: accept, count, hash, and on to a node or an endpoint.
extension ForwarderWorker {
    mutating func watchListener(_ slot: UInt32) {
        let token = Token(kind: TokenKind.listener, slot: slot, generation: listeners.generation(of: slot))
        do {
            try poller.add(unsafe listeners[slot].pointee.descriptor, token, .level)
        } catch {
            preconditionFailure("watching a listener: \(error)")
        }
    }

    mutating func acceptClients(_ slot: UInt32) {
        _ = acceptClients(slot, enforcesLimit: true)
    }

    private enum AcceptRound { case queueEmpty, moreWaiting, paused }

    private mutating func acceptClients(_ slot: UInt32, enforcesLimit: Bool) -> AcceptRound {
        let listener = unsafe listeners[slot].pointee
        for _ in 0..<ForwarderLimits.acceptsPerTurnMax {
            guard takeBudget(listener.counters, enforcesLimit: enforcesLimit) else {
                statistics.pausesForLimit += 1
                pause(slot)
                return .paused
            }
            do {
                switch try Socket.accept(on: listener.descriptor) {
                case .connection(let descriptor, let client):
                    statistics.listeners[Int(listener.counters)].accepted += 1
                    place(
                        WaitingConnection(
                            descriptor: descriptor, listener: listener.counters, pool: listener.pool,
                            client: client, local: listener.address, listenerName: listener.name,
                            hash: hash(client, listener)))
                case .wouldBlock:
                    unuseBudget(listener.counters)
                    return .queueEmpty
                }
            } catch {
                // No descriptor or memory left in process or system: trying at once would only spin.
                unuseBudget(listener.counters)
                statistics.pausesForDescriptors += 1
                pause(slot)
                return .paused
            }
        }
        return .moreWaiting
    }

    /// The connection hash: the same on every worker and host.
    private func hash(_ client: IPEndpoint, _ listener: WorkerListener) -> UInt64 {
        let source = Hash64.combine(client.high, client.low)
        if hashesSourceOnly { return Hash64.combine(source, 0) }
        return Hash64.combine(Hash64.combine(source, UInt64(client.port)), listener.addressHash)
    }

    /// To a node, to an endpoint of a pool, or to where its hello says.
    ///
    /// - Parameter opening: What has been read of the client; only of one that has a pool.
    mutating func place(_ connection: WaitingConnection, opening: Buffer = Buffer()) {
        if connection.pool >= 0 {
            relayToEndpoint(connection, opening: opening)
        } else if connection.pool == WaitingConnection.poolByHello {
            readHello(connection)
        } else {
            sendToNode(connection)
        }
    }

    private mutating func pause(_ slot: UInt32) {
        guard unsafe !listeners[slot].pointee.isPaused else { return }
        unsafe listeners[slot].pointee.isPaused = true
        poller.remove(unsafe listeners[slot].pointee.descriptor)
        if listenersResumeAt == 0 { listenersResumeAt = now + ForwarderLimits.listenerPauseNanoseconds }
    }

    mutating func resumeListeners() {
        listenersResumeAt = 0
        for slot in listenerSlots where unsafe listeners[slot].pointee.isPaused {
            unsafe listeners[slot].pointee.isPaused = false
            watchListener(slot)
        }
    }

    /// Closes a listener after the last client in its queue has been accepted: with `SO_REUSEPORT` the kernel would
    /// reset those that wait in a queue that goes away.
    mutating func closeListener(_ slot: UInt32) {
        while acceptClients(slot, enforcesLimit: false) == .moreWaiting {}
        close(unsafe listeners[slot].pointee.descriptor)
        listenerSlots.removeAll { $0 == slot }
        listeners.retire(slot)
    }

    /// Closes our descriptor of a client that has found its home elsewhere.
    mutating func release(_ connection: WaitingConnection) {
        close(connection.descriptor)
        giveBudget(connection.listener)
    }

    /// Room for one more connection: the listener's and the site's.
    private func takeBudget(_ listener: Int32, enforcesLimit: Bool) -> Bool {
        guard bounds[Int(listener)].budget.take(enforcesLimit: enforcesLimit) else { return false }
        if budget.take(enforcesLimit: enforcesLimit) { return true }
        bounds[Int(listener)].budget.give()
        return false
    }

    private func unuseBudget(_ listener: Int32) {
        bounds[Int(listener)].budget.give()
        budget.give()
    }

    /// A socket less: listeners that rest for want of one are watched again at the end of the turn.
    ///
    /// - Parameter listener: Index of its listener's counters.
    mutating func giveBudget(_ listener: Int32) {
        unuseBudget(listener)
        if listenersResumeAt > now { listenersResumeAt = now }
    }

    /// Resets a client that nobody can take.
    mutating func drop(_ connection: WaitingConnection) {
        Socket.setReset(connection.descriptor)
        release(connection)
    }
}
