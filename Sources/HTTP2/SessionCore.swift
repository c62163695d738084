import CNGHTTP2
import EventLoop

/// What stands behind a `Session`: its memory stays in place, as the library's callbacks get its address.
@safe
struct SessionCore {
    var library: OpaquePointer?
    let isServer: Bool
    var owner: UInt32
    let limits: SessionLimits
    var records = StreamTable()
    /// The header block that is being received, while there is one, and whose it is.
    var assembly = HeadAssembly.none
    var isAssembling = false
    var assembling: UInt32 = 0
    var continuations = 0
    /// The last stream that the peer has begun.
    var lastStream: Int32 = 0
    var ownResets = RecentStreams()
    var resets: FrameBudget
    var settings: FrameBudget
    var control: FrameBudget
    var emptyData: FrameBudget
    var abuse: Abuse?
    /// Messages that were refused for their fields.
    var malformedCount: UInt64 = 0
    var now: UInt64
    /// Only while bytes are received.
    var pool: UnsafeMutablePointer<BufferPool>?
    /// A worker's, as long as the session lives.
    let events: UnsafeMutablePointer<EventQueue>
    /// Only while frames are written.
    var output: UnsafeMutablePointer<Buffer>?
    var outgoing = Outgoing()

    /// What one call gives of one stream's body.
    @safe
    struct Outgoing: BitwiseCopyable {
        var stream: Int32 = 0
        var bytes: UnsafePointer<UInt8>?
        var count = 0
        var taken = 0
        var ends = false
        var hasTrailers = false
        /// The end has been taken.
        var isEnded = false

        init() { unsafe bytes = nil }
    }

    init(_ limits: SessionLimits, isServer: Bool, events: UnsafeMutablePointer<EventQueue>, now: UInt64) {
        unsafe library = nil
        self.isServer = isServer
        owner = 0
        self.limits = limits
        resets = FrameBudget(limits.resets, now: now)
        settings = FrameBudget(limits.settings, now: now)
        control = FrameBudget(limits.control, now: now)
        emptyData = FrameBudget(limits.emptyData, now: now)
        self.now = now
        unsafe pool = nil
        unsafe self.events = unsafe events
        unsafe output = nil
    }

    /// The record of a stream of the library's; nil for one that isn't ours.
    func record(of stream: Int32) -> UInt32? {
        guard let data = unsafe nghttp2_session_get_stream_user_data(library, stream) else { return nil }
        return UInt32(truncatingIfNeeded: UInt(bitPattern: data) - 1)
    }

    func remember(_ record: UInt32, _ stream: Int32) {
        unsafe nghttp2_session_set_stream_user_data(
            library, stream, UnsafeMutableRawPointer(bitPattern: UInt(record) + 1))
    }

    mutating func report(_ event: SessionEvent) {
        var event = event
        event.owner = owner
        unsafe events.pointee.append(event)
    }

    // MARK: header blocks

    /// In place of a record: the block's stream is gone.
    private static let nobody = UInt32.max

    /// - Returns: false when there is no memory for it.
    mutating func beginBlock(_ stream: Int32, _ category: nghttp2_headers_category) -> Bool {
        dropAssembly()
        let place: UInt32
        if category == NGHTTP2_HCAT_REQUEST {
            place = records.insert(stream)
            remember(place, stream)
        } else {
            guard let known = record(of: stream) else { return true }
            place = known
        }
        var block = Buffer()
        guard let pool = unsafe pool, unsafe pool.pointee.fill(&block) else { return false }
        let form: HeadAssembly.Form =
            category == NGHTTP2_HCAT_REQUEST
            ? .request : isServer || records[place].hasHead ? .trailers : .response
        assembling = place
        assembly = HeadAssembly(
            form, block, headBytesMax: limits.headBytesMax, fieldCountMax: limits.fieldCountMax)
        isAssembling = true
        return true
    }

    mutating func dropAssembly() {
        guard isAssembling else { return }
        var block = assembly.takeBuffer()
        unsafe pool!.pointee.empty(&block)
        isAssembling = false
    }

