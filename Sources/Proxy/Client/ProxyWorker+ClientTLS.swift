import EventLoop
import TLS

/// TLS on the client side: the handshake, and what differs from a plain socket.
///
///     accepted ──▶ handshake ──done──▶ idle ──▶ …          (the connection then reads and writes as any other)
///                     └── failed, timeout ──▶ closed
extension ProxyWorker {
    /// Begins the handshake if the client's listener speaks TLS.
    ///
    /// Bytes that are there already (behind a PROXY header) are the handshake's.
    ///
    /// - Returns: Whether it does; the client is then taken care of.
    mutating func beginTLS(_ client: ClientPointer) -> Bool {
        guard let site = unsafe site,
            let context = unsafe site.pointee.serverContext(ofListener: client.pointee.listener)
        else { return false }
        // One of too many from its source would have to be told so inside of TLS: that is work for nothing.
        guard unsafe !client.pointee.isOverLimit, let stream = tls.accept(context) else {
            unsafe closeClient(client)
            return true
        }
        unsafe client.pointee.tls = stream
        unsafe client.pointee.phase = .handshake
        if context.takesEarlyData { unsafe client.pointee.early = .possible }
        unsafe setDeadline(client, now + handshakeTimeout(of: client))
        unsafe shakeHands(client)
        return true
    }

    /// Takes the handshake on. Handshakes cost up to a millisecond each: when a turn has spent its share on them, the
    /// others wait for the next one, and connections that have requests are served in between.
    mutating func shakeHands(_ client: ClientPointer) {
        guard let stream = unsafe client.pointee.tls else { return }
        guard handshakeNanoseconds < WorkerLimits.handshakeNanosecondsPerTurn else {
            unsafe makeReady(client)
            return
        }
        let began = Clock.monotonicNanoseconds()
        if unsafe client.pointee.early == .possible, unsafe beginEarly(client, stream) {
            handshakeNanoseconds += Clock.monotonicNanoseconds() &- began
            return
        }
        let outcome = unsafe tls.handshake(
            stream, client.pointee.descriptor, early: &client.pointee.input, endIsNews: !client.pointee.isPeerClosed,
            output: &client.pointee.output, &buffers)
        handshakeNanoseconds += Clock.monotonicNanoseconds() &- began
        if unsafe client.pointee.input.isEmpty { unsafe buffers.empty(&client.pointee.input) }
        if unsafe client.pointee.output.isHeld { unsafe clientIsFull(client) }
        switch outcome {
        case .wouldBlock:
            unsafe client.pointee.isReadable = false
            unsafe arm(client)
        case .failed(let failure):
            statistics.handshakes.count(failure)
            unsafe client.pointee.isCut = true
            unsafe closeClient(client)
        case .done:
            statistics.handshakes.count(stream)
            unsafe client.pointee.phase = .idle
            unsafe client.pointee.isReadable = !tls.isSocketDrained || client.pointee.isPeerClosed
            unsafe beginPlaintext(client, stream)
        }
    }

    /// At the end of a turn. A worker that spends much of its time on handshakes doesn't interrupt what runs on its CPU
    /// for the next one (`Thread.setYielding`): each takes long enough for more to come meanwhile, and a switch for every
    /// step of every handshake costs a tenth of it.
    mutating func watchHandshakes() {
        if handshakeShare.turnEnded(spent: handshakeNanoseconds, now: now) {
            Thread.setYielding(handshakeShare.isLarge)
        }
        handshakeNanoseconds = 0
    }

    /// The handshake is over: what ALPN chose is spoken from now on.
    private mutating func beginPlaintext(_ client: ClientPointer, _ stream: TLSStream) {
        unsafe setDeadline(client, now + handshakeTimeout(of: client))
        let hasPending = tls.hasPending(stream)
        if stream.applicationProtocol == .http2 {
            if hasPending { unsafe client.pointee.isReadable = true }
            unsafe beginSession(client)
        } else if unsafe hasPending || client.pointee.isReadable {
            unsafe readClient(client)
        } else {
            unsafe arm(client)
        }
    }

