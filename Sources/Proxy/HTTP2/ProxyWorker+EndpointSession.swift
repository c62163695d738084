import EventLoop
import Glibc
import HTTP1
import HTTP2
import NodeAgent
import Snapshot
import TLS
import Telemetry

typealias EndpointSessionPointer = UnsafeMutablePointer<EndpointSession>
typealias EndpointStreamPointer = UnsafeMutablePointer<EndpointStream>

/// Sessions with endpoints: opening, the handshake, the end.
///
/// Requests that come while a session is being opened wait for it, as many as it may have streams: a thousand requests that
/// find no connection open ten of them and not a thousand.
extension ProxyWorker {
    /// What became of the wish for a session.
    @safe
    enum SessionOpening {
        case session(EndpointSessionPointer)
        case unreachable
        case shortage
    }

    /// The first of an endpoint's sessions that takes another stream: so few are kept busy, and the others become idle. One that
    /// was opened by the rules of an earlier site is nobody's but its opener's. `mutating` for what it costs: otherwise it gets a
    /// copy of the whole worker.
    mutating func sessionWithRoom(_ number: UInt32) -> EndpointSessionPointer? {
        let identity = unsafe endpoints[Int(number)].tlsIdentity
        var slot = unsafe endpoints[Int(number)].firstSession
        while slot != EndpointSession.none {
            let session = unsafe endpointSessions[slot]
            let connection = unsafe connections[session.pointee.connection]
            if unsafe session.pointee.hasRoom && connection.pointee.expiresAt > now
                && connection.pointee.tlsIdentity == identity
            {
                return unsafe session
            }
            slot = unsafe session.pointee.next
        }
        return nil
    }

    /// `connect` where endpoints speak HTTP/2: joins a session, or opens one.
    @inline(never)
    mutating func connectStream(_ exchange: ExchangePointer, isCounted: Bool) {
        let number = unsafe exchange.pointee.endpoint
        unsafe exchange.pointee.trace.connectBeganAt = now
        if let session = unsafe sessionWithRoom(number) {
            if isCounted { giveBudget(of: number) }
            unsafe begin(exchange, on: session)
            return
        }
        let connectNanoseconds = unsafe route(of: exchange).pointee.connectNanoseconds
        switch unsafe openSession(
            to: number, pool(of: exchange), connectNanoseconds: connectNanoseconds, isCounted: isCounted)
        {
        case .unreachable: unsafe attemptFailed(exchange, .connect(status: 502))
        case .shortage: unsafe attemptFailed(exchange, .shortage)
        case .session(let session):
            unsafe begin(exchange, on: session)
            if unsafe connections[session.pointee.connection].pointee.isWritable {
                unsafe sessionConnected(session)
            }
        }
    }

    private mutating func begin(_ exchange: ExchangePointer, on session: EndpointSessionPointer) {
        guard let stream = unsafe makeStream(on: session) else {
            unsafe attemptFailed(exchange, .shortage)
            return
        }
        unsafe sendRequest(exchange, on: stream)
    }

    /// Opens a connection for a session; its budget is given back when that fails.
    mutating func openSession(
        to number: UInt32, _ pool: UnsafeMutablePointer<PoolState>, connectNanoseconds: UInt64, isCounted: Bool
    ) -> SessionOpening {
        if !isCounted { _ = unsafe endpoints[Int(number)].budget.pointee.take(countMax: .max) }
        let descriptor: CInt
        let isConnected: Bool
        do throws(SocketError) {
            switch try openSocket(to: endpointKeys[Int(number)].address) {
            case .connected(let socket): (descriptor, isConnected) = (socket.release(), true)
            case .inProgress(let socket): (descriptor, isConnected) = (socket.release(), false)
            }
        } catch {
            giveBudget(of: number)
            guard let shortage = Shortage(error.code) else { return .unreachable }
            count(shortage, error)
            return .shortage
        }
        var connection = EndpointConnection(descriptor: descriptor, phase: .session, endpoint: number)
        let limits = unsafe pool.pointee.connections
        if limits.lifetimeNanoseconds != .max {
            connection.expiresAt = expiry(afterLifetime: limits.lifetimeNanoseconds)
        }
        connection.tlsIdentity = unsafe pool.pointee.tlsIdentity
        connection.isWritable = isConnected
        guard let pointer = unsafe insert(connection) else {
            giveBudget(of: number)
            return .shortage
        }
        guard let session = unsafe Session(.client, sessionLimits, events: endpointEvents, now: now) else {
            unsafe closeConnection(pointer)
            return .shortage
        }
        let isExclusive =
            unsafe limits.endpointProtocol == .http1
            || limits.endpointProtocol == .auto && endpoints[Int(number)].choseHTTP1
        guard
            let slot = unsafe endpointSessions.insert(
                EndpointSession(
                    connection: pointer.pointee.slot, endpoint: number, session: session, limits: limits,
                    isExclusive: isExclusive))
        else {
            session.destroy(&buffers)
            unsafe closeConnection(pointer)
            return .shortage
        }
        let opened = unsafe endpointSessions[slot]
        unsafe opened.pointee.slot = slot
        session.setOwner(slot)
        unsafe pointer.pointee.session = slot
        unsafe list(opened)
        unsafe setDeadline(pointer, now + connectNanoseconds)
        return unsafe .session(opened)
    }

