import COpenSSL
package import EventLoop
import Glibc

/// One worker's way between OpenSSL and its sockets.
///
/// OpenSSL reads and writes the socket itself, through a BIO that all connections of the worker share: which socket is
/// meant is set before each call. A record costs one `recv` and one `send`, and its bytes are copied nowhere in between.
/// What a socket doesn't take of a record goes, encrypted as it is, into the connection's output buffer: so OpenSSL
/// never has to be asked twice, and output that waits looks the same with and without TLS.
///
/// A connection between two messages holds no record buffer (`SSL_MODE_RELEASE_BUFFERS`).
@safe
package struct TLSTransport: ~Copyable {
    /// The most plain bytes in one record (RFC 8446 §5.1).
    package static var recordBytesMax: Int { 16 * 1024 }
    /// What a record adds at most: header, explicit nonce or content type, tag (RFC 8446 §5.2).
    package static var recordOverheadMax: Int { 64 }
    /// Read from the socket in one call, whatever is asked for: certificates of a handshake, messages of TLS itself. Bytes that
    /// are asked for may come one a record, with some 30 around each.
    package static var readBytesMax: Int { 256 * 1024 }

    let io: UnsafeMutablePointer<SocketCall>
    private let bio: OpaquePointer

    package init() {
        unsafe io = .allocate(capacity: 1)
        unsafe io.initialize(to: SocketCall())
        guard let bio = unsafe BIO_new(SocketBIO.method) else { preconditionFailure("no memory for a BIO") }
        unsafe BIO_set_data(bio, io)
        unsafe BIO_set_init(bio, 1)
        unsafe self.bio = unsafe bio
        use(.random())
    }

    /// Session tickets are sealed and opened with these from now on.
    package func use(_ keys: TicketKeys) {
        for (index, byte) in keys.bytes.enumerated() { unsafe io.pointee.ticketKeys[index] = byte }
    }

    deinit {
        unsafe BIO_free(bio)
        unsafe io.pointee.spill.deallocate()
        unsafe io.pointee.ticketKeys.deallocate()
        unsafe io.deallocate()
    }

    // MARK: beginning and end

    /// A connection that a peer has opened.
    ///
    /// - Returns: nil without memory.
    package func accept(_ context: TLSServerContext) -> TLSStream? {
        guard let handle = unsafe attach(SSL_new(context.handle)) else { return nil }
        unsafe SSL_set_accept_state(handle)
        return unsafe TLSStream(handle)
    }

    /// A connection that this worker has opened.
    ///
    /// - Parameters:
    ///   - address: What the certificate must name when the context has no name: an IP address; empty for none.
    ///   - session: Of an earlier connection; stays the caller's.
    /// - Returns: nil without memory.
    package func connect(_ context: TLSClientContext, address: String, session: TLSSession?) -> TLSStream? {
        guard let handle = unsafe attach(SSL_new(context.handle)) else { return nil }
        unsafe SSL_set_connect_state(handle)
        if let name = context.serverName {
            unsafe copenssl_set_host_name(handle, name)
            unsafe SSL_set_hostflags(handle, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            unsafe SSL_set1_host(handle, name)
        } else if !address.isEmpty {
            unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(handle), address)
        }
        if let session { unsafe SSL_set_session(handle, session.handle) }
        return unsafe TLSStream(handle)
    }

    /// Takes over a connection of another worker, which won't touch it any more.
    package func adopt(_ stream: TLSStream) { unsafe _ = attach(stream.handle) }

    /// The session that the peer offered in the last call, if it did. The caller frees it.
    @inline(__always)
    package func takeSession() -> TLSSession? {
        guard let session = unsafe io.pointee.session else { return nil }
        unsafe io.pointee.session = nil
        return unsafe TLSSession(session)
    }

    /// Why a peer's certificate was refused, in OpenSSL's words; nil when it wasn't.
    package func refusal(_ stream: TLSStream) -> String? {
        let result = unsafe SSL_get_verify_result(stream.handle)
        guard result != Int(X509_V_OK), let text = unsafe X509_verify_cert_error_string(result) else { return nil }
        return unsafe String(cString: text)
    }

    /// Why the last call failed, in OpenSSL's words: an alert of the peer, or what is wrong with its bytes. nil when it
    /// didn't, or for a reason that the socket knows.
    package var failureText: String? {
        guard unsafe io.pointee.error != 0, let text = unsafe ERR_reason_error_string(io.pointee.error) else {
            return nil
        }
        return unsafe String(cString: text)
    }

    private func attach(_ handle: OpaquePointer?) -> OpaquePointer? {
        guard let handle = unsafe handle else {
            ERR_clear_error()
            return nil
        }
        // One reference for reading and one for writing.
        unsafe BIO_up_ref(bio)
        unsafe BIO_up_ref(bio)
        unsafe SSL_set_bio(handle, bio, bio)
        return unsafe handle
    }

    /// Takes the handshake as far as the socket's bytes go.
    ///
    /// - Parameters:
    ///   - early: Bytes that were read from the socket before; what is taken of them is consumed.
    ///   - endIsNews: The peer hasn't ended as far as is known, and when it does the caller is told by its poller: then a
    ///     socket that a short read has emptied isn't asked again.
    ///   - output: Gets what the socket doesn't take.
    package func handshake(
        _ stream: TLSStream, _ socket: CInt, early: inout Buffer, endIsNews: Bool = false, output: inout Buffer,
        _ buffers: inout BufferPool
    ) -> TLSHandshake {
        begin(socket, output)
        unsafe io.pointee.trustsDrained = endIsNews
        if !early.isEmpty {
            unsafe io.pointee.early = unsafe UnsafePointer(early.bytes)
            unsafe io.pointee.earlyCount = early.count
        }
        unsafe io.pointee.gathers = true
        let result = unsafe SSL_do_handshake(stream.handle)
        if !early.isEmpty { unsafe early.consume(early.count - io.pointee.earlyCount) }
        let isSent = unsafe SocketBIO.sendGathered(io, more: result == 1 && ticketsCanWait(stream))
        let isKept = isSent && keepSpill(&output, &buffers)
        guard result != 1 else { return isKept ? .done : .failed(.closed) }
        let code = unsafe SSL_get_error(stream.handle, result)
        if code == SSL_ERROR_WANT_READ && isKept { return .wouldBlock }
        defer { ERR_clear_error() }
        unsafe io.pointee.error = ERR_peek_error()
        if code == SSL_ERROR_SSL { return .failed(TLSErrors.handshakeFailure()) }
        return .failed(.closed)
    }

    /// What a server of TLS 1.3 sends last are session tickets, two records (RFC 8446 §4.6.1). When the client's first request
    /// is there already, they wait for the answer: one segment instead of three.
    private func ticketsCanWait(_ stream: TLSStream) -> Bool {
        unsafe SSL_is_server(stream.handle) == 1 && stream.version == .tls13 && hasPending(stream)
    }

    /// Whether the socket had no byte left when it was read last, and none waits in OpenSSL: reading now would not
    /// bring any.
    package func isDrained(_ stream: TLSStream) -> Bool { isSocketDrained && !hasPending(stream) }

    /// Whether the socket had no byte left when the last call read it last.
    package var isSocketDrained: Bool { unsafe io.pointee.isDrained }

    /// Whether bytes that were read from the socket wait in OpenSSL.
    package func hasPending(_ stream: TLSStream) -> Bool { unsafe SSL_has_pending(stream.handle) == 1 }

    /// Whether the last call has read anything from the socket.
    package var hasRead: Bool { unsafe io.pointee.readBytesLeft < TLSTransport.readBytesMax }

    /// Says that nothing more will be sent (`close_notify`, RFC 8446 §6.1). Without it, what was sent looks cut short.
    ///
    /// - Parameter output: What waits there goes first.
    package func sendClose(_ stream: TLSStream, _ socket: CInt, output: inout Buffer, _ buffers: inout BufferPool) {
        guard
            unsafe SSL_is_init_finished(stream.handle) == 1 && SSL_get_shutdown(stream.handle) & SSL_SENT_SHUTDOWN == 0
        else { return }
        begin(socket, output)
        unsafe SSL_shutdown(stream.handle)
        ERR_clear_error()
        _ = keepSpill(&output, &buffers)
    }

    /// Frees the stream; the socket is the caller's to close.
    package func free(_ stream: TLSStream) { unsafe SSL_free(stream.handle) }

    // MARK: bytes

    /// Receives as `Socket.receive` does: fewer bytes than asked for mean that the socket has no more, and an end or
    /// an error behind the bytes comes with the next call, of which `isEnded` warns.
    ///
    /// - Parameter fromSocket: false: the socket is known to have nothing, only what waits in OpenSSL is taken.
    package func receive(
        _ stream: TLSStream, _ socket: CInt, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int,
        fromSocket: Bool = true, output: inout Buffer, _ buffers: inout BufferPool, isEnded: inout Bool
    ) -> Transfer {
        begin(socket, output, wanted: count)
        if !fromSocket {
            unsafe io.pointee.isDrained = true
            unsafe io.pointee.trustsDrained = true
        }
        var total = 0
        while total < count {
            var taken = 0
            if unsafe SSL_read_ex(stream.handle, bytes + total, count - total, &taken) == 1 {
                total += taken
                if isDrained(stream) { break }
                continue
            }
            let code = unsafe SSL_get_error(stream.handle, 0)
            if code == SSL_ERROR_WANT_READ { break }
            unsafe io.pointee.error = ERR_peek_error()
            ERR_clear_error()
            isEnded = true
            guard total == 0 else { break }
            _ = keepSpill(&output, &buffers)
            if code == SSL_ERROR_ZERO_RETURN { return .endOfStream }
            // FIN without close_notify: whether that is an end or a cut is for the caller to say.
            if code == SSL_ERROR_SYSCALL, unsafe io.pointee.isEnded { return .failed(0) }
            return unsafe .failed(io.pointee.failure == 0 ? EPROTO : io.pointee.failure)
        }
        // A message of TLS itself may have been answered (KeyUpdate).
        guard keepSpill(&output, &buffers) else { return .failed(ENOBUFS) }
        return total > 0 ? .bytes(total) : .wouldBlock
    }

    /// Sends as `Socket.send` does, in records of at most 16 KiB: what is reported as sent is on its way or, encrypted, in
    /// `output`.
    ///
    /// - Parameters:
    ///   - keeps: Encrypts all of it whether the socket takes it or not; at most as much as fits `output`.
    ///   - ends: Says behind them that nothing more will be sent (`close_notify`, RFC 8446 §6.1). The sending side is ended at
    ///     once, and all of it goes into one segment.
    ///   - isEarly: The handshake of a server that has read early data isn't complete (RFC 8446 §2.3).
    package func send(
        _ stream: TLSStream, _ socket: CInt, _ bytes: UnsafePointer<UInt8>, _ count: Int, keeps: Bool = false,
        ends: Bool = false, isEarly: Bool = false, output: inout Buffer, _ buffers: inout BufferPool
    ) -> Transfer {
        guard count > 0 else { return .bytes(0) }
        begin(socket, output)
        if unsafe io.pointee.holdsOutput && !keeps { return .wouldBlock }
        unsafe io.pointee.gathers = ends
        var total = 0
        repeat {
            let piece = min(count - total, TLSTransport.recordBytesMax)
            unsafe io.pointee.hasMore = total + piece < count
            var taken = 0
            let isWritten =
                unsafe isEarly
                ? SSL_write_early_data(stream.handle, bytes + total, piece, &taken)
                : SSL_write_ex(stream.handle, bytes + total, piece, &taken)
            guard isWritten == 1 else {
                ERR_clear_error()
                return unsafe .failed(io.pointee.failure == 0 ? EPROTO : io.pointee.failure)
            }
            total += taken
        } while total < count && (keeps || (unsafe !io.pointee.holdsOutput))
        if ends {
            if total == count && !isEarly {
                unsafe SSL_shutdown(stream.handle)
                ERR_clear_error()
            }
            guard unsafe SocketBIO.sendGathered(io, more: true) else { return unsafe .failed(io.pointee.failure) }
        }
        guard keepSpill(&output, &buffers) else { return .failed(ENOBUFS) }
        return .bytes(total)
    }

    // MARK: the call under way

    @inline(__always)
    func begin(_ socket: CInt, _ output: Buffer, wanted: Int = 0) {
        unsafe io.pointee.descriptor = socket
        unsafe io.pointee.readBytesLeft = TLSTransport.readBytesMax + 32 * wanted
        unsafe io.pointee.holdsOutput = !output.isEmpty
        unsafe io.pointee.hasMore = false
        unsafe io.pointee.gathers = false
        unsafe io.pointee.isDrained = false
        unsafe io.pointee.trustsDrained = false
        unsafe io.pointee.isEnded = false
        unsafe io.pointee.failure = 0
        unsafe io.pointee.error = 0
        unsafe io.pointee.earlyCount = 0
        unsafe io.pointee.spillCount = 0
    }

    /// Moves what the socket didn't take to the connection's output.
    ///
    /// - Returns: false when it doesn't fit or there is no memory: the connection can't go on.
    @inline(__always)
    func keepSpill(_ output: inout Buffer, _ buffers: inout BufferPool) -> Bool {
        unsafe io.pointee.spillCount == 0 || moveSpill(&output, &buffers)
    }

    @inline(never)
    private func moveSpill(_ output: inout Buffer, _ buffers: inout BufferPool) -> Bool {
        guard output.isHeld || buffers.fill(&output) else { return false }
        let count = unsafe io.pointee.spillCount
        if count > output.room { output.compact() }
        guard count <= output.room else { return false }
        unsafe output.append(io.pointee.spill, count: count)
        return true
    }
}
