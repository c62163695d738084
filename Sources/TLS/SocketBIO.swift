import COpenSSL
import EventLoop
import Glibc

/// What the BIO needs to know of the call under way, and what it found. One per worker.
@safe
struct SocketCall {
    static var spillBytesMax: Int { BufferPool.blockBytes }

    var descriptor: CInt = -1
    /// Earlier output waits: what is written goes behind it.
    var holdsOutput = false
    /// Another record follows at once.
    var hasMore = false
    /// What is written is kept until the call is over, to go out at once.
    var gathers = false
    /// The last read brought less than it asked for: the socket has no more.
    var isDrained = false
    /// A drained socket isn't asked again during the call: the peer isn't known to have ended, and of that the poller tells.
    var trustsDrained = false
    /// The peer has sent FIN.
    var isEnded = false
    /// What the call may still read: OpenSSL reads on as long as messages of TLS itself come (KeyUpdate, tickets), so a peer
    /// that sends nothing else would keep the worker for as long as it likes.
    var readBytesLeft = 0
    /// errno of a failed call; 0 for none.
    var failure: CInt = 0
    /// OpenSSL's error of a failed call; 0 for none.
    var error: UInt = 0
    /// Bytes that were read before TLS began.
    var early: UnsafePointer<UInt8>?
    var earlyCount = 0
    /// A session that the peer has offered for later; whoever takes it frees it.
    var session: OpaquePointer?
    /// As `TicketKeys.bytes`; the worker's own until it is given those of all nodes.
    let ticketKeys: UnsafeMutablePointer<UInt8>
    /// Encrypted bytes that the socket didn't take, or wasn't given yet.
    let spill: UnsafeMutablePointer<UInt8>
    var spillCount = 0

    init() {
        unsafe early = nil
        unsafe session = nil
        unsafe ticketKeys = .allocate(capacity: TicketKeys.count * TicketKeys.keyBytes)
        unsafe spill = .allocate(capacity: SocketCall.spillBytesMax)
    }
}

