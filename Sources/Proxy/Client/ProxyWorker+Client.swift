import EventLoop
import Glibc
import HTTP1
import HTTPMessage
import Telemetry

typealias ClientPointer = UnsafeMutablePointer<Client>
typealias ExchangePointer = UnsafeMutablePointer<Exchange>
typealias ConnectionPointer = UnsafeMutablePointer<EndpointConnection>

/// The HTTP/1.1 client side: reads heads, starts exchanges, ends connections.
extension ProxyWorker {
    /// Takes a client socket over; its first request is often there already.
    mutating func beginClient(_ descriptor: CInt, listener: UInt32, address: IPEndpoint, phase: Client.Phase = .idle) {
        var client = Client(descriptor: descriptor, listener: listener, address: address)
        client.phase = phase
        guard let slot = clients.insert(client) else {
            close(descriptor)
            statistics.refused &+= 1
            return
        }
        if phase == .idle { listenerClients[Int(listener)] += 1 }
        let pointer = unsafe clients[slot]
        unsafe pointer.pointee.slot = slot
        unsafe setDeadline(pointer, now + headNanoseconds(of: pointer))
        if phase == .idle {
            unsafe admitSource(pointer)
            if unsafe beginTLS(pointer) { return }
        }
        unsafe readClient(pointer)
    }

    /// Those of the site in force; nil before the first one.
    func limits(of client: ClientPointer) -> UnsafePointer<ClientLimits>? {
        guard let site = unsafe site else { return nil }
        return unsafe site.pointee.limits(ofListener: client.pointee.listener)
    }

    private func headNanoseconds(of client: ClientPointer) -> UInt64 {
        unsafe limits(of: client)?.pointee.headNanoseconds ?? 10_000_000_000
    }

    mutating func clientEvent(_ token: Token, _ readiness: Readiness) {
        guard let client = unsafe clients.element(for: token) else { return }
        if readiness.isReadable { unsafe client.pointee.isReadable = true }
        if readiness.isWritable {
            unsafe client.pointee.isWritable = true
            unsafe client.pointee.blockedSince = 0
        }
        if readiness.isPeerClosed { unsafe client.pointee.isPeerClosed = true }
        if readiness.isError || (readiness.isPeerClosed && (unsafe isQueued(client))) {
            unsafe clientBroke(client)
            return
        }
        if unsafe client.pointee.isPeerClosed && isWaitingForAnswer(client) {
            unsafe clientBroke(client)
            return
        }
        unsafe continueClient(client)
    }

    /// The whole request is on its way and nothing of an answer has come: a client that closes now has gone away, and
    /// the endpoint needn't go on for it. (One that only ends its side can't be told from that, as for nginx and Envoy.)
    private func isWaitingForAnswer(_ client: ClientPointer) -> Bool {
        guard unsafe client.pointee.phase == .exchange else { return false }
        let exchange = unsafe exchanges[client.pointee.exchange]
        return unsafe exchange.pointee.stage != .relaying && exchange.pointee.request.isComplete
    }

    /// Does whatever the client's edges and buffers allow now.
    mutating func continueClient(_ client: ClientPointer) {
        if unsafe client.pointee.output.isHeld, unsafe client.pointee.isWritable {
            guard unsafe flush(client) else { return }
        }
        switch unsafe client.pointee.phase {
        case .session: unsafe continueSession(client)
        case .idle, .head, .proxyHeader:
            if unsafe client.pointee.output.isHeld { return }
            if unsafe client.pointee.phase == .idle && !client.pointee.input.isEmpty {
                unsafe parseRequest(client)
            } else if unsafe client.pointee.isReadable {
                unsafe readClient(client)
            }
        case .exchange:
            let exchange = unsafe exchanges[client.pointee.exchange]
            let slot = unsafe client.pointee.exchange
            let generation = exchanges.generation(of: slot)
            if unsafe client.pointee.isWritable && exchange.pointee.stage == .relaying {
                unsafe pumpResponse(exchange)
            }
            guard exchanges.generation(of: slot) == generation else { return }
            if unsafe client.pointee.isReadable && !exchange.pointee.request.isComplete
                && exchange.pointee.stage != .connecting
            {
                unsafe pumpRequest(exchange)
            }
        case .handshake: if unsafe client.pointee.isReadable { unsafe shakeHands(client) }
        case .lingering:
            if unsafe client.pointee.stream != ClientStream.none {
                unsafe finishStream(client)
            } else {
                unsafe linger(client)
            }
        }
    }

