import EventLoop

/// What a session knows of one stream. It lives until the stream is closed and its user has let go of it.
struct StreamRecord: BitwiseCopyable {
    static let urgencyDefault: UInt8 = 3

    /// 0: free.
    var stream: Int32 = 0
    /// The user's own word for it.
    var tag: UInt32 = 0
    /// The user is done with it: no more events.
    var isReleased = false
    /// The library has forgotten it.
    var isClosed = false
    /// Our side is ended: END_STREAM is sent or on its way.
    var isEnded = false
    /// Client role: the request was HEAD, so the response has no body whatever it says.
    var isHead = false
    /// Client role: the request was CONNECT, so a 2xx is followed by a tunnel's bytes.
    var isConnect = false
    /// Client role: the final head has come; the next one is the trailer section.
    var hasHead = false
    /// Client role: the response was refused, and its user told so. The library may close the stream as one that ended well.
    var isRefused = false
    /// Client role: the request was given up before it left.
    var isUnsent = false
    var urgency = StreamRecord.urgencyDefault
    /// Free records form a list.
    var nextFree = UInt32.max
}

/// The records of one session, at places that stay.
@safe
struct StreamTable: BitwiseCopyable {
    private var records: UnsafeMutablePointer<StreamRecord>
    private var capacity: Int
    private var free = UInt32.max
    /// Streams that aren't closed and let go of.
    private(set) var count = 0

    init() {
        capacity = 4
        unsafe records = .allocate(capacity: capacity)
        link(from: 0)
    }

    func deallocate() { unsafe records.deallocate() }

    private mutating func link(from first: Int) {
        for place in (first..<capacity).reversed() {
            var record = StreamRecord()
            record.nextFree = free
            unsafe (records + place).initialize(to: record)
            free = UInt32(place)
        }
    }

    mutating func insert(_ stream: Int32) -> UInt32 {
        if free == .max {
            let grown = UnsafeMutablePointer<StreamRecord>.allocate(capacity: capacity * 2)
            unsafe grown.initialize(from: records, count: capacity)
            unsafe records.deallocate()
            unsafe records = unsafe grown
            capacity *= 2
            link(from: capacity / 2)
        }
        let place = free
        free = unsafe records[Int(place)].nextFree
        var record = StreamRecord()
        record.stream = stream
        unsafe records[Int(place)] = record
        count += 1
        return place
    }

    mutating func remove(_ place: UInt32) {
        var record = StreamRecord()
        record.nextFree = free
        unsafe records[Int(place)] = record
        free = place
        count -= 1
    }

    subscript(place: UInt32) -> StreamRecord {
        get {
            precondition(place < capacity, "stream record \(place) of \(capacity)")
            return unsafe records[Int(place)]
        }
        nonmutating set {
            precondition(place < capacity, "stream record \(place) of \(capacity)")
            unsafe records[Int(place)] = newValue
        }
    }
}

/// The last streams of some kind.
struct RecentStreams: BitwiseCopyable {
    private var streams = InlineArray<32, Int32>(repeating: 0)
    private var next = 0

    init() {}

    mutating func append(_ stream: Int32) {
        streams[next] = stream
        next = (next + 1) % 32
    }

    func contains(_ stream: Int32) -> Bool {
        for index in 0..<32 where streams[index] == stream { return true }
        return false
    }
}
