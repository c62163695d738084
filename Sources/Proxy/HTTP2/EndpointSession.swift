import EventLoop
import HTTP2
import Snapshot

/// The HTTP/2 session of a connection to an endpoint, beside the `EndpointConnection` that has its socket. Its streams are
/// connections of their own: an exchange doesn't see whether it has a socket or a stream.
///
///     connecting ──▶ handshake ──▶ open ──GOAWAY, idle, lifetime──▶ shut down ──last stream over──▶ closed
///          │             │ └── HTTP/1.1 chosen: the connection goes on without a session
///          └─────────────┴──── failed: so are its streams
struct EndpointSession: BitwiseCopyable {
    enum State: UInt8, BitwiseCopyable {
        case connecting
        case handshake
        case open
    }
    static let none = UInt32.max

    var slot: UInt32 = 0
    /// The slot of the connection that has its socket.
    let connection: UInt32
    /// The endpoint's number.
    let endpoint: UInt32
    let session: Session
    var state = State.connecting
    /// Frames that are written and not sent. Held only while there are any.
    var frames = Buffer()
    /// Its streams form a list, oldest first.
    var first = EndpointStream.none
    var last = EndpointStream.none
    var streamCount = 0
    /// A request has gone out on it.
    var hasServed = false
    /// Streams whose request isn't given to the session yet.
    var pendingCount = 0
    /// `connections.streams`
    let streamCountMax: Int
    let idleNanoseconds: UInt64
    /// In the list of sessions whose frames are sent at the end of the turn.
    var isMarked = false
    /// The connection is broken.
    var isBroken = false
    /// The endpoint takes no more bytes; what it has said before is still to be read.
    var isDeaf = false
    /// It takes no new streams, and ends with its last one.
    var isShutDown = false
    /// The endpoint may choose HTTP/1.1, so nobody waits for it but who opened it.
    var isExclusive: Bool
    /// HTTP/1.1 may be chosen.
    let mayBeHTTP1: Bool
    /// The peer's settings have come.
    var hasSettings = false
    /// An answer is overdue: no new streams until anything has come.
    var isDoubted = false
    /// The last stream that the peer will look at (RFC 9113 §6.8).
    var lastStream = Int32.max
    /// When bytes came last.
    var receivedAt: UInt64 = 0
    /// Neighbours in the list of the endpoint's sessions.
    var next = EndpointSession.none
    var previous = EndpointSession.none
    var isListed = false

    init(
        connection: UInt32, endpoint: UInt32, session: Session, limits: CompiledConnections, isExclusive: Bool
    ) {
        self.connection = connection
        self.endpoint = endpoint
        self.session = session
        self.isExclusive = isExclusive
        mayBeHTTP1 = limits.endpointProtocol != .http2
        streamCountMax = limits.streamCountMax
        idleNanoseconds = limits.idleNanoseconds
    }

    /// What has failed a request that the endpoint hasn't looked at. A connection that comes to its end was of use before; one
    /// that is ended without a single stream was none, and so may be the next: that is the endpoint's doing.
    var failureOfPassedOver: ProxyWorker.AttemptFailure { lastStream == 0 ? .refused : .passedOver }

    /// Whether one more stream may be begun, as far as the session knows.
    var hasRoom: Bool {
        guard !isShutDown && !isBroken && !isDeaf && !isDoubted && !isExclusive else { return false }
        // Before the peer's settings have come: what the library lets out until then, 100.
        return session.streamCount + pendingCount < min(streamCountMax, Int(session.peerStreamsMax))
    }
}

/// What a stream's `EndpointConnection` has instead of a socket.
struct EndpointStream: BitwiseCopyable {
    static let none = UInt32.max
    static let noRecord = UInt32.max

    var slot: UInt32 = 0
    /// `EndpointSession.none` when its connection is gone and what came before is still to be read.
    var session: UInt32
    /// The slot of its connection.
    var connection: UInt32 = 0
    /// `noRecord` until its request is given to the session.
    var record = EndpointStream.noRecord
    var stream: Int32 = 0
    /// A head in the form of HTTP/1.1 that hasn't been read yet.
    var head = Buffer()
    /// Received bytes of the body that haven't been read yet: at most the window that the peer was given.
    var inbox = Buffer()
    /// The response's trailer section, with the empty line behind it.
    var trailers = Buffer()
    /// The request's trailer section.
    var requestTrailers = Buffer()
    /// The peer has ended its side.
    var hasEnded = false
    /// The stream is gone before its time.
    var isReset = false
    /// The body is read as chunks.
    var isChunked = false
    /// The last chunk has been read; its trailer section follows if there is one.
    var hasReadLast = false
    /// The request is given whole, but for its end, which the peer's window has no room for.
    var wantsEnd = false
    /// It waits for the peer's settings, which tell whether it takes WebSocket.
    var awaitsSettings = false
    /// Neighbours among the session's streams.
    var next = EndpointStream.none
    var previous = EndpointStream.none

    init(session: UInt32) { self.session = session }
}
