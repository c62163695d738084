import EventLoop
import Glibc
import NodeAgent
import TLS
import Telemetry

/// TLS on the endpoint side: the handshake, sessions, and what differs from a plain socket.
///
///     connecting ──▶ handshake ──done──▶ busy ──▶ …       (a failed handshake is a failed connect)
extension ProxyWorker {
    /// The socket is connected: begins the handshake if the pool's endpoints speak TLS.
    ///
    /// - Returns: Whether they do; the connection is then taken care of.
    mutating func beginTLS(_ exchange: ExchangePointer, _ connection: ConnectionPointer) -> Bool {
        let pool = unsafe pool(of: exchange)
        guard let context = unsafe pool.pointee.tlsContext else { return false }
        let number = Int(unsafe connection.pointee.endpoint)
        let address: String =
            if case .ip(let address) = endpointKeys[number].address { address.host } else { "" }
        let isCurrent = unsafe endpoints[number].tlsIdentity == pool.pointee.tlsIdentity
        let session = unsafe isCurrent ? endpoints[number].session : nil
        guard let stream = unsafe tls.connect(context.takeUnretainedValue(), address: address, session: session) else {
            unsafe attemptFailed(exchange, .shortage)
            return true
        }
        unsafe connection.pointee.tls = stream
        unsafe connection.pointee.tlsIdentity = pool.pointee.tlsIdentity
        unsafe connection.pointee.phase = .handshake
        unsafe shakeHands(exchange, connection)
        return true
    }

    mutating func shakeHands(_ exchange: ExchangePointer, _ connection: ConnectionPointer) {
        guard let stream = unsafe connection.pointee.tls else { return }
        switch unsafe takeHandshakeOn(connection, stream) {
        case .wouldBlock: unsafe connection.pointee.isReadable = false
        case .failed(let failure):
            unsafe handshakeFailed(connection, stream, failure)
            unsafe attemptFailed(exchange, .connect(status: 502))
        case .done:
            unsafe exchange.pointee.trace.connectTime = now &- exchange.pointee.trace.connectBeganAt
            unsafe connection.pointee.phase = .busy
            unsafe connection.pointee.isReadable = !tls.isDrained(stream)
            unsafe sendRequest(exchange, connection)
        }
    }

    /// Takes the handshake as far as the socket's bytes go.
    mutating func takeHandshakeOn(_ connection: ConnectionPointer, _ stream: TLSStream) -> TLSHandshake {
        var early = Buffer()
        let outcome = unsafe tls.handshake(
            stream, connection.pointee.descriptor, early: &early, output: &connection.pointee.output, &buffers)
        unsafe takeSession(connection)
        if unsafe connection.pointee.output.isHeld { unsafe connection.pointee.isWritable = false }
        return outcome
    }

    /// The socket has become readable or writable.
    mutating func continueHandshake(_ exchange: ExchangePointer, _ connection: ConnectionPointer) {
        if unsafe connection.pointee.output.isHeld && connection.pointee.isWritable {
            guard unsafe flushOutput(connection) else {
                unsafe attemptFailed(exchange, .connect(status: 502))
                return
            }
        }
        if unsafe connection.pointee.isReadable { unsafe shakeHands(exchange, connection) }
    }

    mutating func handshakeFailed(
        _ connection: ConnectionPointer, _ stream: TLSStream, _ failure: TLSHandshake.Failure
    ) {
        let number = Int(unsafe connection.pointee.endpoint)
        unsafe endpoints[number].tlsFailures &+= 1
        // It may be the session that the endpoint took offence at.
        dropSession(number)
        guard refusalLog.allows(now) else { return }
        let key = endpointKeys[number]
        let reason = tls.refusal(stream).map { "its certificate: \($0)" } ?? failure.name
        Log.warning("proxy", "TLS handshake with endpoint \(key.address) of pool \(key.pool) failed: \(reason)")
    }

    /// Keeps what the endpoint offers for the next connection.
    @inline(__always)
    private mutating func takeSession(_ connection: ConnectionPointer) {
        if let session = tls.takeSession() { unsafe keepSession(session, connection) }
    }

    @inline(never)
    private mutating func keepSession(_ session: TLSSession, _ connection: ConnectionPointer) {
        let number = Int(unsafe connection.pointee.endpoint)
        guard unsafe endpoints[number].tlsIdentity == connection.pointee.tlsIdentity else {
            session.free()
            return
        }
        dropSession(number)
        unsafe endpoints[number].session = session
    }

    mutating func dropSession(_ number: Int) {
        unsafe endpoints[number].session?.free()
        unsafe endpoints[number].session = nil
    }

