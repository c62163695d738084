import EventLoop
import TLS

/// One connection from a client: a plain value in a slab. An idle one holds no buffer.
///
///     proxyHeader ──▶ handshake ──▶ idle ──first byte──▶ head ──head complete──▶ exchange ──response sent──▶ idle
///                         │          │                    │                        │
///                         └──────────┴──────────── end, error, timeout ────────────┴──▶ (lingering ──▶) closed
struct Client: BitwiseCopyable {
    enum Phase: UInt8, BitwiseCopyable {
        /// A relayed connection whose PROXY protocol header hasn't come yet.
        case proxyHeader
        /// TLS is being agreed on.
        case handshake
        /// Between two requests.
        case idle
        /// Part of a request head has come.
        case head
        /// A request is under way.
        case exchange
        /// It speaks HTTP/2: its streams are clients of their own.
        case session
        /// The last response is sent; what the client still sends is thrown away, so that it can read the answer
        /// (RFC 9112 §9.6).
        case lingering
    }
    static let noExchange = UInt32.max
    /// The listener of a relayed connection before its PROXY protocol header.
    static let unknownListener = UInt32.max

    /// -1: it is a stream.
    var descriptor: CInt
    var slot: UInt32 = 0
    var phase: Phase = .idle
    /// Edges seen and not used up.
    var isReadable = true
    var isWritable = true
    /// The client has sent FIN: a short read doesn't end the round.
    var isPeerClosed = false
    /// The descriptor is in the poller.
    var isArmed = false
    /// What the poller watches it for, once it is armed.
    var interest = Poller.Interest.stream
    /// In the list of connections to go on with at the end of the turn.
    var isReady = false
    /// Counts among its source's connections, in this scope.
    var isCounted = false
    var sourceScope: UInt32 = 0
    /// Its source has too many connections: it gets 429.
    var isOverLimit = false
    /// Nothing more may be said to it: what it got must look cut short.
    var isCut = false
    /// Of a stream: as of its connection when it began.
    var early = EarlyData.none
    /// The request at the front of its input waits until the handshake is complete.
    var waitsForHandshake = false
    /// nil: it speaks in the clear.
    var tls: TLSStream?
    /// Requests so far.
    var requests: UInt32 = 0
    /// When its socket took no more; 0: it takes bytes.
    var blockedSince: UInt64 = 0
    /// Bytes that it had acknowledged then.
    var blockedAcknowledged: UInt64 = 0
    var exchange = Client.noExchange
    /// Its HTTP/2 session; `ClientSession.none` for a connection of HTTP/1.1.
    var session = ClientSession.none
    /// The stream that it is, in place of a connection; `ClientStream.none` for a connection.
    var stream = ClientStream.none
    /// The listener's number.
    var listener: UInt32
    var address: IPEndpoint
    /// Received and not used up. During an exchange the request's head stays at the front.
    var input = Buffer()
    /// Composed and not yet sent: a head, or a response of our own. With TLS: whatever the socket didn't take, encrypted.
    var output = Buffer()
    /// Empty lines that came before the request.
    var emptyLines: UInt8 = 0
    /// Bytes of `input` in which no end of head was found.
    var scanned = 0
    /// When the first byte of the head under way came.
    var headBeganAt: UInt64 = 0
    /// When something must have happened; 0 for never.
    var deadline: UInt64 = 0
    /// When the exchange must be over whatever happens; no deadline is set beyond it.
    var exchangeDeadline = UInt64.max
    /// What the timer wheel is set to; 0 for nothing.
    var timer: UInt64 = 0

    init(descriptor: CInt, listener: UInt32, address: IPEndpoint) {
        self.descriptor = descriptor
        self.listener = listener
        self.address = address
    }
}