    /// Reads while idle or within a head.
    mutating func readClient(_ client: ClientPointer) {
        while true {
            if unsafe !client.pointee.input.isHeld, unsafe !buffers.fill(&client.pointee.input) {
                unsafe closeClient(client)
                return
            }
            let room = unsafe client.pointee.input.room
            guard room > 0 else {
                unsafe refuse(client, .headTooLarge)
                return
            }
            switch unsafe receive(client, client.pointee.input.tail, room) {
            case .bytes(let count):
                unsafe client.pointee.input.end += count
                statistics.bytesIn &+= UInt64(count)
                if unsafe count < room && !client.pointee.isPeerClosed { unsafe client.pointee.isReadable = false }
                if unsafe client.pointee.phase == .proxyHeader {
                    guard unsafe takeProxyHeader(client) else { return }
                    if unsafe client.pointee.input.isEmpty { continue }
                }
                unsafe parseRequest(client)
                return
            case .wouldBlock:
                unsafe client.pointee.isReadable = false
                if unsafe client.pointee.input.isEmpty { unsafe buffers.empty(&client.pointee.input) }
                if unsafe client.pointee.isOverLimit {
                    unsafe answerAndEnd(client, status: 429)
                    return
                }
                unsafe arm(client)
                return
            case .endOfStream, .failed:
                unsafe closeClient(client)
                return
            }
        }
    }

    /// Adds the descriptor to the poller, which reports at once what is ready already.
    mutating func arm(_ client: ClientPointer) {
        guard unsafe !client.pointee.isArmed && client.pointee.descriptor >= 0 else { return }
        unsafe client.pointee.isArmed = true
        do {
            unsafe try poller.add(client.pointee.descriptor, token(of: client), client.pointee.interest)
        } catch {
            // ENOSPC of fs.epoll.max_user_watches or ENOMEM: the connection can't be served.
            unsafe closeClient(client)
        }
    }

    // MARK: request heads

    /// Looks for a whole request head in the client's input and starts its exchange.
    mutating func parseRequest(_ client: ClientPointer) {
        let skipped = unsafe RequestHead.leadingEmptyLines(
            Span(_unsafeStart: client.pointee.input.bytes, count: client.pointee.input.count))
        if skipped > 0 {
            unsafe client.pointee.input.consume(skipped)
            let lines = unsafe Int(client.pointee.emptyLines) + skipped / 2
            guard lines <= RequestHead.emptyLinesMax else {
                unsafe refuse(client, .tooManyEmptyLines)
                return
            }
            unsafe client.pointee.emptyLines = UInt8(lines)
            unsafe client.pointee.scanned = 0
        }
        guard unsafe !client.pointee.input.isEmpty else {
            unsafe awaitHead(client)
            return
        }
        if unsafe client.pointee.phase == .idle {
            unsafe client.pointee.phase = .head
            unsafe client.pointee.headBeganAt = now
            unsafe client.pointee.scanned = 0
            unsafe setDeadline(client, now + headNanoseconds(of: client))
        }
        // A head that comes in many small pieces is parsed once more only when its end may be there.
        if unsafe client.pointee.scanned > 0, unsafe !hasHeadEnd(client) {
            unsafe awaitHead(client)
            return
        }
        guard let site = unsafe site else {
            unsafe closeClient(client)
            return
        }
        let limits = unsafe site.pointee.limits(ofListener: client.pointee.listener).pointee.head
        var head = RequestHead()
        let outcome = unsafe head.parse(
            Span(_unsafeStart: client.pointee.input.bytes, count: client.pointee.input.count), limits: limits,
            fields: &fields)
        fieldsOwner = Client.noExchange
        switch outcome {
        case .complete:
            if unsafe client.pointee.early != .none, unsafe waitsForHandshake(client, head) { return }
            unsafe beginExchange(client, head, site)
        case .incomplete:
            unsafe client.pointee.scanned = client.pointee.input.count
            unsafe awaitHead(client)
        case .failed(.unsupportedVersion) where unsafe isPreface(client): unsafe beginSession(client)
        case .failed(let error): unsafe refuse(client, error)
        }
    }

