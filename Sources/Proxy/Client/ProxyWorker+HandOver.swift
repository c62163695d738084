import EventLoop
import Glibc
import NodeLink
import Telemetry

/// A forwarder worker's connection to this worker: sockets come in, answers go out.
struct HandOverLink {
    var descriptor: CInt
    var slot: UInt32
    /// Answers that the socket didn't take; sent with the next ones or when there is room.
    var unsent: [UInt8] = []
}

/// Client sockets from forwarders of this host.
extension ProxyWorker {
    mutating func acceptLinks() {
        guard let listener = listening.handOver else { return }
        while true {
            do {
                guard let socket = try Socket.acceptUnix(on: listener) else { return }
                let descriptor = socket.release()
                let slot = UInt32(descriptor)
                try poller.add(descriptor, Token(kind: Kind.link, slot: slot, generation: 0), .stream)
                links.append(HandOverLink(descriptor: descriptor, slot: slot))
            } catch {
                restListeners("cannot take a forwarder's connection: \(error)")
                return
            }
        }
    }

    /// Nothing can be accepted now: the sockets leave the poller for a while instead of keeping the loop awake.
    mutating func restListeners(_ reason: String) {
        Log.warning("proxy", reason)
        for descriptor in [listening.handOver, listening.relay] { if let descriptor { poller.remove(descriptor) } }
        wheel.set(Timer.listenerRestID, at: now + WorkerLimits.listenerRestNanoseconds)
    }

    mutating func endListenerRest() {
        do {
            try watchListeners()
        } catch {
            restListeners("cannot watch the listening sockets: \(error)")
        }
    }

    mutating func linkEvent(_ token: Token, _ readiness: Readiness) {
        guard let position = links.firstIndex(where: { $0.slot == token.slot }) else { return }
        if readiness.isWritable && !links[position].unsent.isEmpty { sendAnswers(at: position) }
        if readiness.isReadable { takeSockets(from: links[position].descriptor) }
    }

    /// Takes every message that is there. Each is answered before its clients are read, so that a client whose
    /// bytes this process has seen never goes to another node.
    private mutating func takeSockets(from link: CInt) {
        unsafe withUnsafeTemporaryAllocation(byteCount: HandOverMessage.bytesMax, alignment: 8) { message in
            unsafe withUnsafeTemporaryAllocation(of: CInt.self, capacity: HandOverMessage.connectionsMax) { sockets in
                while true {
                    var count = 0
                    switch unsafe DescriptorPassing.receive(
                        link, payload: message, descriptors: sockets.baseAddress!, count: &count)
                    {
                    case .bytes(let bytes):
                        let payload = unsafe UnsafeRawBufferPointer(rebasing: message[..<bytes])
                        guard unsafe take(payload, sockets.baseAddress!, count, link) else {
                            closeLink(link)
                            return
                        }
                    case .wouldBlock: return
                    case .endOfStream, .failed:
                        closeLink(link)
                        return
                    }
                }
            }
        }
    }

    /// - Returns: Whether the message was one.
    private mutating func take(
        _ payload: UnsafeRawBufferPointer, _ sockets: UnsafeMutablePointer<CInt>, _ count: Int, _ link: CInt
    ) -> Bool {
        let bytes = unsafe payload.bytes
        do {
            _ = try HandOverMessage.count(bytes, descriptors: count)
            var answers: InlineArray<64, UInt8> = .init(repeating: HandOverAnswer.refused.rawValue)
            var listeners: InlineArray<64, UInt32> = .init(repeating: Client.unknownListener)
            var taken = 0
            for index in 0..<count {
                let connection = try HandOverMessage.connection(at: index, in: bytes)
                guard let listener = listenerNumber(connection, besides: taken, listeners) else { continue }
                answers[index] = HandOverAnswer.accepted.rawValue
                listeners[index] = listener
                taken += 1
            }
            guard answer(link, answers, count) else {
                // The forwarder has given this link up, and may have given the connections to another node.
                for index in 0..<count { unsafe close(sockets[index]) }
                return false
            }
            for index in 0..<count {
                guard answers[index] == HandOverAnswer.accepted.rawValue else {
                    statistics.refused &+= 1
                    unsafe close(sockets[index])
                    continue
                }
                let connection = try HandOverMessage.connection(at: index, in: bytes)
                unsafe beginClient(sockets[index], listener: listeners[index], address: connection.client)
            }
            return true
        } catch {
            Log.error("proxy", "a forwarder sent a message that is none: \(error)")
            for index in 0..<count { unsafe close(sockets[index]) }
            return false
        }
    }

    /// The number of the listener that a connection came in by; nil when it can't be taken.
    ///
    /// - Parameters:
    ///   - taken: Connections of the same message that are taken already.
    ///   - listeners: The listeners of those.
    private func listenerNumber(
        _ connection: HandedOverConnection, besides taken: Int, _ listeners: borrowing InlineArray<64, UInt32>
    ) -> UInt32? {
        guard !isDraining, let site = unsafe site,
            unsafe connectionCount + taken < site.pointee.connectionCountMax,
            let listener = unsafe site.pointee.tables.pointee.listener(nameHash: connection.listener)
        else { return nil }
        let number = unsafe site.pointee.tables.pointee.listeners[listener].number
        var alike = 0
        if unsafe site.pointee.limits(ofListener: number).pointee.connectionCountMax != .max {
            for index in listeners.indices where listeners[index] == number { alike += 1 }
        }
        return unsafe hasRoom(atListener: number, besides: alike, site) ? number : nil
    }

    /// Whether a listener's own `limits.connections` lets this worker take one more of its connections.
    func hasRoom(atListener number: UInt32, besides taken: Int, _ site: UnsafeMutablePointer<WorkerSite>) -> Bool {
        unsafe listenerClients[Int(number)] + taken < site.pointee.limits(ofListener: number).pointee.connectionCountMax
    }

    /// - Returns: false when the forwarder can't be told any more: then nothing may be read from the connections.
    private mutating func answer(_ link: CInt, _ answers: InlineArray<64, UInt8>, _ count: Int) -> Bool {
        guard let position = links.firstIndex(where: { $0.descriptor == link }) else { return false }
        if links[position].unsent.isEmpty {
            let sent = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { bytes in
                for index in 0..<count { unsafe bytes[index] = answers[index] }
                return unsafe Socket.send(link, bytes.baseAddress!, count)
            }
            switch sent {
            case .bytes: return true
            case .failed, .endOfStream: return false
            case .wouldBlock: break
            }
        }
        for index in 0..<count { links[position].unsent.append(answers[index]) }
        return true
    }

    private mutating func sendAnswers(at position: Int) {
        let link = links[position]
        let result = unsafe link.unsent.withUnsafeBufferPointer {
            unsafe Socket.send(link.descriptor, $0.baseAddress!, min($0.count, HandOverMessage.connectionsMax))
        }
        guard case .bytes(let sent) = result else { return }
        links[position].unsent.removeFirst(sent)
        if !links[position].unsent.isEmpty { sendAnswers(at: position) }
    }

    private mutating func closeLink(_ descriptor: CInt) {
        links.removeAll { $0.descriptor == descriptor }
        close(descriptor)
    }
}