    /// Limits of what an endpoint may send; heads are as large as those of HTTP/1.1 may be.
    private var sessionLimits: SessionLimits {
        guard let site = unsafe site else { return SessionLimits() }
        let head = unsafe site.pointee.limits(ofListener: Client.unknownListener).pointee.head
        var limits = SessionLimits(headBytesMax: head.headBytesMax, fieldCountMax: head.fieldCountMax)
        // Servers of gRPC adapt their windows to the path, a step at a time.
        limits.settings = FrameRate(burst: 64, perSecond: 4)
        return limits
    }

    // MARK: connecting

    /// Edges of a session's socket have been noted in its connection.
    mutating func endpointSessionEvent(_ connection: ConnectionPointer, _ readiness: Readiness) {
        let session = unsafe endpointSessions[connection.pointee.session]
        switch unsafe session.pointee.state {
        case .connecting:
            guard readiness.isWritable || readiness.isError else { return }
            guard unsafe Socket.pendingError(connection.pointee.descriptor) == 0 else {
                unsafe sessionFailed(session, .connect(status: 502))
                return
            }
            unsafe connection.pointee.isWritable = true
            unsafe sessionConnected(session)
        case .handshake:
            if unsafe connection.pointee.output.isHeld && connection.pointee.isWritable, unsafe !flushOutput(connection)
            {
                unsafe sessionFailed(session, .connect(status: 502))
                return
            }
            if unsafe connection.pointee.isReadable { unsafe shakeHands(session, connection) }
        case .open: unsafe continueSession(session, connection)
        }
    }

    mutating func sessionConnected(_ session: EndpointSessionPointer) {
        let connection = unsafe connections[session.pointee.connection]
        guard unsafe connection.pointee.tlsIdentity != CompiledPool.plainHTTP2 else {
            unsafe sessionOpened(session)
            return
        }
        // Nobody waits for it any more, and so nobody holds the site that knows how to go on.
        guard let pool = unsafe poolOfFirst(session), let context = unsafe pool.pointee.tlsContext else {
            unsafe closeSession(session)
            return
        }
        let number = unsafe Int(session.pointee.endpoint)
        let address: String = if case .ip(let address) = endpointKeys[number].address { address.host } else { "" }
        let isCurrent = unsafe endpoints[number].tlsIdentity == connection.pointee.tlsIdentity
        let resumed = unsafe isCurrent ? endpoints[number].session : nil
        guard let stream = unsafe tls.connect(context.takeUnretainedValue(), address: address, session: resumed) else {
            unsafe sessionFailed(session, .shortage)
            return
        }
        unsafe connection.pointee.tls = stream
        unsafe session.pointee.state = .handshake
        unsafe shakeHands(session, connection)
    }

    private func poolOfFirst(_ session: EndpointSessionPointer) -> UnsafeMutablePointer<PoolState>? {
        let slot = unsafe session.pointee.first
        guard slot != EndpointStream.none else { return nil }
        let connection = unsafe connections[endpointStreams[slot].pointee.connection]
        if unsafe connection.pointee.phase == .mirroring {
            let mirror = unsafe mirrors[connection.pointee.exchange]
            return unsafe mirror.pointee.site.pointee.pools + mirror.pointee.settings.pointee.pool
        }
        return unsafe pool(of: exchanges[connection.pointee.exchange])
    }

    private mutating func shakeHands(_ session: EndpointSessionPointer, _ connection: ConnectionPointer) {
        guard let stream = unsafe connection.pointee.tls else { return }
        switch unsafe takeHandshakeOn(connection, stream) {
        case .wouldBlock: unsafe connection.pointee.isReadable = false
        case .failed(let failure):
            unsafe handshakeFailed(connection, stream, failure)
            unsafe sessionFailed(session, .connect(status: 502))
        case .done:
            unsafe connection.pointee.isReadable = !tls.isDrained(stream)
            let number = unsafe Int(session.pointee.endpoint)
            let isHTTP2 = stream.applicationProtocol == .http2
            unsafe endpoints[number].choseHTTP1 = !isHTTP2
            if isHTTP2 {
                unsafe sessionOpened(session)
            } else if unsafe session.pointee.mayBeHTTP1 {
                unsafe goOnWithoutSession(session, connection)
            } else {
                unsafe endpoints[number].tlsFailures &+= 1
                if refusalLog.allows(now) {
                    let key = endpointKeys[number]
                    Log.warning(
                        "proxy",
                        "endpoint \(key.address) of pool \(key.pool) doesn't choose h2 by ALPN: write `protocol: auto` or `http1`, or have it speak HTTP/2"
                    )
                }
                unsafe sessionFailed(session, .connect(status: 502))
            }
        }
    }

