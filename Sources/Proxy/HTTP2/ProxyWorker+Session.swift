import EventLoop
import Glibc
import HTTP1
import HTTP2
import Telemetry

typealias SessionPointer = UnsafeMutablePointer<ClientSession>
typealias StreamPointer = UnsafeMutablePointer<ClientStream>

/// HTTP/2 on a client's connection: bytes to the session and its events to streams.
///
///     preface ──▶ session ──▶ … ──GOAWAY, idle, drained──▶ frames sent ──▶ lingering
///                    └── broken, abuse ──▶ closed
extension ProxyWorker {
    /// What a client with prior knowledge begins with (RFC 9113 §3.4).
    private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    /// As far as HTTP/1.1's parser needs to see it to refuse its version.
    private static let prefaceLineBytes = 16

    /// Whether a head that is none of HTTP/1.1's is the preface of HTTP/2, as far as it has come.
    func isPreface(_ client: ClientPointer) -> Bool {
        let count = unsafe client.pointee.input.count
        guard unsafe client.pointee.requests == 0 && count >= ProxyWorker.prefaceLineBytes else { return false }
        let preface = ProxyWorker.preface
        return unsafe memcmp(client.pointee.input.bytes, preface.utf8Start, min(count, preface.utf8CodeUnitCount)) == 0
    }

    /// The connection speaks HTTP/2 from its first byte on, which is at the front of the client's input if it has come.
    mutating func beginSession(_ client: ClientPointer) {
        guard let site = unsafe site else {
            unsafe closeClient(client)
            return
        }
        let clientLimits = unsafe site.pointee.limits(ofListener: client.pointee.listener)
        let limits = unsafe SessionLimits(
            headBytesMax: clientLimits.pointee.head.headBytesMax, fieldCountMax: clientLimits.pointee.head.fieldCountMax
        )
        guard let session = unsafe Session(.server, limits, events: sessionEvents, now: now) else {
            unsafe closeClient(client)
            return
        }
        guard let slot = unsafe sessions.insert(ClientSession(client: client.pointee.slot, session: session)) else {
            session.destroy(&buffers)
            unsafe closeClient(client)
            return
        }
        unsafe sessions[slot].pointee.slot = slot
        session.setOwner(slot)
        unsafe client.pointee.session = slot
        unsafe client.pointee.phase = .session
        unsafe setDeadline(client, now + clientLimits.pointee.idleNanoseconds)
        if isDraining { session.announceShutdown() }
        markSession(slot)
        if unsafe !client.pointee.input.isEmpty, unsafe !receiveFrames(client) { return }
        unsafe readSession(client)
    }

    // MARK: reading

    /// Reads what there is, as long as the peer takes what is written.
    mutating func readSession(_ client: ClientPointer) {
        let session = unsafe sessions[client.pointee.session]
        var budget = WorkerLimits.bytesPerTurnMax
        while unsafe client.pointee.isReadable {
            guard unsafe !session.pointee.isEnding && !session.pointee.isBroken else { break }
            // Answers pile up otherwise.
            guard unsafe !session.pointee.frames.isHeld || client.pointee.isWritable else { break }
            guard budget > 0 else {
                unsafe makeReady(client)
                break
            }
            if unsafe !client.pointee.input.isHeld, unsafe !buffers.fill(&client.pointee.input) {
                unsafe breakSession(session)
                break
            }
            let room = unsafe client.pointee.input.room
            switch unsafe receive(client, client.pointee.input.tail, room) {
            case .bytes(let count):
                unsafe client.pointee.input.end += count
                statistics.bytesIn &+= UInt64(count)
                budget -= count
                if unsafe count < room && !client.pointee.isPeerClosed { unsafe client.pointee.isReadable = false }
                guard unsafe receiveFrames(client) else { return }
            case .wouldBlock: unsafe client.pointee.isReadable = false
            case .endOfStream, .failed:
                unsafe client.pointee.isReadable = false
                unsafe breakSession(session)
            }
        }
        unsafe arm(client)
    }

