import EventLoop
import Glibc
import HTTP1
import HTTPMessage
import NodeLink
import TLS

/// Requests that clients send before the handshake is complete (0-RTT). Whoever has recorded them can send them again, so only
/// those that change nothing are served, and the endpoint is told (RFC 8470).
///
///     handshake ──early data──▶ idle ──▶ … requests … ──the client's Finished──▶ …   (the connection is as any other)
///         └───── none of it ──▶ handshake
extension ProxyWorker {
    /// Begins a handshake that may bring early data.
    ///
    /// - Returns: Whether the client is taken care of; otherwise the handshake goes on as any other.
    mutating func beginEarly(_ client: ClientPointer, _ stream: TLSStream) -> Bool {
        var plain = Buffer()
        guard buffers.fill(&plain) else {
            unsafe closeClient(client)
            return true
        }
        // A block takes all early data that there can be. What was read before TLS began is used up by then: nobody sends
        // the end of a handshake without having seen our part of it.
        var hasEnded = false
        let outcome = unsafe tls.receiveEarly(
            stream, client.pointee.descriptor, plain.tail, plain.room, early: &client.pointee.input,
            output: &client.pointee.output, &buffers, hasEnded: &hasEnded)
        if unsafe client.pointee.output.isHeld { unsafe clientIsFull(client) }
        switch outcome {
        case .bytes(let count):
            plain.end += count
            statistics.bytesIn &+= UInt64(count)
            guard unsafe client.pointee.input.isEmpty else {
                // More than a client's first flight in front of it.
                buffers.empty(&plain)
                unsafe closeClient(client)
                return true
            }
            unsafe buffers.empty(&client.pointee.input)
            unsafe client.pointee.input = plain
            unsafe client.pointee.early = hasEnded ? .ended : .reading
            unsafe client.pointee.phase = .idle
            unsafe client.pointee.isReadable = hasEnded || !tls.isDrained(stream) || client.pointee.isPeerClosed
            unsafe setDeadline(client, now + (limits(of: client)?.pointee.headNanoseconds ?? 10_000_000_000))
            if stream.applicationProtocol == .http2 {
                unsafe beginSession(client)
            } else {
                unsafe parseRequest(client)
            }
            return true
        case .wouldBlock:
            buffers.empty(&plain)
            if unsafe client.pointee.input.isEmpty { unsafe buffers.empty(&client.pointee.input) }
            unsafe client.pointee.isReadable = false
            unsafe arm(client)
            return true
        case .none:
            buffers.empty(&plain)
            unsafe client.pointee.early = .none
            if stream.hasRejectedEarlyData { statistics.early.rejected &+= 1 }
            return false
        case .failed(let failure):
            buffers.empty(&plain)
            statistics.handshakes.count(failure)
            unsafe client.pointee.isCut = true
            unsafe closeClient(client)
            return true
        }
    }

    /// Whether a request must wait until the handshake is complete: it may change something (RFC 8470 §3), is not whole, or
    /// ends its connection, of which the client can't be told before.
    ///
    /// `fields` holds the lines of the head, which is at the front of the client's input.
    mutating func waitsForHandshake(_ client: ClientPointer, _ head: RequestHead) -> Bool {
        guard unsafe isEarly(client) else { return false }
        let isSafe =
            switch head.method {
            case .get, .head, .options: true
            case .post, .put, .delete, .connect, .trace, .patch, .other: false
            }
        if isSafe && head.framing == .none && head.isPersistent && !head.asksForWebSocket {
            statistics.early.served &+= 1
            return false
        }
        if unsafe !client.pointee.waitsForHandshake {
            statistics.early.waited &+= 1
            unsafe client.pointee.waitsForHandshake = true
        }
        if unsafe client.pointee.stream == ClientStream.none {
            unsafe awaitHead(client)
        } else {
            // Its connection reads; what there is of the body waits as well.
            unsafe client.pointee.phase = .idle
            unsafe setDeadline(client, now + (limits(of: client)?.pointee.headNanoseconds ?? 10_000_000_000))
        }
        return true
    }

