import EventLoop
import Glibc

/// Relayed connections: events, and what the lifecycle decides.
extension ForwarderWorker {
    // MARK: events

    mutating func clientEvent(
        _ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>, _ readiness: Readiness
    ) {
        unsafe connection.pointee.deadline = now &+ idleNanoseconds(of: connection)
        let isUnblocked = unsafe readiness.isWritable && !connection.pointee.download.isWritable
        if isUnblocked { unsafe connection.pointee.download.isWritable = true }
        if readiness.isReadable { unsafe connection.pointee.upload.isReadable = true }
        if readiness.isPeerClosed { unsafe connection.pointee.upload.isPeerClosed = true }
        // Its turn comes after the events.
        if unsafe connection.pointee.isReady { return }
        if isUnblocked { unsafe advance(slot, connection, from: .server) }
        if readiness.isReadable { unsafe advance(slot, connection, from: .client) }
        if readiness.isError { unsafe failed(slot, connection, .client) }
    }

    mutating func serverEvent(
        _ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>, _ readiness: Readiness
    ) {
        if unsafe connection.pointee.lifecycle.state == .connecting {
            if readiness.isError {
                unsafe perform(connection.pointee.lifecycle.broke(.server), slot, connection)
                return
            }
            guard readiness.isWritable else { return }
            unsafe perform(connection.pointee.lifecycle.connected(), slot, connection)
        }
        unsafe connection.pointee.deadline = now &+ idleNanoseconds(of: connection)
        let isUnblocked = unsafe readiness.isWritable && !connection.pointee.upload.isWritable
        if isUnblocked { unsafe connection.pointee.upload.isWritable = true }
        if readiness.isReadable { unsafe connection.pointee.download.isReadable = true }
        if readiness.isPeerClosed { unsafe connection.pointee.download.isPeerClosed = true }
        if unsafe connection.pointee.isReady { return }
        if isUnblocked { unsafe advance(slot, connection, from: .client) }
        if readiness.isReadable { unsafe advance(slot, connection, from: .server) }
        if readiness.isError { unsafe failed(slot, connection, .server) }
    }

    /// The side was reset, and what it had sent before has been read, unless its sink is full.
    private mutating func failed(
        _ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>, _ side: Side
    ) {
        guard unsafe connection.pointee.lifecycle.state != .closed && !connection.pointee.isReady else { return }
        unsafe perform(connection.pointee.lifecycle.broke(side), slot, connection)
    }

    /// Moves what can be moved from one side to the other, and acts on how it ended.
    mutating func advance(
        _ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>, from side: Side
    ) {
        guard unsafe connection.pointee.lifecycle.state != .closed else { return }
        let (client, server) = unsafe (connection.pointee.origin.descriptor, connection.pointee.server)
        var moved: UInt64 = 0
        let outcome: PumpOutcome
        let hasSpliced: Bool
        switch side {
        case .client:
            outcome = unsafe pump(&connection.pointee.upload, from: client, to: server, moved: &moved)
            statistics.bytesIn &+= moved
            hasSpliced = unsafe connection.pointee.upload.hasSpliced
        case .server:
            outcome = unsafe pump(&connection.pointee.download, from: server, to: client, moved: &moved)
            statistics.bytesOut &+= moved
            hasSpliced = unsafe connection.pointee.download.hasSpliced
        }
        if unsafe hasSpliced && !connection.pointee.hasSpliced { unsafe countSplice(connection) }
        switch outcome {
        case .idle:
            if unsafe connection.pointee.hasSpliced {
                unsafe pace(slot, connection)
                unsafe watchBulk(slot, connection)
            }
            let isOver =
                side == .client
                ? unsafe connection.pointee.upload.takeEnd() : unsafe connection.pointee.download.takeEnd()
            if isOver { unsafe perform(connection.pointee.lifecycle.ended(side), slot, connection) }
        case .moreWork:
            guard unsafe !connection.pointee.isReady else { return }
            unsafe connection.pointee.isReady = true
            ready.append(Token(kind: TokenKind.client, slot: slot, generation: connections.generation(of: slot)))
        case .sourceBroke: unsafe perform(connection.pointee.lifecycle.broke(side), slot, connection)
        case .sinkBroke: unsafe perform(connection.pointee.lifecycle.broke(side.opposite), slot, connection)
        }
    }

