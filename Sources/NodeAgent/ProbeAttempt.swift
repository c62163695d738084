import EventLoop

/// One probe under way: its socket, and what it has come to. Closed with the object.
final class ProbeAttempt {
    let socket: OwnedDescriptor
    /// Tells events of this probe from those of one before it in the same slot.
    let generation: UInt32
    private(set) var exchange: ProbeExchange

    init(_ socket: consuming OwnedDescriptor, generation: UInt32, _ exchange: ProbeExchange) {
        self.socket = socket
        self.generation = generation
        self.exchange = exchange
    }

    /// Goes as far as the socket lets it.
    ///
    /// - Returns: The result once there is one.
    func advance(_ readiness: Readiness) -> ProbeResult? {
        if !exchange.isConnected {
            guard readiness.isWritable else { return nil }
            let code = Socket.pendingError(socket.rawValue)
            guard code == 0 else { return exchange.broke(code) }
            if let result = exchange.connected() { return result }
        }
        if let result = send() { return result }
        return readiness.isReadable ? receive() : nil
    }

    /// Looks once more, without being told that there is something.
    func advance() -> ProbeResult? { exchange.isConnected ? send() ?? receive() : nil }

    private func send() -> ProbeResult? {
        while !exchange.unsent.isEmpty {
            let transfer = unsafe exchange.unsent.withUnsafeBufferPointer { bytes in
                unsafe Socket.send(socket.rawValue, bytes.baseAddress!, bytes.count)
            }
            switch transfer {
            case .bytes(let count): exchange.sent(count)
            case .wouldBlock: return nil
            case .endOfStream: return exchange.ended()
            case .failed(let code): return exchange.broke(code)
            }
        }
        return nil
    }

    private func receive() -> ProbeResult? {
        // One read takes the whole answer of most endpoints, so that closing sends FIN and not RST.
        var bytes = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let transfer = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                unsafe Socket.receive(socket.rawValue, buffer.baseAddress!, buffer.count)
            }
            switch transfer {
            case .bytes(let count):
                if let result = exchange.received(bytes[..<count]) { return result }
            case .wouldBlock: return nil
            case .endOfStream: return exchange.ended()
            case .failed(let code): return exchange.broke(code)
            }
        }
    }
}