    /// Whether what the client sends now is early data: its handshake isn't complete.
    func isEarly(_ client: ClientPointer) -> Bool {
        guard unsafe client.pointee.early != .none else { return false }
        guard unsafe client.pointee.stream != ClientStream.none else { return true }
        let session = unsafe session(of: streams[client.pointee.stream])
        return unsafe clients[session.pointee.client].pointee.early != .none
    }

    /// `receive` before the handshake is complete: early data, and behind it what ends the handshake.
    @inline(never)
    mutating func receiveEarly(
        _ client: ClientPointer, _ stream: TLSStream, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Transfer {
        var received = 0
        if unsafe client.pointee.early == .reading {
            var none = Buffer()
            var hasEnded = false
            switch unsafe tls.receiveEarly(
                stream, client.pointee.descriptor, bytes, count, early: &none, output: &client.pointee.output,
                &buffers, hasEnded: &hasEnded)
            {
            case .bytes(let count): received = count
            case .wouldBlock: return .wouldBlock
            case .none: break
            case .failed(let failure):
                statistics.handshakes.count(failure)
                return .failed(EPROTO)
            }
            guard hasEnded else { return .bytes(received) }
            unsafe client.pointee.early = .ended
        }
        guard unsafe finishHandshake(client, stream) else {
            if unsafe client.pointee.isCut { return .failed(EPROTO) }
            return received > 0 ? .bytes(received) : .wouldBlock
        }
        // What follows is looked for at once: a short read would say that the socket is empty.
        let rest = unsafe receive(client, stream, bytes + received, count - received)
        guard received > 0 else { return rest }
        if case .bytes(let count) = rest { received += count }
        return .bytes(received)
    }

    /// Takes a handshake on whose early data has ended.
    ///
    /// - Returns: Whether it is complete.
    private mutating func finishHandshake(_ client: ClientPointer, _ stream: TLSStream) -> Bool {
        var none = Buffer()
        let outcome = unsafe tls.handshake(
            stream, client.pointee.descriptor, early: &none, output: &client.pointee.output, &buffers)
        switch outcome {
        case .wouldBlock: return false
        case .failed(let failure):
            statistics.handshakes.count(failure)
            unsafe client.pointee.isCut = true
            return false
        case .done:
            statistics.handshakes.count(stream)
            unsafe client.pointee.early = .none
            if unsafe client.pointee.waitsForHandshake { unsafe goOn(client) }
            if unsafe client.pointee.session != ClientSession.none { unsafe goOnWithStreams(client) }
            return true
        }
    }

    /// The connection is about to be closed: what ends the handshake may have come, and only then can the client be told that
    /// this is the end and no cut.
    mutating func hurryHandshake(_ client: ClientPointer, _ stream: TLSStream) {
        guard unsafe client.pointee.phase != .handshake else { return }
        unsafe client.pointee.waitsForHandshake = false
        var rest = Buffer()
        guard buffers.fill(&rest) else { return }
        unsafe _ = receiveEarly(client, stream, rest.tail, rest.room)
        buffers.empty(&rest)
    }

    private mutating func goOnWithStreams(_ client: ClientPointer) {
        var number = unsafe sessions[client.pointee.session].pointee.first
        while number != ClientStream.none {
            let waiting = unsafe clients[streams[number].pointee.client]
            if unsafe waiting.pointee.waitsForHandshake { unsafe goOn(waiting) }
            number = unsafe streams[number].pointee.next
        }
    }

    /// The request at the front of its input has waited for the handshake.
    private mutating func goOn(_ client: ClientPointer) {
        unsafe client.pointee.early = .none
        unsafe client.pointee.waitsForHandshake = false
        unsafe client.pointee.phase = .idle
        unsafe makeReady(client)
    }

    func appendEarlySamples(to samples: inout [Sample]) {
        for (outcome, count) in [
            ("served", statistics.early.served), ("waited", statistics.early.waited),
            ("rejected", statistics.early.rejected),
        ] where count > 0 {
            samples.append(Sample("sluice_early_data_total", [.init("outcome", outcome)], Double(count)))
        }
    }
}
