import EventLoop

/// What descriptors are watched for while bulk goes through them, and the beat that paced bulk is moved in; see
/// `Poller.Interest` and `Pace`. Messages that nothing is spliced of cost no `epoll_ctl`.
extension ProxyWorker {
    mutating func watch(_ client: ClientPointer, _ interest: Poller.Interest) {
        guard unsafe client.pointee.interest != interest else { return }
        unsafe client.pointee.interest = interest
        guard unsafe client.pointee.isArmed else { return }
        unsafe poller.change(client.pointee.descriptor, token(of: client), interest)
    }

    mutating func watch(_ connection: ConnectionPointer, _ interest: Poller.Interest) {
        guard unsafe connection.pointee.interest != interest else { return }
        unsafe connection.pointee.interest = interest
        // A stream's socket is its session's.
        guard unsafe connection.pointee.descriptor >= 0 else { return }
        unsafe poller.change(connection.pointee.descriptor, token(of: connection), interest)
    }

    func token(of connection: ConnectionPointer) -> Token {
        let slot = unsafe connection.pointee.slot
        return Token(kind: Kind.endpoint, slot: slot, generation: connections.generation(of: slot))
    }

    /// For `exchanges.element(for:)`: whether the exchange is still the same after what may have ended it.
    func token(of exchange: ExchangePointer) -> Token {
        let slot = unsafe exchange.pointee.slot
        return Token(kind: Kind.client, slot: slot, generation: exchanges.generation(of: slot))
    }

    /// The client's socket takes no more now; it says when it does.
    mutating func clientIsFull(_ client: ClientPointer) {
        unsafe client.pointee.isWritable = false
        unsafe watch(client, client.pointee.interest.union(.writing))
        unsafe arm(client)
        unsafe beginWriteStall(client)
    }

    /// The response's body can't be moved on now.
    mutating func watchResponse(_ exchange: ExchangePointer, _ connection: ConnectionPointer) {
        let held = unsafe exchange.pointee.responsePipe.count
        guard unsafe held > 0 || exchange.pointee.responsePace.isPaced || connection.pointee.interest != .stream else {
            return
        }
        let rest = unsafe exchange.pointee.response.spliceable
        // The last bytes of a body aren't kept waiting.
        if rest < WorkerLimits.spliceBytesMin { unsafe exchange.pointee.responsePace.end() }
        // While the client is full, only a rest that fits into the pipe is worth being woken for: with it the endpoint is
        // free.
        let takesMore = unsafe held == 0 || !exchange.pointee.response.isComplete && rest <= PipePool.pipeBytes - held
        let isPaced = unsafe exchange.pointee.responsePace.isPaced
        var interest: Poller.Interest = []
        if takesMore && !isPaced { interest.insert(.reading) }
        if unsafe !connection.pointee.isWritable { interest.insert(.writing) }
        unsafe watch(connection, interest)
        if takesMore && isPaced { unsafe awaitBeat(exchange) }
    }

    /// The request's body can't be moved on now.
    mutating func watchRequest(_ exchange: ExchangePointer, _ client: ClientPointer, _ connection: ConnectionPointer) {
        if unsafe !connection.pointee.isWritable && !connection.pointee.interest.contains(.writing) {
            unsafe watch(connection, connection.pointee.interest.union(.writing))
        }
        let isBlocked = unsafe exchange.pointee.requestPipe.count > 0
        guard unsafe isBlocked || exchange.pointee.requestPace.isPaced || client.pointee.interest != .stream else {
            return
        }
        if unsafe exchange.pointee.request.spliceable < WorkerLimits.spliceBytesMin {
            unsafe exchange.pointee.requestPace.end()
        }
        let isPaced = unsafe exchange.pointee.requestPace.isPaced
        var interest: Poller.Interest = []
        if !isBlocked && !isPaced { interest.insert(.reading) }
        if unsafe !client.pointee.isWritable || exchange.pointee.request.isComplete { interest.insert(.writing) }
        unsafe watch(client, interest)
        if isPaced && !isBlocked { unsafe awaitBeat(exchange) }
    }

    // MARK: the beat

    private mutating func awaitBeat(_ exchange: ExchangePointer) {
        guard unsafe !exchange.pointee.isInPacedList else { return }
        unsafe exchange.pointee.isInPacedList = true
        if paced.isEmpty { nextBeatAt = now &+ Pace.beatNanoseconds }
        paced.append(token(of: exchange))
    }

    /// What a turn may wait while exchanges are paced: shorter than any timer's granularity.
    func nanosecondsUntilBeat() -> UInt64 { ready.isEmpty && nextBeatAt > now ? nextBeatAt - now : 0 }

    /// Looks at the sources of the paced exchanges, if it is time.
    mutating func beat() {
        guard nextBeatAt <= now else { return }
        nextBeatAt = now &+ Pace.beatNanoseconds
        let count = paced.count
        for position in 0..<count {
            let token = paced[position]
            guard let exchange = unsafe exchanges.element(for: token) else { continue }
            unsafe exchange.pointee.isInPacedList = false
            unsafe look(exchange, token)
        }
        paced.removeFirst(count)
    }

    private mutating func look(_ exchange: ExchangePointer, _ token: Token) {
        guard unsafe exchange.pointee.connection != EndpointConnection.none else { return }
        let connection = unsafe connections[exchange.pointee.connection]
        if unsafe exchange.pointee.responsePace.isPaced {
            unsafe connection.pointee.isReadable = true
            unsafe pumpResponse(exchange)
            // It may be over.
            guard unsafe exchanges.element(for: token) != nil else { return }
        }
        if unsafe exchange.pointee.requestPace.isPaced {
            unsafe clients[exchange.pointee.client].pointee.isReadable = true
            unsafe pumpRequest(exchange)
        }
    }
}
