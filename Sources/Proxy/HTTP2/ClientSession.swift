import EventLoop
import HTTP2

/// The HTTP/2 session of a client's connection, beside the `Client` that has its socket. Its streams are clients of their
/// own: an exchange doesn't see whether its client is a connection or a stream.
struct ClientSession: BitwiseCopyable {
    static let none = UInt32.max

    var slot: UInt32 = 0
    let client: UInt32
    let session: Session
    /// Frames that are written and not sent. Held only while there are any.
    var frames = Buffer()
    /// Its streams form a list, oldest first.
    var first = ClientStream.none
    var last = ClientStream.none
    var streamCount = 0
    /// In the list of sessions whose frames are sent at the end of the turn.
    var isMarked = false
    /// The connection is broken.
    var isBroken = false
    /// Nothing more is read: the connection ends when its frames are sent.
    var isEnding = false
    /// The last stream that will be served has been named.
    var isShutDown = false

    init(client: UInt32, session: Session) {
        self.client = client
        self.session = session
    }
}

/// What a stream's `Client` has instead of a socket.
struct ClientStream: BitwiseCopyable {
    static let none = UInt32.max

    var slot: UInt32 = 0
    let session: UInt32
    /// The slot of its client.
    var client: UInt32 = 0
    let record: UInt32
    let stream: Int32
    /// Received bytes of the body that the exchange hasn't taken: at most the window that the peer was given.
    var inbox = Buffer()
    /// The request's trailer section.
    var trailers = Buffer()
    /// The peer has ended its side.
    var hasEnded = false
    /// The exchange reads the body as chunks.
    var isChunked: Bool
    /// The exchange has read the last chunk.
    var hasReadEnd = false
    /// The response's trailer section.
    var responseTrailers = Buffer()
    /// Neighbours among the session's streams.
    var next = ClientStream.none
    var previous = ClientStream.none

    init(session: UInt32, record: UInt32, stream: Int32, isChunked: Bool) {
        self.session = session
        self.record = record
        self.stream = stream
        self.isChunked = isChunked
    }
}
