import EventLoop
import Glibc
import TLS

/// One probe under way: its socket, its TLS if there is one, and what it has come to. The socket is closed with the object; TLS
/// ends with `end`.
final class ProbeAttempt {
    let socket: OwnedDescriptor
    /// Tells events of this probe from those of one before it in the same slot.
    let generation: UInt32
    private(set) var exchange: ProbeExchange
    private(set) var secrecy: Secrecy?

    /// TLS on the probe's socket.
    struct Secrecy {
        let tls: ProbeTLS
        fileprivate let transport: ProbeTransport
        fileprivate let stream: TLSStream
        fileprivate var output = Buffer()
        /// What the endpoint offers for later.
        fileprivate var offered: TLSSession?
        /// The handshake is over.
        fileprivate(set) var isDone = false
        /// It took up an earlier session.
        fileprivate(set) var isResumed = false
    }

    init(_ socket: consuming OwnedDescriptor, generation: UInt32, _ exchange: consuming ProbeExchange) {
        self.socket = socket
        self.generation = generation
        self.exchange = exchange
    }

    /// Speaks TLS once it is connected.
    ///
    /// - Parameters:
    ///   - address: What the certificate must name when the pool has no name.
    ///   - session: Of an earlier probe; stays the caller's.
    /// - Returns: false without memory.
    func secure(_ tls: ProbeTLS, _ transport: ProbeTransport, address: String, session: TLSSession?) -> Bool {
        guard let context = tls.context,
            let stream = transport.tls.connect(context, address: address, session: session)
        else { return false }
        secrecy = Secrecy(tls: tls, transport: transport, stream: stream)
        return true
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
        if secrecy != nil { return advance() }
        if let result = send() { return result }
        return readiness.isReadable ? receive() : nil
    }

    /// Looks once more, without being told that there is something.
    func advance() -> ProbeResult? {
        guard exchange.isConnected else { return nil }
        if let result = shakeHands() { return result }
        guard secrecy?.isDone ?? true else { return nil }
        return send() ?? receive()
    }

    /// Ends TLS, if there is one.
    ///
    /// - Returns: What the endpoint has offered for the next probe; the caller's to free.
    func end() -> TLSSession? {
        guard let secrecy else { return nil }
        // Without it the endpoint would have reason to believe that something was cut.
        secrecy.transport.tls.sendClose(
            secrecy.stream, socket.rawValue, output: &self.secrecy!.output, &secrecy.transport.buffers)
        secrecy.transport.tls.free(secrecy.stream)
        secrecy.transport.buffers.empty(&self.secrecy!.output)
        self.secrecy = nil
        return secrecy.offered
    }

    // MARK: TLS

    /// - Returns: The result of a handshake that has failed.
    private func shakeHands() -> ProbeResult? {
        guard let secrecy, !secrecy.isDone else { return nil }
        if let result = flush() { return result }
        let (transport, stream) = (secrecy.transport, secrecy.stream)
        var early = Buffer()
        let outcome = transport.tls.handshake(
            stream, socket.rawValue, early: &early, output: &self.secrecy!.output, &transport.buffers)
        keepOffered(transport)
        switch outcome {
        case .wouldBlock: return nil
        case .done:
            self.secrecy!.isDone = true
            self.secrecy!.isResumed = stream.isResumed
            return exchange.secured(stream.applicationProtocol)
        case .failed(.closed): return exchange.ended()
        case .failed(.certificate):
            return .failed(.tls("its certificate: \(transport.tls.refusal(stream) ?? "doesn't verify")"))
        case .failed(let failure): return .failed(.tls(transport.tls.failureText ?? failure.name))
        }
    }

    private func keepOffered(_ transport: ProbeTransport) {
        guard let session = transport.tls.takeSession() else { return }
        secrecy!.offered?.free()
        secrecy!.offered = session
    }

    /// Encrypted bytes that the socket didn't take before.
    private func flush() -> ProbeResult? {
        while let output = secrecy?.output, !output.isEmpty {
            switch unsafe Socket.send(socket.rawValue, output.bytes, output.count) {
            case .bytes(let count): secrecy!.output.consume(count)
            case .wouldBlock: return nil
            case .endOfStream: return exchange.ended()
            case .failed(let code): return exchange.broke(code)
            }
        }
        return nil
    }

    // MARK: bytes

    private func send() -> ProbeResult? {
        if let result = flush() { return result }
        while !exchange.unsent.isEmpty {
            let transfer = unsafe exchange.unsent.withUnsafeBufferPointer { bytes in
                unsafe send(bytes.baseAddress!, bytes.count)
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
                unsafe receive(buffer.baseAddress!, buffer.count)
            }
            switch transfer {
            case .bytes(let count):
                if let result = exchange.received(bytes[..<count]) { return result }
                if let result = send() { return result }
            case .wouldBlock: return nil
            case .endOfStream: return exchange.ended()
            case .failed(let code):
                // What the endpoint thinks of our certificate comes after the handshake (TLS 1.3).
                if let reason = secrecy?.transport.tls.failureText { return .failed(.tls(reason)) }
                // FIN without close_notify.
                return code == 0 ? exchange.ended() : exchange.broke(code)
            }
        }
    }

    private func send(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Transfer {
        guard let secrecy else { return unsafe Socket.send(socket.rawValue, bytes, count) }
        return unsafe secrecy.transport.tls.send(
            secrecy.stream, socket.rawValue, bytes, count, output: &self.secrecy!.output, &secrecy.transport.buffers)
    }

    private func receive(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Transfer {
        guard let secrecy else { return unsafe Socket.receive(socket.rawValue, bytes, count) }
        var isEnded = false
        let transfer = unsafe secrecy.transport.tls.receive(
            secrecy.stream, socket.rawValue, bytes, count, output: &self.secrecy!.output, &secrecy.transport.buffers,
            isEnded: &isEnded)
        keepOffered(secrecy.transport)
        return transfer
    }
}