    private mutating func sessionOpened(_ session: EndpointSessionPointer) {
        let connection = unsafe connections[session.pointee.connection]
        unsafe session.pointee.state = .open
        unsafe session.pointee.isExclusive = false
        unsafe session.pointee.receivedAt = now
        unsafe setDeadline(connection, min(now + session.pointee.idleNanoseconds, connection.pointee.expiresAt))
        // The preface goes out also when nobody waits for the session any more.
        unsafe markEndpointSession(session.pointee.slot)
        unsafe beginStreams(session)
        if unsafe connection.pointee.isReadable { unsafe readSession(session, connection) }
    }

    /// Streams that have waited for the session, or for what it can do, send their requests.
    mutating func beginStreams(_ session: EndpointSessionPointer) {
        while let stream = unsafe nextToBegin(session) {
            let connection = unsafe connections[stream.pointee.connection]
            if unsafe connection.pointee.phase == .mirroring {
                unsafe send(mirrors[connection.pointee.exchange], connection)
            } else {
                let exchange = unsafe exchanges[connection.pointee.exchange]
                unsafe bringToFront(connection)
                unsafe exchange.pointee.trace.connectTime = now &- exchange.pointee.trace.connectBeganAt
                unsafe sendRequest(exchange, connection)
            }
        }
    }

    private func nextToBegin(_ session: EndpointSessionPointer) -> EndpointStreamPointer? {
        guard unsafe session.pointee.pendingCount > 0 && !session.pointee.isBroken else { return nil }
        var slot = unsafe session.pointee.first
        while slot != EndpointStream.none {
            let stream = unsafe endpointStreams[slot]
            if unsafe stream.pointee.record == EndpointStream.noRecord && !stream.pointee.awaitsSettings {
                return unsafe stream
            }
            slot = unsafe stream.pointee.next
        }
        return nil
    }

    /// ALPN has chosen HTTP/1.1: the connection is that of who opened it, the others look for one of their own.
    private mutating func goOnWithoutSession(_ session: EndpointSessionPointer, _ connection: ConnectionPointer) {
        unsafe unlist(session)
        unsafe session.pointee.isBroken = true
        var heir: ConnectionPointer?
        if unsafe session.pointee.first != EndpointStream.none {
            unsafe heir = unsafe connections[endpointStreams[session.pointee.first].pointee.connection]
        }
        let (phase, owner) = unsafe (heir?.pointee.phase ?? .idle, heir?.pointee.exchange ?? Client.noExchange)
        if let heir = unsafe heir {
            if phase != .mirroring { unsafe bringToFront(heir) }
            unsafe closeEndpointStream(heir, isDone: true)
        }
        while unsafe session.pointee.first != EndpointStream.none {
            unsafe fail(endpointStreams[session.pointee.first], .passedOver)
        }
        unsafe dropSession(session, connection)
        unsafe connection.pointee.isWritable = !connection.pointee.output.isHeld
        unsafe connection.pointee.phase = .busy
        guard unsafe heir != nil else {
            unsafe closeConnection(connection)
            return
        }
        if phase == .mirroring {
            unsafe connection.pointee.phase = .mirroring
            unsafe attach(connection, to: mirrors[owner])
            unsafe send(mirrors[owner], connection)
        } else {
            let exchange = unsafe exchanges[owner]
            unsafe exchange.pointee.trace.connectTime = now &- exchange.pointee.trace.connectBeganAt
            unsafe sendRequest(exchange, on: connection)
        }
    }

    // MARK: the end

    /// It didn't come to be: nor do its streams.
    private mutating func sessionFailed(_ session: EndpointSessionPointer, _ failure: AttemptFailure) {
        unsafe session.pointee.isBroken = true
        unsafe unlist(session)
        // Failed ones begin anew, and don't find this session any more.
        while unsafe session.pointee.first != EndpointStream.none {
            unsafe fail(endpointStreams[session.pointee.first], failure)
        }
        unsafe closeSession(session)
    }

    /// The connection can't go on: closed before the turn ends, when nobody is in the middle of it.
    mutating func breakSession(_ session: EndpointSessionPointer) {
        unsafe session.pointee.isBroken = true
        unsafe unlist(session)
        unsafe markEndpointSession(session.pointee.slot)
    }