    /// A new site may speak otherwise to an endpoint: connections that were opened before aren't used for it.
    mutating func adoptTLS(_ site: UnsafeMutablePointer<WorkerSite>) {
        for index in 0..<(unsafe site.pointee.poolCount) {
            let pool = unsafe site.pointee.pools + index
            for position in 0..<(unsafe pool.pointee.count) {
                let number = unsafe pool.pointee.endpoints[position]
                let state = unsafe endpoints + Int(number)
                guard unsafe state.pointee.tlsIdentity != pool.pointee.tlsIdentity else { continue }
                unsafe state.pointee.tlsIdentity = pool.pointee.tlsIdentity
                dropSession(Int(number))
                closeIdleConnections(of: number)
                retireSessions(of: number, idleOnly: false)
            }
        }
    }

    // MARK: bytes

    @inline(__always)
    mutating func receive(
        _ connection: ConnectionPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Transfer {
        guard unsafe connection.pointee.stream == EndpointStream.none else {
            return unsafe receiveOnStream(connection, bytes, count)
        }
        guard let stream = unsafe connection.pointee.tls else {
            return unsafe receivePlain(connection, bytes, count)
        }
        return unsafe receive(connection, stream, bytes, count)
    }

    /// FIN without close_notify is a failure: whoever could cut the connection must not be able to cut an answer.
    @inline(never)
    private mutating func receive(
        _ connection: ConnectionPointer, _ stream: TLSStream, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Transfer {
        var isEnded = false
        let result = unsafe tls.receive(
            stream, connection.pointee.descriptor, bytes, count, output: &connection.pointee.output, &buffers,
            isEnded: &isEnded)
        unsafe takeSession(connection)
        if isEnded { unsafe connection.pointee.isPeerClosed = true }
        return result
    }

    @inline(__always)
    mutating func send(_ connection: ConnectionPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Transfer {
        guard unsafe connection.pointee.stream == EndpointStream.none else {
            return unsafe sendOnStream(connection, bytes, count)
        }
        guard let stream = unsafe connection.pointee.tls else {
            let outcome = unsafe Socket.send(connection.pointee.descriptor, bytes, count)
            unsafe takeUnread(connection)
            return outcome
        }
        return unsafe send(connection, stream, bytes, count, keeps: false)
    }

    @inline(never)
    private mutating func send(
        _ connection: ConnectionPointer, _ stream: TLSStream, _ bytes: UnsafePointer<UInt8>, _ count: Int, keeps: Bool
    ) -> Transfer {
        let result = unsafe tls.send(
            stream, connection.pointee.descriptor, bytes, count, keeps: keeps, output: &connection.pointee.output,
            &buffers)
        if unsafe connection.pointee.output.isHeld { unsafe connection.pointee.isWritable = false }
        return result
    }

    /// Sends the composed head with what fits its record of the body.
    ///
    /// - Returns: Bytes of head and body; never less than the head.
    @inline(never)
    mutating func sendHead(
        _ connection: ConnectionPointer, _ stream: TLSStream, _ body: UnsafePointer<UInt8>, _ bodyCount: Int
    ) -> Transfer {
        let copied = min(bodyCount, max(0, TLSTransport.recordBytesMax - writer.count))
        if copied > 0 { unsafe writer.append(body, copied) }
        return unsafe send(connection, stream, writer.bytes, writer.count, keeps: true)
    }

    /// Whether an idle connection is open with nothing to read. What TLS says by itself (a new session) is taken.
    mutating func isQuiet(_ connection: ConnectionPointer) -> Bool {
        guard unsafe connection.pointee.tls != nil else {
            unsafe takeUnread(connection)
            return unsafe Socket.isQuiet(connection.pointee.descriptor)
        }
        var byte: UInt8 = 0
        guard case .wouldBlock = unsafe receive(connection, &byte, 1) else { return false }
        unsafe connection.pointee.isReadable = false
        return unsafe !connection.pointee.isPeerClosed
    }

    /// No more is sent to the endpoint; reading goes on.
    mutating func endSending(_ connection: ConnectionPointer) {
        guard unsafe connection.pointee.stream == EndpointStream.none else {
            unsafe endRequest(connection)
            return
        }
        if let stream = unsafe connection.pointee.tls {
            unsafe tls.sendClose(
                stream, connection.pointee.descriptor, output: &connection.pointee.output, &buffers)
        }
        unsafe Socket.shutdownWriting(connection.pointee.descriptor)
    }

    /// The connection is about to be closed.
    mutating func endTLS(_ connection: ConnectionPointer) {
        guard let stream = unsafe connection.pointee.tls else { return }
        unsafe tls.sendClose(stream, connection.pointee.descriptor, output: &connection.pointee.output, &buffers)
        tls.free(stream)
        unsafe connection.pointee.tls = nil
    }
}
