import CNGHTTP2
package import EventLoop

/// What a peer has done, in its order. A plain value; its bytes are good until more are received.
@safe
package struct SessionEvent: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable, Sendable {
        /// A request's or response's head as an HTTP/1.1 message's, in `buffer`, which is now the reader's.
        case head
        /// The same, but larger than allowed: `buffer` holds none of it.
        case oversizedHead
        /// Bytes of the body: `bytes`, `count`.
        case data
        /// Field lines of the trailer section in `buffer`, which is now the reader's.
        case trailers
        /// The peer has ended its side of the stream.
        case end
        /// The stream is gone before its time, by `code`.
        case reset
        /// The stream's window has grown.
        case writable
        /// The connection's window has grown.
        case allWritable
        /// The peer's settings have come: windows, and how many streams it takes, may have changed.
        case settings
        /// The peer takes no new streams, or makes none any more; streams above `lastStream` it hasn't looked at.
        case goAway
    }

    package let kind: Kind
    /// The head's stream ends with it.
    package var endsStream = false
    /// The head is an interim response's (1xx).
    package var isInterim = false
    /// The message states no length: as an HTTP/1.1 message its body comes in chunks, which are the reader's to frame.
    package var isChunked = false
    /// Of `reset`: it was we who reset the stream, for what came on it.
    package var isMalformed = false
    /// Of `reset`: the request never left.
    package var isUnsent = false
    /// Urgency that a request asks for (RFC 9218 §4.1): 0 is the most urgent.
    package var urgency: UInt8 = StreamRecord.urgencyDefault
    /// The session's user's own word for it.
    package var owner: UInt32 = 0
    /// The stream's place in the session; 0 and no stream for events of the connection.
    package var record: UInt32 = 0
    package var stream: Int32 = 0
    /// Bytes of `data`, the error code (RFC 9113 §7) of `reset`, or the stream that `goAway` names.
    package var count: Int = 0
    package var code: UInt32 { UInt32(truncatingIfNeeded: count) }
    package var lastStream: Int32 { Int32(truncatingIfNeeded: count) }
    package var bytes: UnsafePointer<UInt8>?
    package var buffer = Buffer()

    init(_ kind: Kind) {
        self.kind = kind
        unsafe bytes = nil
    }

    init(_ kind: Kind, _ record: UInt32, _ stream: Int32) {
        self.init(kind)
        self.record = record
        self.stream = stream
    }
}

/// Events of one reading, used again for each: one per worker. With it comes what else the sessions of a worker share: the
/// memory of their streams.
@safe
package struct EventQueue: ~Copyable {
    private let memory: UnsafeMutablePointer<SessionMemory>
    private var events: UnsafeMutablePointer<SessionEvent>
    private var capacity = 64
    private var first = 0
    private var end = 0

    package init() {
        unsafe events = .allocate(capacity: capacity)
        unsafe memory = .allocate(capacity: 1)
        unsafe memory.initialize(to: SessionMemory())
    }

    deinit {
        unsafe events.deallocate()
        unsafe memory.pointee.deallocate()
        unsafe memory.deallocate()
    }

    var memoryFunctions: nghttp2_mem { unsafe SessionMemory.functions(memory) }

    package var isEmpty: Bool { first == end }
    package var count: Int { end - first }

    /// Puts an event that was taken behind the others.
    package mutating func putBack(_ event: SessionEvent) { append(event) }

    mutating func append(_ event: SessionEvent) {
        if end == capacity {
            let grown = UnsafeMutablePointer<SessionEvent>.allocate(capacity: capacity * 2)
            unsafe grown.initialize(from: events, count: capacity)
            unsafe events.deallocate()
            unsafe events = unsafe grown
            capacity *= 2
        }
        unsafe (events + end).initialize(to: event)
        end += 1
    }

    package mutating func next() -> SessionEvent? {
        guard first < end else {
            first = 0
            end = 0
            return nil
        }
        defer { first += 1 }
        return unsafe events[first]
    }
}