    /// No new streams; the session ends when those it has are over.
    mutating func retire(_ session: EndpointSessionPointer) {
        unsafe session.pointee.isShutDown = true
        unsafe unlist(session)
        unsafe markEndpointSession(session.pointee.slot)
    }

    /// An endpoint's sessions of this worker take no new streams.
    mutating func retireSessions(of number: UInt32, idleOnly: Bool) {
        var slot = unsafe endpoints[Int(number)].firstSession
        while slot != EndpointSession.none {
            let session = unsafe endpointSessions[slot]
            slot = unsafe session.pointee.next
            if unsafe !idleOnly || session.pointee.state == .open && session.pointee.streamCount == 0 {
                unsafe retire(session)
            }
        }
    }

    /// Closes the connection. What streams have received is still theirs to read; what they wait for doesn't come.
    mutating func closeSession(_ session: EndpointSessionPointer) {
        unsafe session.pointee.isBroken = true
        unsafe unlist(session)
        while unsafe session.pointee.first != EndpointStream.none {
            unsafe orphan(endpointStreams[session.pointee.first], session)
        }
        let connection = unsafe connections[session.pointee.connection]
        unsafe dropSession(session, connection)
        unsafe connection.pointee.phase = .busy
        unsafe closeConnection(connection)
    }

    private mutating func dropSession(_ session: EndpointSessionPointer, _ connection: ConnectionPointer) {
        let slot = unsafe session.pointee.slot
        dropEndpointEvents(of: slot)
        unsafe buffers.empty(&session.pointee.frames)
        unsafe buffers.empty(&connection.pointee.input)
        unsafe session.pointee.session.destroy(&buffers)
        unsafe connection.pointee.session = EndpointSession.none
        endpointSessions.retire(slot)
    }

    /// The deadline of a session's connection has passed.
    mutating func sessionTimer(_ connection: ConnectionPointer) {
        let session = unsafe endpointSessions[connection.pointee.session]
        guard unsafe session.pointee.state == .open else {
            unsafe sessionFailed(session, .connect(status: 504))
            return
        }
        if unsafe session.pointee.isDoubted {
            unsafe breakSession(session)
        } else if unsafe session.pointee.streamCount == 0 || connection.pointee.expiresAt <= now {
            unsafe retire(session)
        }
        unsafe setDeadline(connection, now + session.pointee.idleNanoseconds)
    }

    /// An answer is overdue. If it is the connection's doing, others would wait in vain, too: the endpoint is asked for a sign of
    /// life, and until there is one new requests go elsewhere.
    mutating func doubt(_ session: EndpointSessionPointer) {
        guard
            unsafe session.pointee.state == .open && !session.pointee.isDoubted && !session.pointee.isBroken
                && now &- session.pointee.receivedAt > WorkerLimits.silenceNanoseconds
        else { return }
        unsafe session.pointee.isDoubted = true
        unsafe session.pointee.session.ping()
        unsafe markEndpointSession(session.pointee.slot)
        unsafe setDeadline(connections[session.pointee.connection], now + WorkerLimits.signOfLifeNanoseconds)
    }

    // MARK: lists

    /// Sessions without a stream.
    func idleSessions(of state: EndpointState) -> Int {
        var count = 0
        var slot = state.firstSession
        while slot != EndpointSession.none {
            if unsafe endpointSessions[slot].pointee.streamCount == 0 { count += 1 }
            slot = unsafe endpointSessions[slot].pointee.next
        }
        return count
    }

    private func list(_ session: EndpointSessionPointer) {
        let number = unsafe Int(session.pointee.endpoint)
        let first = unsafe endpoints[number].firstSession
        unsafe session.pointee.next = first
        unsafe session.pointee.previous = EndpointSession.none
        if first != EndpointSession.none { unsafe endpointSessions[first].pointee.previous = session.pointee.slot }
        unsafe endpoints[number].firstSession = session.pointee.slot
        unsafe session.pointee.isListed = true
    }

    private func unlist(_ session: EndpointSessionPointer) {
        guard unsafe session.pointee.isListed else { return }
        unsafe session.pointee.isListed = false
        let number = unsafe Int(session.pointee.endpoint)
        let (next, previous) = unsafe (session.pointee.next, session.pointee.previous)
        if previous == EndpointSession.none {
            unsafe endpoints[number].firstSession = next
        } else {
            unsafe endpointSessions[previous].pointee.next = next
        }
        if next != EndpointSession.none { unsafe endpointSessions[next].pointee.previous = previous }
        unsafe session.pointee.next = EndpointSession.none
        unsafe session.pointee.previous = EndpointSession.none
    }
}