    /// The block is complete, and its stream's rules are kept as far as the library knows them.
    mutating func endBlock(_ stream: Int32, endsStream: Bool) {
        guard isAssembling else { return }
        guard assembling != SessionCore.nobody else {
            dropAssembly()
            return
        }
        let record = records[assembling]
        let opensTunnel = record.isConnect && 200...299 ~= assembly.status
        assembly.finish(endsStream: endsStream, hasBody: !record.isHead && !opensTunnel)
        guard !assembly.isMalformed, !(assembly.isOversized && assembly.form != .request) else {
            dropAssembly()
            refuse(stream)
            return
        }
        let form = assembly.form
        var event = SessionEvent(
            form == .trailers ? .trailers : assembly.isOversized ? .oversizedHead : .head, assembling, stream)
        event.endsStream = endsStream
        event.isInterim = form == .response && assembly.status < 200
        if form == .response && !event.isInterim { records[assembling].hasHead = true }
        event.urgency = assembly.urgency
        event.isChunked = assembly.isChunked && !opensTunnel
        if form == .request { records[assembling].urgency = assembly.urgency }
        event.buffer = assembly.takeBuffer()
        isAssembling = false
        report(event)
    }

    /// RFC 9113 §8.1.1: a malformed message is a stream error.
    mutating func refuse(_ stream: Int32) {
        malformedCount &+= 1
        if !isServer, let place = record(of: stream) {
            records[place].isRefused = true
            var event = SessionEvent(.reset, place, stream)
            event.count = Int(NGHTTP2_PROTOCOL_ERROR.rawValue)
            event.isMalformed = true
            report(event)
        }
        unsafe nghttp2_submit_rst_stream(
            library, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, NGHTTP2_PROTOCOL_ERROR.rawValue)
    }

    /// RFC 9113 §5.1, §5.1.1: a head on a stream that is over, or that was passed by. What was on its way when we reset a
    /// stream is passed over.
    mutating func checkNumber(_ stream: Int32) {
        guard isServer else { return }
        if stream > lastStream {
            lastStream = stream
        } else if record(of: stream) == nil && !ownResets.contains(stream) {
            breakOff()
        }
    }

    /// A connection error that the library doesn't see (RFC 9113 §5.4.1).
    func breakOff() { unsafe nghttp2_session_terminate_session(library, NGHTTP2_PROTOCOL_ERROR.rawValue) }

    // MARK: ends

    mutating func reportEnd(_ stream: Int32) {
        guard let place = record(of: stream), !records[place].isRefused else { return }
        report(SessionEvent(.end, place, stream))
    }

    /// Gone before its time, whoever reset it: by its peer, or by the library for what the peer has sent. Counted where it is
    /// seen and acted upon with the next bytes that come.
    mutating func streamClosed(_ stream: Int32, _ code: UInt32) {
        guard let place = record(of: stream) else { return }
        if assembling == place && isAssembling {
            // While frames are written (our reset may be one) there is no pool: the rest of the block is waited for, or the next one.
            if unsafe pool != nil { dropAssembly() } else { assembling = SessionCore.nobody }
        }
        records[place].isClosed = true
        // The record may be gone before the library's stream is.
        unsafe nghttp2_session_set_stream_user_data(library, stream, nil)
        if records[place].isReleased {
            records.remove(place)
            return
        }
        let isEnded = records[place].isEnded || outgoing.stream == stream && outgoing.isEnded
        if isEnded && code == NGHTTP2_NO_ERROR.rawValue || records[place].isRefused { return }
        var event = SessionEvent(.reset, place, stream)
        event.count = Int(code)
        event.isUnsent = records[place].isUnsent
        event.isMalformed = !isServer && ownResets.contains(stream)
        report(event)
        // What an endpoint resets are requests that it was sent.
        if isServer { _ = take(\.resets, limits.resets, .rapidReset) }
    }

    mutating func take(
        _ budget: WritableKeyPath<SessionCore, FrameBudget>, _ rate: FrameRate, _ reason: Abuse
    ) -> Bool {
        if self[keyPath: budget].take(rate, now: now) { return true }
        abuse = reason
        return false
    }
}