    /// Whether the bytes that came since the last attempt may complete the head, exceed its limit, or hold a line that ends
    /// in LF alone: such a head is refused, not waited for.
    private func hasHeadEnd(_ client: ClientPointer) -> Bool {
        let count = unsafe client.pointee.input.count
        if let limits = unsafe limits(of: client), unsafe count >= limits.pointee.head.headBytesMax { return true }
        let bytes = unsafe client.pointee.input.bytes
        for index in unsafe client.pointee.scanned..<count where unsafe bytes[index] == 0x0a {
            guard index > 0, unsafe bytes[index - 1] == 0x0d else { return true }
            if index >= 3, unsafe bytes[index - 2] == 0x0a && bytes[index - 3] == 0x0d { return true }
        }
        unsafe client.pointee.scanned = count
        return false
    }

    mutating func awaitHead(_ client: ClientPointer) {
        unsafe client.pointee.input.compact()
        if unsafe client.pointee.isOverLimit && !client.pointee.isReadable {
            unsafe answerAndEnd(client, status: 429)
            return
        }
        if unsafe client.pointee.isReadable { unsafe readClient(client) } else { unsafe arm(client) }
    }

    // MARK: output

    /// Sends what is left of composed bytes.
    ///
    /// - Returns: Whether all of it is sent and the client goes on.
    mutating func flush(_ client: ClientPointer) -> Bool {
        if unsafe client.pointee.stream != ClientStream.none { return unsafe flushOnStream(client) }
        while unsafe !client.pointee.output.isEmpty {
            switch unsafe Socket.send(
                client.pointee.descriptor, client.pointee.output.bytes, client.pointee.output.count)
            {
            case .bytes(let count):
                unsafe client.pointee.output.consume(count)
                // With TLS it was counted when it was encrypted.
                if unsafe client.pointee.tls == nil { statistics.bytesOut &+= UInt64(count) }
            case .wouldBlock:
                unsafe clientIsFull(client)
                return false
            case .failed, .endOfStream:
                unsafe clientBroke(client)
                return false
            }
        }
        unsafe buffers.empty(&client.pointee.output)
        if unsafe client.pointee.phase == .lingering {
            unsafe Socket.shutdownWriting(client.pointee.descriptor)
            unsafe setDeadline(client, now + WorkerLimits.lingerNanoseconds)
        }
        return true
    }

    /// Sends composed bytes, or keeps what the socket doesn't take.
    ///
    /// - Parameter isLast: The connection is ended at once: the end goes into the same segment.
    /// - Returns: Whether the connection still works.
    mutating func sendComposed(
        _ client: ClientPointer, _ body: UnsafePointer<UInt8>?, _ bodyCount: Int, isLast: Bool = false
    ) -> Int {
        if unsafe client.pointee.stream != ClientStream.none {
            return unsafe sendComposedOnStream(client, body, bodyCount)
        }
        if let stream = unsafe client.pointee.tls {
            return unsafe sendComposed(client, stream, body, bodyCount, isLast: isLast)
        }
        var sent = 0
        let headCount = writer.count
        if unsafe !client.pointee.output.isHeld {
            // A short body is copied behind the head: cheaper than a second part for the kernel to look at.
            if let body = unsafe body, bodyCount <= WorkerLimits.copiedBodyBytesMax {
                unsafe writer.append(body, bodyCount)
            }
            let isCopied = writer.count == headCount + bodyCount
            switch unsafe Socket.send(
                client.pointee.descriptor, writer.bytes, writer.count, body, isCopied ? 0 : bodyCount,
                more: isLast)
            {
            case .bytes(let count):
                sent = count
                statistics.bytesOut &+= UInt64(count)
            case .wouldBlock: break
            case .failed, .endOfStream: return -1
            }
        }
        if sent < headCount + bodyCount {
            unsafe clientIsFull(client)
        }
        if sent < headCount {
            if unsafe !client.pointee.output.isHeld, unsafe !buffers.fill(&client.pointee.output) { return -1 }
            guard unsafe headCount - sent <= client.pointee.output.room else { return -1 }
            unsafe client.pointee.output.append(writer.bytes + sent, count: headCount - sent)
        }
        return max(0, sent - headCount)
    }

    // MARK: ending