    /// `limits.timeout.head`, from the connection's beginning; and once more for the first head.
    private func handshakeTimeout(of client: ClientPointer) -> UInt64 {
        unsafe limits(of: client)?.pointee.headNanoseconds ?? 10_000_000_000
    }

    // MARK: bytes

    /// Receives what the client sent, decrypted; as `Socket.receive`.
    @inline(__always)
    mutating func receive(_ client: ClientPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Transfer {
        guard unsafe client.pointee.stream == ClientStream.none else {
            return unsafe receiveOnStream(client, bytes, count)
        }
        guard let stream = unsafe client.pointee.tls else {
            return unsafe Socket.receive(client.pointee.descriptor, bytes, count)
        }
        return unsafe receive(client, stream, bytes, count)
    }

    @inline(never)
    mutating func receive(
        _ client: ClientPointer, _ stream: TLSStream, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Transfer {
        if unsafe client.pointee.early != .none { return unsafe receiveEarly(client, stream, bytes, count) }
        var isEnded = false
        let result = unsafe tls.receive(
            stream, client.pointee.descriptor, bytes, count, fromSocket: client.pointee.isReadable,
            output: &client.pointee.output, &buffers, isEnded: &isEnded)
        if isEnded { unsafe client.pointee.isPeerClosed = true }
        return result
    }

    /// Sends bytes to the client, encrypted; as `Socket.send`. With TLS what the socket doesn't take waits in `output`.
    @inline(__always)
    mutating func send(_ client: ClientPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Transfer {
        guard unsafe client.pointee.stream == ClientStream.none else {
            return unsafe sendOnStream(client, bytes, count)
        }
        guard let stream = unsafe client.pointee.tls else {
            return unsafe Socket.send(client.pointee.descriptor, bytes, count)
        }
        return unsafe send(client, stream, bytes, count, keeps: false)
    }

    @inline(never)
    mutating func send(
        _ client: ClientPointer, _ stream: TLSStream, _ bytes: UnsafePointer<UInt8>, _ count: Int, keeps: Bool,
        ends: Bool = false
    ) -> Transfer {
        let result = unsafe tls.send(
            stream, client.pointee.descriptor, bytes, count, keeps: keeps, ends: ends,
            isEarly: client.pointee.early != .none,
            output: &client.pointee.output, &buffers)
        if unsafe client.pointee.output.isHeld { unsafe clientIsFull(client) }
        return result
    }

    /// `sendComposed` with TLS: the head goes into one record with what fits it of the body.
    ///
    /// - Returns: How many bytes of the body are sent; -1 when the connection is broken.
    @inline(never)
    mutating func sendComposed(
        _ client: ClientPointer, _ stream: TLSStream, _ body: UnsafePointer<UInt8>?, _ bodyCount: Int, isLast: Bool
    ) -> Int {
        let headCount = writer.count
        if let body = unsafe body, unsafe !client.pointee.output.isHeld {
            unsafe writer.append(body, min(bodyCount, max(0, TLSTransport.recordBytesMax - headCount)))
        }
        let ends = isLast && writer.count == headCount + bodyCount
        switch unsafe send(client, stream, writer.bytes, writer.count, keeps: true, ends: ends) {
        case .bytes(let count):
            statistics.bytesOut &+= UInt64(count)
            return count - headCount
        case .wouldBlock, .failed, .endOfStream: return -1
        }
    }

    /// Before the connection is closed or its sending side is: tells the client that this is the end, and no cut.
    mutating func sendCloseNotice(_ client: ClientPointer) {
        guard let stream = unsafe client.pointee.tls, unsafe !client.pointee.isCut else { return }
        // What ends the handshake may be there by now; without it there is no way to say so.
        if unsafe client.pointee.early != .none { unsafe hurryHandshake(client, stream) }
        unsafe tls.sendClose(stream, client.pointee.descriptor, output: &client.pointee.output, &buffers)
    }

    /// Its connection is about to be closed.
    mutating func endTLS(_ client: ClientPointer) {
        unsafe sendCloseNotice(client)
        guard let stream = unsafe client.pointee.tls else { return }
        tls.free(stream)
        unsafe client.pointee.tls = nil
    }
}
