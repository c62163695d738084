import EventLoop
import TLS

/// One connection to an endpoint: serves an exchange, or waits in its endpoint's list of idle ones.
struct EndpointConnection: BitwiseCopyable {
    enum Phase: UInt8, BitwiseCopyable {
        case connecting
        /// TLS is being agreed on.
        case handshake
        case busy
        case idle
        /// It serves a copy of a request: `exchange` is the number of a `Mirror`.
        case mirroring
        /// It speaks HTTP/2, or will: its streams are connections of their own.
        case session
    }
    static let none = UInt32.max

    /// -1: it is a stream.
    var descriptor: CInt
    var slot: UInt32 = 0
    var phase: Phase
    var isReadable = false
    var isWritable = false
    var isPeerClosed = false
    /// What the poller watches it for.
    var interest = Poller.Interest.stream
    /// Has served a request before: the endpoint may have closed it meanwhile.
    var isReused = false
    /// The endpoint's number.
    var endpoint: UInt32
    /// `noExchange` while idle.
    var exchange = Client.noExchange
    /// Its HTTP/2 session; `EndpointSession.none` for a connection of HTTP/1.1.
    var session = EndpointSession.none
    /// The stream that it is, in place of a connection; `EndpointStream.none` for a connection.
    var stream = EndpointStream.none
    var input = Buffer()
    var acks = AckPiggybacking()
    /// Bytes of the response, or of the last one, that were looked at and are still in the socket's queue.
    var unread: UInt32 = 0
    /// Reads that the response under way has taken, not counting those that only look.
    var reads: UInt32 = 0
    /// Not yet sent: the rest of a head. With TLS: whatever the socket didn't take, encrypted.
    var output = Buffer()
    /// nil: in the clear.
    var tls: TLSStream?
    var tlsIdentity: UInt32 = 0
    /// Neighbours in the list of idle connections; the most recently used one is first.
    var next = EndpointConnection.none
    var previous = EndpointConnection.none
    /// Part of its endpoint's budget; false when another connection has taken that part over.
    var isCounted = true
    /// When it last became idle.
    var idleSince: UInt64 = 0
    /// It serves no request that begins after this.
    var expiresAt = UInt64.max
    /// When an idle connection is closed.
    var deadline: UInt64 = 0
    var timer: UInt64 = 0

    init(descriptor: CInt, phase: Phase, endpoint: UInt32) {
        self.descriptor = descriptor
        self.phase = phase
        self.endpoint = endpoint
    }
}