    /// After a response: the next request, or the end.
    ///
    /// - Parameter mayBeSending: The client hasn't said that this was its last request. Others may be on their way, and
    ///   closing with bytes unread would take what is left of the response along (RFC 9112 §9.6).
    mutating func continueAfterResponse(_ client: ClientPointer, persists: Bool, mayBeSending: Bool = false) {
        guard unsafe client.pointee.stream == ClientStream.none else {
            unsafe endStream(client)
            return
        }
        guard persists else {
            unsafe endClient(client, mayBeSending: mayBeSending)
            return
        }
        unsafe client.pointee.phase = .idle
        unsafe client.pointee.scanned = 0
        unsafe client.pointee.emptyLines = 0
        unsafe watch(client, .stream)
        unsafe setDeadline(client, now + (limits(of: client)?.pointee.idleNanoseconds ?? 0))
        if unsafe client.pointee.input.isEmpty { unsafe buffers.empty(&client.pointee.input) }
        if unsafe !client.pointee.input.isEmpty || client.pointee.isReadable {
            unsafe makeReady(client)
        } else {
            unsafe arm(client)
        }
    }

    /// Closes after everything composed is sent. If the client may still be sending, its bytes are read and thrown away
    /// for a while: closing at once would reset the connection and could take the answer with it.
    mutating func endClient(_ client: ClientPointer, mayBeSending: Bool = false) {
        guard unsafe client.pointee.stream == ClientStream.none else {
            unsafe endStream(client)
            return
        }
        guard
            unsafe mayBeSending || client.pointee.output.isHeld || client.pointee.isReadable
                || !client.pointee.input.isEmpty
        else {
            unsafe sendCloseNotice(client)
            // The answer waits in the kernel for the end that follows. Closing would take it away if bytes have come that
            // nobody has read; this sends both whatever there is.
            unsafe Socket.shutdownWriting(client.pointee.descriptor)
            unsafe closeClient(client)
            return
        }
        unsafe client.pointee.phase = .lingering
        unsafe sendCloseNotice(client)
        unsafe watch(client, .stream)
        if unsafe client.pointee.output.isHeld {
            unsafe setDeadline(
                client, now + (limits(of: client)?.pointee.writeNanoseconds ?? WorkerLimits.lingerNanoseconds))
        } else {
            unsafe setDeadline(client, now + WorkerLimits.lingerNanoseconds)
            unsafe Socket.shutdownWriting(client.pointee.descriptor)
        }
        unsafe arm(client)
        unsafe linger(client)
    }

    private mutating func linger(_ client: ClientPointer) {
        if unsafe !client.pointee.input.isHeld, unsafe !buffers.fill(&client.pointee.input) {
            unsafe closeClient(client)
            return
        }
        while unsafe client.pointee.isReadable {
            switch unsafe Socket.receive(
                client.pointee.descriptor, client.pointee.input.base!, BufferPool.blockBytes)
            {
            case .bytes: continue
            case .wouldBlock: unsafe client.pointee.isReadable = false
            case .endOfStream, .failed:
                unsafe closeClient(client)
                return
            }
        }
        unsafe buffers.empty(&client.pointee.input)
    }

    /// The client's connection is broken, or nothing more can be done for it.
    mutating func clientBroke(_ client: ClientPointer) {
        if unsafe client.pointee.phase == .exchange {
            let exchange = unsafe exchanges[client.pointee.exchange]
            unsafe exchange.pointee.trace.termination = .clientGone
            // 499 in nginx' words: counted as what the client would have got.
            unsafe abandon(exchange, status: exchange.pointee.status == 0 ? 499 : exchange.pointee.status)
        } else {
            unsafe closeClient(client)
        }
    }

    mutating func closeClient(_ client: ClientPointer) {
        guard unsafe client.pointee.stream == ClientStream.none else {
            unsafe closeStream(client)
            return
        }
        if unsafe client.pointee.session != ClientSession.none { unsafe endSession(client) }
        unsafe leaveSource(client)
        if unsafe client.pointee.tls != nil { unsafe endTLS(client) }
        let listener = unsafe client.pointee.listener
        if listener != Client.unknownListener { listenerClients[Int(listener)] -= 1 }
        unsafe close(client.pointee.descriptor)
        unsafe buffers.empty(&client.pointee.input)
        unsafe buffers.empty(&client.pointee.output)
        let slot = unsafe client.pointee.slot
        wheel.cancel(slot * Timer.kinds + Timer.client)
        clients.retire(slot)
    }
}