    /// Gives what the input holds to the session and acts on it.
    ///
    /// - Returns: Whether the session goes on.
    private mutating func receiveFrames(_ client: ClientPointer) -> Bool {
        let session = unsafe sessions[client.pointee.session]
        let outcome = unsafe session.pointee.session.receive(
            client.pointee.input.bytes, client.pointee.input.count, now: now, &buffers)
        takeSessionEvents()
        unsafe client.pointee.input.consume(client.pointee.input.count)
        unsafe buffers.empty(&client.pointee.input)
        unsafe statistics.http2.malformed &+= session.pointee.session.takeMalformedCount()
        unsafe markSession(session.pointee.slot)
        switch outcome {
        case .fine:
            if unsafe session.pointee.session.isOver { unsafe session.pointee.isEnding = true }
            return unsafe !session.pointee.isEnding
        case .abuse(let reason):
            statistics.http2.abuse[Int(reason.rawValue)] &+= 1
            if refusalLog.allows(now) {
                unsafe Log.warning(
                    "proxy", "ended the connection of \(client.pointee.address): HTTP/2 limit \(reason.reason)")
            }
            unsafe session.pointee.isEnding = true
        case .notHTTP2:
            unsafe noteMalformedRequest(client.pointee.address, .malformedRequestLine)
            unsafe breakSession(session)
        case .outOfMemory: unsafe breakSession(session)
        }
        return false
    }

    // MARK: the end

    /// The connection can't go on: closed before the turn ends, when nobody is in the middle of it.
    mutating func breakSession(_ session: SessionPointer) {
        unsafe session.pointee.isBroken = true
        unsafe markSession(session.pointee.slot)
    }

    /// Its connection is being closed: ends all streams and frees the session.
    mutating func endSession(_ client: ClientPointer) {
        let slot = unsafe client.pointee.session
        let session = unsafe sessions[slot]
        unsafe session.pointee.isBroken = true
        while unsafe session.pointee.first != ClientStream.none {
            unsafe clientBroke(clients[streams[session.pointee.first].pointee.client])
        }
        dropSessionEvents(of: slot)
        unsafe buffers.empty(&session.pointee.frames)
        unsafe session.pointee.session.destroy(&buffers)
        unsafe client.pointee.session = ClientSession.none
        sessions.retire(slot)
    }

    /// Nothing happened for `timeout.idle`, or the peer takes nothing of what is written.
    mutating func sessionTimer(_ client: ClientPointer) {
        let session = unsafe sessions[client.pointee.session]
        let limits = unsafe self.limits(of: client)
        if unsafe session.pointee.isEnding || client.pointee.blockedSince > 0 {
            let acknowledged = unsafe Socket.acknowledgedBytes(client.pointee.descriptor)
            guard unsafe acknowledged > client.pointee.blockedAcknowledged && !session.pointee.isEnding else {
                statistics.limitedWrites &+= 1
                unsafe closeClient(client)
                return
            }
            unsafe client.pointee.blockedAcknowledged = acknowledged
            unsafe setDeadline(client, now + (limits?.pointee.writeNanoseconds ?? 0))
            return
        }
        if unsafe session.pointee.streamCount == 0 { unsafe shutDown(session) }
        unsafe setDeadline(client, now + (limits?.pointee.idleNanoseconds ?? WorkerLimits.lingerNanoseconds))
    }

    /// The last streams are those that have begun (RFC 9113 §6.8).
    mutating func shutDown(_ session: SessionPointer) {
        guard unsafe !session.pointee.isShutDown else { return }
        unsafe session.pointee.isShutDown = true
        unsafe session.pointee.session.shutDown()
        unsafe markSession(session.pointee.slot)
    }

    /// Draining: first the word that no streams should come, which those on their way don't know yet …
    mutating func announceShutdowns() {
        for slot in 0..<sessions.slotLimit {
            guard let session = unsafe sessions.occupied(slot) else { continue }
            unsafe session.pointee.session.announceShutdown()
            markSession(slot)
        }
    }

    /// … and after the grace the number of the last that is served.
    mutating func shutDownSessions() {
        for slot in 0..<sessions.slotLimit {
            guard let session = unsafe sessions.occupied(slot) else { continue }
            unsafe shutDown(session)
        }
    }
}