    /// Has a connection that moves bulk wake the worker only for what it waits for: a side that nothing can be taken
    /// from now isn't watched for reading, and one that bulk comes from isn't watched for writing unless it is full.
    /// A change of interest reports what is ready, so no edge is lost.
    private mutating func watchBulk(_ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>) {
        let generation = connections.generation(of: slot)
        let client = unsafe RelayDirection.interest(from: connection.pointee.upload, to: connection.pointee.download)
        if unsafe client != connection.pointee.clientInterest {
            unsafe connection.pointee.clientInterest = client
            let token = Token(kind: TokenKind.client, slot: slot, generation: generation)
            unsafe poller.change(connection.pointee.origin.descriptor, token, client)
        }
        let server = unsafe RelayDirection.interest(from: connection.pointee.download, to: connection.pointee.upload)
        if unsafe server != connection.pointee.serverInterest {
            unsafe connection.pointee.serverInterest = server
            let token = Token(kind: TokenKind.server, slot: slot, generation: generation)
            unsafe poller.change(connection.pointee.server, token, server)
        }
    }

    private mutating func countSplice(_ connection: UnsafeMutablePointer<RelayConnection>) {
        unsafe connection.pointee.hasSpliced = true
        if case .node(let counters, _, _) = unsafe connection.pointee.target {
            statistics.nodes[Int(counters)].spliced += 1
        }
    }

    /// Goes on with the connections that used up their share of the last turn.
    mutating func continueReady() {
        let count = ready.count
        guard count > 0 else { return }
        for position in 0..<count {
            let token = ready[position]
            guard let connection = unsafe connections.element(for: token) else { continue }
            unsafe connection.pointee.isReady = false
            unsafe connection.pointee.deadline = now &+ idleNanoseconds(of: connection)
            unsafe advance(token.slot, connection, from: .client)
            unsafe advance(token.slot, connection, from: .server)
        }
        ready.removeFirst(count)
    }

    /// The wheel fires at the earliest deadline the connection has had; a later one is set anew.
    mutating func relayTimerFired(_ slot: UInt32) {
        let connection = unsafe connections[slot]
        let deadline = unsafe connection.pointee.deadline
        if deadline > now {
            timers.set(slot, at: deadline)
        } else {
            unsafe perform(connection.pointee.lifecycle.timedOut(), slot, connection)
        }
    }

    // MARK: what the lifecycle decides

    mutating func perform(
        _ action: RelayLifecycle.Action, _ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>
    ) {
        switch action {
        case .none: break
        case .startRelaying: unsafe startRelaying(slot, connection)
        case .tryAnotherTarget:
            let origin = unsafe connection.pointee.origin
            // Nothing of it has been sent: the next one gets all of it.
            let opening = unsafe connection.pointee.upload.buffer
            unsafe connection.pointee.upload.buffer = Buffer()
            unsafe targetFailed(connection.pointee.target, hasTimedOut: connection.pointee.deadline <= now)
            unsafe end(slot, connection)
            place(origin, opening: opening)
        case .shutdownWriting(.client): unsafe Socket.shutdownWriting(connection.pointee.origin.descriptor)
        case .shutdownWriting(.server): unsafe Socket.shutdownWriting(connection.pointee.server)
        case .close: unsafe closeRelay(slot, connection)
        case .reset(.client):
            unsafe countBroken(connection.pointee.target)
            unsafe Socket.setReset(connection.pointee.origin.descriptor)
            unsafe closeRelay(slot, connection)
        case .reset(.server):
            unsafe Socket.setReset(connection.pointee.server)
            unsafe closeRelay(slot, connection)
        }
    }

    private mutating func countBroken(_ target: RelayTarget) {
        switch target {
        case .node(let counters, _, _): statistics.nodes[Int(counters)].failed += 1
        case .endpoint(let slot): endpoints.failed(slot, outUntil: 0)
        }
    }

    // MARK: the end

    mutating func closeRelay(_ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>) {
        unsafe end(slot, connection)
        unsafe close(connection.pointee.origin.descriptor)
        giveBudget(unsafe connection.pointee.origin.listener)
    }

    /// Gives back everything but the client.
    private mutating func end(_ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>) {
        unsafe close(connection.pointee.server)
        unsafe pipes.give(&connection.pointee.upload.pipe)
        unsafe pipes.give(&connection.pointee.download.pipe)
        unsafe buffers.empty(&connection.pointee.upload.buffer)
        unsafe buffers.empty(&connection.pointee.download.buffer)
        timers.cancel(slot)
        statistics.listeners[unsafe Int(connection.pointee.origin.listener)].open -= 1
        if case .endpoint(let endpoint) = unsafe connection.pointee.target { endpoints.finished(endpoint) }
        connections.retire(slot)
        if connections.count == 0 { yieldIfHandingOver() }
    }
}
