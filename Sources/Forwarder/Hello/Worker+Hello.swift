import EventLoop
import Glibc
import Telemetry

/// Clients of `tls-passthrough` listeners: reading what they say first, and placing them by it.
extension ForwarderWorker {
    private enum HelloOutcome {
        case whole
        case incomplete
        case refused(HelloRefusal)
    }

    /// Reads a new client's hello. Most have said all of it when they are accepted, and never wait.
    mutating func readHello(_ origin: WaitingConnection) {
        let timeout = bounds[Int(origin.listener)].helloNanoseconds
        var hello = HelloConnection(origin: origin, deadline: now &+ timeout)
        switch receive(&hello) {
        case .whole: placeByHello(&hello)
        case .incomplete: wait(hello)
        case .refused(let reason): refuse(&hello, reason)
        }
    }

    /// Gives a client that has more to say a place to wait in.
    private mutating func wait(_ hello: HelloConnection) {
        var hello = hello
        guard hellos.count < ForwarderLimits.hellosMax, let slot = hellos.insert(hello) else {
            refuse(&hello, .full)
            return
        }
        let token = Token(kind: TokenKind.hello, slot: slot, generation: hellos.generation(of: slot))
        do {
            try poller.add(hello.origin.descriptor, token, .stream)
        } catch {
            hellos.retire(slot)
            refuse(&hello, .full)
            return
        }
        helloTimers.set(slot, at: hello.deadline)
        statistics.listeners[Int(hello.origin.listener)].reading += 1
    }

    mutating func helloEvent(_ slot: UInt32) {
        let hello = unsafe hellos[slot]
        switch unsafe receive(&hello.pointee) {
        case .incomplete: break
        case .whole:
            var hello = endWait(slot)
            // The relay watches the client when it is connected.
            poller.remove(hello.origin.descriptor)
            placeByHello(&hello)
        case .refused(let reason):
            var hello = endWait(slot)
            refuse(&hello, reason)
        }
    }

    mutating func helloTimerFired(_ slot: UInt32) {
        // The wheel stands still while nobody waits, and then fires early once.
        let deadline = unsafe hellos[slot].pointee.deadline
        guard deadline <= now else {
            helloTimers.set(slot, at: deadline)
            return
        }
        var hello = endWait(slot)
        refuse(&hello, .timeout)
    }

    private mutating func endWait(_ slot: UInt32) -> HelloConnection {
        let hello = unsafe hellos[slot].pointee
        helloTimers.cancel(slot)
        hellos.retire(slot)
        statistics.listeners[Int(hello.origin.listener)].reading -= 1
        return hello
    }

    /// Reads until the hello is whole or nothing is there.
    private mutating func receive(_ hello: inout HelloConnection) -> HelloOutcome {
        while true {
            if !hello.buffer.isHeld && !buffers.fill(&hello.buffer) { return .refused(.full) }
            // There is room: `HelloRecords` gives up at half a block.
            switch unsafe Socket.receive(hello.origin.descriptor, hello.buffer.tail, hello.buffer.room) {
            case .bytes(let count): hello.buffer.end += count
            case .wouldBlock:
                if hello.buffer.isEmpty { buffers.empty(&hello.buffer) }
                return .incomplete
            case .endOfStream, .failed: return .refused(.closed)
            }
            switch hello.records.advance(unsafe Span(_unsafeStart: hello.buffer.bytes, count: hello.buffer.count)) {
            case .incomplete: continue
            case .complete: return .whole
            case .malformed: return .refused(.malformed)
            case .tooLarge: return .refused(.tooLarge)
            }
        }
    }

    private mutating func placeByHello(_ hello: inout HelloConnection) {
        guard let answer = answer(to: hello.buffer, hello.records, at: hello.origin.listener),
            let places = hellosByListener[Int(hello.origin.listener)]
        else {
            refuse(&hello, .malformed)
            return
        }
        switch answer {
        case .noName: refuse(&hello, .noName)
        case .unknownName: refuse(&hello, .unknownName)
        case .unknownProtocol: refuse(&hello, .unknownProtocol)
        case .route(let route):
            let place = places.places[route]
            statistics.helloRoutes[Int(place.counters)].placed += 1
            hello.origin.pool = choosePool(place)
            relayToEndpoint(hello.origin, opening: hello.buffer)
        }
    }

