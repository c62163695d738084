import EventLoop
import Glibc

/// The way from an accepted client to a relayed connection: connecting to a node or endpoint, and what is said first.
extension ForwarderWorker {
    private enum StartOutcome { case started, targetFailed, noResources }

    /// Relays a client to an endpoint of its pool, or resets it.
    ///
    /// - Parameter opening: What has been read of it: the endpoint gets that first.
    mutating func relayToEndpoint(_ waiting: WaitingConnection, opening: Buffer) {
        var waiting = waiting
        var opening = opening
        repeat {
            while Int(waiting.attempts) < endpoints.endpointCount(inPool: waiting.pool) {
                waiting.attempts += 1
                guard let (slot, address) = endpoints.pick(pool: waiting.pool, client: waiting.client, now: now) else {
                    break
                }
                switch startRelay(waiting, opening, to: address, .endpoint(slot)) {
                case .started: return
                case .targetFailed: continue
                case .noResources:
                    statistics.refusals.resources += 1
                    buffers.empty(&opening)
                    drop(waiting)
                    return
                }
            }
        } while leavesPool(&waiting, opening)
        statistics.refusals.noEndpoint += 1
        buffers.empty(&opening)
        drop(waiting)
    }

    /// - Returns: Whether connecting has begun; else the next node is asked.
    mutating func relayToNode(_ waiting: WaitingConnection, _ node: Int) -> Bool {
        guard let address = nodes[node].address else { return false }
        let target = RelayTarget.node(
            counters: nodes[node].counters, index: Int32(node), tableGeneration: tableGeneration)
        return startRelay(waiting, Buffer(), to: .ip(address), target) == .started
    }

    private mutating func startRelay(
        _ waiting: WaitingConnection, _ opening: Buffer, to address: SocketAddress, _ target: RelayTarget
    ) -> StartOutcome {
        let server: CInt
        do {
            switch try Socket.connect(to: address) {
            case .connected(let socket): server = socket.release()
            case .inProgress(let socket): server = socket.release()
            }
        } catch {
            switch error.code {
            case EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL: return .noResources
            default:
                targetFailed(target)
                return .targetFailed
            }
        }
        let deadline = now + ForwarderLimits.connectNanoseconds
        var connection = RelayConnection(origin: waiting, server: server, target: target, deadline: deadline)
        connection.upload.buffer = opening
        guard let slot = connections.insert(connection) else {
            close(server)
            return .noResources
        }
        let token = Token(kind: TokenKind.server, slot: slot, generation: connections.generation(of: slot))
        do {
            try poller.add(server, token, .stream)
        } catch {
            close(server)
            connections.retire(slot)
            return .noResources
        }
        timers.set(slot, at: deadline)
        statistics.listeners[Int(waiting.listener)].open += 1
        if case .endpoint(let endpoint) = target { endpoints.started(endpoint) }
        return .started
    }

    /// - Parameter hasTimedOut: It has let the whole time for a connect pass: it rests for longer than finding that out takes.
    mutating func targetFailed(_ target: RelayTarget, hasTimedOut: Bool = false) {
        switch target {
        case .node(let counters, let index, let generation):
            nodeFailed(counters: counters, index: Int(index), generation: generation)
        case .endpoint(let slot):
            let rest = hasTimedOut ? 3 * ForwarderLimits.connectNanoseconds : ForwarderLimits.outNanoseconds
            endpoints.failed(slot, outUntil: now + rest)
        }
    }

    /// Watches the client from now on; a node is told first whose connection it gets.
    mutating func startRelaying(_ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>) {
        let token = Token(kind: TokenKind.client, slot: slot, generation: connections.generation(of: slot))
        do {
            try poller.add(unsafe connection.pointee.origin.descriptor, token, .stream)
        } catch {
            // No kernel memory for one more watch: the client can't be served.
            statistics.refusals.resources += 1
            unsafe perform(connection.pointee.lifecycle.broke(.server), slot, connection)
            return
        }
        // The wheel still holds the connect's deadline; it is moved only when it would fire too late.
        let idle = unsafe idleNanoseconds(of: connection)
        if idle < ForwarderLimits.connectNanoseconds { timers.set(slot, at: now &+ idle) }
        switch unsafe connection.pointee.target {
        case .endpoint(let endpoint):
            let beganAt = unsafe connection.pointee.deadline &- ForwarderLimits.connectNanoseconds
            endpoints.connected(endpoint, nanoseconds: now > beganAt ? now - beganAt : 0, now: now)
            if unsafe !connection.pointee.upload.buffer.isEmpty { unsafe advance(slot, connection, from: .client) }
        case .node(let counters, _, _):
            statistics.nodes[Int(counters)].relayed += 1
            unsafe sendHeader(slot, connection)
        }
    }

    /// The PROXY header and, when they are there already, the client's first bytes in one write.
    private mutating func sendHeader(_ slot: UInt32, _ connection: UnsafeMutablePointer<RelayConnection>) {
        let origin = unsafe connection.pointee.origin
        // A listener on all addresses doesn't know which one was dialled; the socket does.
        let local = origin.local.isAny ? Socket.localAddress(origin.descriptor) ?? origin.local : origin.local
        let header = unsafe ProxyProtocolHeader.write(source: origin.client, destination: local, to: scratch)
        var count = header
        switch unsafe Socket.receive(origin.descriptor, scratch + header, ForwarderLimits.scratchBytes - header) {
        case .bytes(let received): count += received
        case .wouldBlock: break
        case .endOfStream: unsafe connection.pointee.upload.hasEnded = true
        case .failed:
            unsafe perform(connection.pointee.lifecycle.broke(.client), slot, connection)
            return
        }
        statistics.bytesIn &+= UInt64(count - header)
        var sent = 0
        switch unsafe Socket.send(connection.pointee.server, scratch, count) {
        case .bytes(let accepted): sent = accepted
        case .wouldBlock: break
        case .endOfStream, .failed:
            unsafe perform(connection.pointee.lifecycle.broke(.server), slot, connection)
            return
        }
        if unsafe sent < count && !keep(&connection.pointee.upload, from: sent, to: count) {
            unsafe perform(connection.pointee.lifecycle.broke(.server), slot, connection)
            return
        }
        if unsafe connection.pointee.upload.hasEnded { unsafe advance(slot, connection, from: .client) }
    }
}