/// The BIO: `recv` and `send` on the socket of the call under way.
enum SocketBIO {
    /// Made once for the process.
    nonisolated(unsafe) static let method: OpaquePointer = {
        guard let method = unsafe BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice socket") else {
            preconditionFailure("no memory for a BIO method")
        }
        unsafe BIO_meth_set_read(method) { bio, bytes, count in unsafe SocketBIO.read(bio, bytes, count) }
        unsafe BIO_meth_set_write(method) { bio, bytes, count in unsafe SocketBIO.write(bio, bytes, count) }
        // Nothing is held back, so a flush has nothing to do; an end is seen by what `read` returns.
        unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return unsafe method
    }()

    /// The connection's peer offers a session; the newest is kept until the call under way is over.
    static func keep(_ session: OpaquePointer?, of ssl: OpaquePointer?) -> CInt {
        let call = unsafe call(SSL_get_rbio(ssl))
        if let older = unsafe call.pointee.session { unsafe SSL_SESSION_free(older) }
        unsafe call.pointee.session = unsafe session
        return 1
    }

    static func call(_ bio: OpaquePointer?) -> UnsafeMutablePointer<SocketCall> {
        unsafe BIO_get_data(bio)!.assumingMemoryBound(to: SocketCall.self)
    }

    private static func read(_ bio: OpaquePointer?, _ bytes: UnsafeMutablePointer<CChar>?, _ count: CInt) -> CInt {
        let call = unsafe call(bio)
        guard let bytes = unsafe bytes else { return 0 }
        let target = unsafe UnsafeMutableRawPointer(bytes).assumingMemoryBound(to: UInt8.self)
        if let early = unsafe call.pointee.early, unsafe call.pointee.earlyCount > 0 {
            let taken = unsafe min(Int(count), call.pointee.earlyCount)
            unsafe target.update(from: early, count: taken)
            unsafe call.pointee.early = unsafe early + taken
            unsafe call.pointee.earlyCount -= taken
            return CInt(taken)
        }
        if unsafe call.pointee.isDrained && call.pointee.trustsDrained {
            unsafe BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
            return -1
        }
        guard unsafe call.pointee.readBytesLeft > 0 else {
            unsafe call.pointee.failure = EPROTO
            unsafe BIO_clear_flags(bio, COPENSSL_RETRY_FLAGS)
            return -1
        }
        switch unsafe Socket.receive(call.pointee.descriptor, target, Int(count)) {
        case .bytes(let taken):
            unsafe call.pointee.readBytesLeft -= taken
            unsafe call.pointee.isDrained = taken < Int(count)
            return CInt(taken)
        case .wouldBlock:
            unsafe call.pointee.isDrained = true
            unsafe BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
            return -1
        case .endOfStream:
            unsafe call.pointee.isEnded = true
            unsafe BIO_clear_flags(bio, COPENSSL_RETRY_FLAGS)
            return 0
        case .failed(let code):
            unsafe call.pointee.failure = code
            unsafe BIO_clear_flags(bio, COPENSSL_RETRY_FLAGS)
            return -1
        }
    }

    /// Takes everything: what the socket doesn't, the spill does.
    private static func write(_ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: CInt) -> CInt {
        let call = unsafe call(bio)
        guard let bytes = unsafe bytes, count > 0 else { return 0 }
        let source = unsafe UnsafeRawPointer(bytes).assumingMemoryBound(to: UInt8.self)
        unsafe BIO_clear_flags(bio, COPENSSL_RETRY_FLAGS)
        var sent = 0
        if unsafe call.pointee.gathers && !call.pointee.holdsOutput {
            if unsafe call.pointee.spillCount + Int(count) > SocketCall.spillBytesMax {
                guard unsafe sendGathered(call, more: true) else { return -1 }
            }
        } else if unsafe !call.pointee.holdsOutput {
            switch unsafe Socket.send(call.pointee.descriptor, source, Int(count), more: call.pointee.hasMore) {
            case .bytes(let taken): sent = taken
            case .wouldBlock: break
            case .failed(let code):
                unsafe call.pointee.failure = code
                return -1
            case .endOfStream: return -1
            }
        }
        let rest = Int(count) - sent
        guard rest > 0 else { return count }
        if unsafe !call.pointee.gathers { unsafe call.pointee.holdsOutput = true }
        guard unsafe call.pointee.spillCount + rest <= SocketCall.spillBytesMax else {
            unsafe call.pointee.failure = ENOBUFS
            return -1
        }
        unsafe (call.pointee.spill + call.pointee.spillCount).update(from: source + sent, count: rest)
        unsafe call.pointee.spillCount += rest
        return count
    }

    /// Sends what was gathered. What the socket doesn't take stays in the spill, as output that waits.
    ///
    /// - Parameter more: More is sent soon, and the kernel may wait for it (`MSG_MORE`: for 200 ms).
    /// - Returns: false when the connection is broken.
    static func sendGathered(_ call: UnsafeMutablePointer<SocketCall>, more: Bool) -> Bool {
        guard unsafe call.pointee.spillCount > 0 && !call.pointee.holdsOutput else { return true }
        switch unsafe Socket.send(
            call.pointee.descriptor, call.pointee.spill, call.pointee.spillCount, more: more)
        {
        case .bytes(let sent):
            unsafe call.pointee.spillCount -= sent
            guard unsafe call.pointee.spillCount > 0 else { return true }
            unsafe memmove(call.pointee.spill, call.pointee.spill + sent, call.pointee.spillCount)
        case .wouldBlock: break
        case .failed(let code):
            unsafe call.pointee.failure = code
            unsafe call.pointee.spillCount = 0
            return false
        case .endOfStream: return false
        }
        unsafe call.pointee.holdsOutput = true
        return true
    }
}