    private mutating func choosePool(_ place: HelloPlaces.Place) -> Int32 {
        guard place.pools.count > 1 else { return place.pools[0] }
        var usable: [Bool] = []
        for pool in place.pools { usable.append(endpoints.hasUsable(pool: pool, now: now)) }
        return HelloPlaces.choose(place, usable, &random)
    }

    /// A pool whose endpoints were all tried in vain gives its client to another one of the route that has a usable endpoint.
    /// The endpoints have heard nothing, and all that the client has said is still here.
    ///
    /// - Parameter opening: Empty for a client that wasn't placed by its hello.
    /// - Returns: Whether there is one.
    mutating func leavesPool(_ waiting: inout WaitingConnection, _ opening: Buffer) -> Bool {
        var records = HelloRecords()
        guard !opening.isEmpty, let places = hellosByListener[Int(waiting.listener)],
            records.advance(unsafe Span(_unsafeStart: opening.bytes, count: opening.count)) == .complete,
            case .route(let route) = answer(to: opening, records, at: waiting.listener)
        else { return false }
        let place = places.places[route]
        // A pool that recovers while others fail may get it back: as often as there are others.
        guard Int(waiting.poolsLeft) + 1 < place.pools.count else { return false }
        var usable: [Bool] = []
        for pool in place.pools { usable.append(pool != waiting.pool && endpoints.hasUsable(pool: pool, now: now)) }
        guard usable.contains(true) else { return false }
        waiting.pool = HelloPlaces.choose(place, usable, &random)
        waiting.poolsLeft += 1
        waiting.attempts = 0
        return true
    }

    /// - Returns: nil for a message that contradicts itself.
    private func answer(to hello: Buffer, _ records: HelloRecords, at listener: Int32) -> HelloTable.Answer? {
        guard let places = hellosByListener[Int(listener)] else { return nil }
        let received = unsafe Span(_unsafeStart: UnsafePointer(hello.bytes), count: hello.count)
        let count = records.messageCount
        var message = unsafe hello.bytes + HelloRecords.recordHeadBytes
        if !records.isInOneRecord {
            unsafe records.gather(received, into: scratch)
            unsafe message = unsafe scratch
        }
        let start = unsafe UnsafePointer(message + HelloRecords.headBytes)
        let body = unsafe Span(_unsafeStart: start, count: count - HelloRecords.headBytes)
        guard let hello = ClientHello(body) else { return nil }
        // Behind the message, if that is there. A longer name is no route's (`HelloTable.answer`).
        let name = unsafe scratch + HelloRecords.messageBytesMax
        let nameCount = min(hello.serverName.end - hello.serverName.start, 256)
        for index in 0..<nameCount {
            let byte = body[hello.serverName.start + index]
            unsafe name[index] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
        }
        return places.table.answer(
            name: unsafe Span(_unsafeStart: UnsafePointer(name), count: nameCount),
            protocols: body.extracting(hello.protocols.start..<hello.protocols.end))
    }

    /// Closes a client that no pool gets, and says why where TLS has a word for it.
    private mutating func refuse(_ hello: inout HelloConnection, _ reason: HelloRefusal) {
        let listener = Int(hello.origin.listener)
        statistics.listeners[listener].helloRefusals[Int(reason.rawValue)] += 1
        if let logged = reason.logged, refusalLog.allows(now) {
            Log.warning(
                "forwarder",
                "refused \(hello.origin.client) at the listener \(statistics.listeners[listener].name): \(logged)")
        }
        if let alert = reason.alert {
            // alert(21), the version of an initial record (RFC 8446 §5.1), two bytes: fatal(2) and the description.
            let record: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) = (21, 3, 3, 0, 2, 2, alert)
            unsafe withUnsafeBytes(of: record) { bytes in
                // A new socket has room for seven bytes; without it the client learns less.
                _ = unsafe Socket.send(
                    hello.origin.descriptor, bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), bytes.count)
            }
        }
        buffers.empty(&hello.buffer)
        release(hello.origin)
    }

    /// After `.stop`.
    mutating func closeHellos() {
        while let slot = helloTimers.popExpired(now: UInt64.max >> 1) {
            var hello = endWait(slot)
            buffers.empty(&hello.buffer)
            release(hello.origin)
        }
    }
}
