import CNGHTTP2
package import EventLoop

/// One HTTP/2 connection (RFC 9113) without its socket: bytes and the time go in, events come out; heads, bodies, trailers
/// and resets go in, bytes come out. A handle on memory of its own; `destroy()` ends it.
///
/// Flow control is its user's: nothing is given back to the peer's windows before `consume` says that it was taken, and `send`
/// takes no more than the peer's windows and the output have room for, as a socket does.
@safe
package struct Session: BitwiseCopyable {
    package enum Role { case server, client }

    /// What became of received bytes.
    package enum Outcome: Equatable {
        case fine
        /// The peer has gone beyond a limit: the rest of the output says so, then the connection ends.
        case abuse(Abuse)
        /// The bytes are not HTTP/2's at all.
        case notHTTP2
        case outOfMemory
    }

    /// RFC 9113 §4.1.
    static let frameHeadBytes = 9
    /// Room in the output for any frame that isn't DATA: its head, and as much of a header block as one frame takes.
    package static let frameBytesMax = 16 * 1024 + 256

    private let core: UnsafeMutablePointer<SessionCore>

    /// - Parameter events: Gets what peers do; must outlive the session.
    package init?(
        _ role: Role, _ limits: SessionLimits, events: UnsafeMutablePointer<EventQueue>, now: UInt64
    ) {
        unsafe core = .allocate(capacity: 1)
        unsafe core.initialize(to: SessionCore(limits, isServer: role == .server, events: events, now: now))
        var library: OpaquePointer?
        var memory = unsafe events.pointee.memoryFunctions
        let code =
            unsafe role == .server
            ? nghttp2_session_server_new3(&library, SessionCallbacks.table, core, SessionCallbacks.options, &memory)
            : nghttp2_session_client_new3(&library, SessionCallbacks.table, core, SessionCallbacks.options, &memory)
        guard code == 0 else {
            unsafe core.pointee.records.deallocate()
            unsafe core.deallocate()
            return nil
        }
        unsafe core.pointee.library = unsafe library
        guard sendPreface(role, limits) else {
            var pool = BufferPool(blocksMax: 0)
            destroy(&pool)
            return nil
        }
    }

    /// The user's own word for the session: stands in each of its events.
    package func setOwner(_ owner: UInt32) { unsafe core.pointee.owner = owner }

    /// Frees everything; the value and its copies must not be used afterwards. Events that wait are to be taken first.
    package func destroy(_ pool: inout BufferPool) {
        if unsafe core.pointee.isAssembling {
            var block = unsafe core.pointee.assembly.takeBuffer()
            pool.empty(&block)
        }
        unsafe nghttp2_session_del(core.pointee.library)
        unsafe core.pointee.records.deallocate()
        unsafe core.deinitialize(count: 1)
        unsafe core.deallocate()
    }

    private func sendPreface(_ role: Role, _ limits: SessionLimits) -> Bool {
        var entries: [nghttp2_settings_entry] = [
            entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UInt32(limits.streamWindowBytes)),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(limits.headBytesMax)),
            // RFC 9218 §2.1: the tree of priorities of RFC 7540 isn't used.
            entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
        ]
        if role == .server {
            entries.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streamsMax))
            // RFC 8441 §3.
            entries.append(entry(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1))
        } else {
            entries.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
        }
        let flags = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        let library = unsafe core.pointee.library
        let sent = unsafe entries.withUnsafeBufferPointer {
            unsafe nghttp2_submit_settings(library, flags, $0.baseAddress, $0.count)
        }
        return unsafe sent == 0
            && nghttp2_session_set_local_window_size(library, flags, 0, limits.connectionWindowBytes) == 0
    }

    private func entry(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
        nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: value)
    }

    // MARK: receiving

    /// Takes received bytes. Their events are to be taken before more are received: those of bodies refer to them.
    package func receive(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, now: UInt64, _ pool: inout BufferPool
    ) -> Outcome {
        unsafe core.pointee.now = now
        let taken = unsafe withUnsafeMutablePointer(to: &pool) { pool in
            unsafe core.pointee.pool = unsafe pool
            defer { unsafe core.pointee.pool = nil }
            return unsafe nghttp2_session_mem_recv(core.pointee.library, bytes, count)
        }
        if let abuse = unsafe core.pointee.abuse {
            terminate(NGHTTP2_ENHANCE_YOUR_CALM.rawValue)
            return .abuse(abuse)
        }
        if taken >= 0 { return .fine }
        switch Int32(taken) {
        case NGHTTP2_ERR_FLOODED.rawValue:
            terminate(NGHTTP2_ENHANCE_YOUR_CALM.rawValue)
            return .abuse(.unreadAnswers)
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue: return .notHTTP2
        default: return .outOfMemory
        }
    }

    /// Bytes of a stream's body are taken: the peer may send as many more.
    package func consume(_ count: Int, of stream: Int32) {
        guard count > 0 else { return }
        unsafe nghttp2_session_consume(core.pointee.library, stream, count)
    }

    /// The connection's half of `consume`, for bytes that are kept for a stream.
    package func consumeConnection(_ count: Int) {
        guard count > 0 else { return }
        unsafe nghttp2_session_consume_connection(core.pointee.library, count)
    }

    /// The stream's half of `consume`.
    package func consumeStream(_ count: Int, of stream: Int32) {
        guard count > 0 else { return }
        unsafe nghttp2_session_consume_stream(core.pointee.library, stream, count)
    }

    /// Whether the event's stream is still of interest: not let go of since.
    package func isCurrent(_ event: SessionEvent) -> Bool {
        let record = unsafe core.pointee.records[event.record]
        return record.stream == event.stream && !record.isReleased
    }

    /// Whether the library has forgotten the stream: nothing can be sent on it.
    package func isClosed(_ record: UInt32) -> Bool { unsafe core.pointee.records[record].isClosed }

    package func tag(of record: UInt32) -> UInt32 { unsafe core.pointee.records[record].tag }

    package func setTag(_ tag: UInt32, of record: UInt32) { unsafe core.pointee.records[record].tag = tag }

    package func urgency(of record: UInt32) -> UInt8 { unsafe core.pointee.records[record].urgency }

    /// Its user is done with a stream: no more events of it.
    package func release(_ record: UInt32) {
        if unsafe core.pointee.records[record].isClosed {
            unsafe core.pointee.records.remove(record)
        } else {
            unsafe core.pointee.records[record].isReleased = true
        }
    }

    /// Requests or responses that were refused since the last call.
    package func takeMalformedCount() -> UInt64 {
        defer { unsafe core.pointee.malformedCount = 0 }
        return unsafe core.pointee.malformedCount
    }

    /// Streams that are open or not yet let go of.
    package var streamCount: Int { unsafe core.pointee.records.count }

    // MARK: the end

    /// Nothing more is to be read and nothing to be written: the connection can be closed.
    package var isOver: Bool {
        unsafe nghttp2_session_want_read(core.pointee.library) == 0
            && nghttp2_session_want_write(core.pointee.library) == 0
    }

    package var wantsWrite: Bool { unsafe nghttp2_session_want_write(core.pointee.library) != 0 }

    /// RFC 9113 §6.8: says that the connection will take no new streams; those on their way are still served.
    package func announceShutdown() { unsafe nghttp2_submit_shutdown_notice(core.pointee.library) }

    /// Streams begun after this are not served. The session is over when those under way are.
    package func shutDown() {
        let last = unsafe nghttp2_session_get_last_proc_stream_id(core.pointee.library)
        unsafe nghttp2_submit_goaway(
            core.pointee.library, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, NGHTTP2_NO_ERROR.rawValue, nil, 0)
    }

    /// Ends the session at once: GOAWAY and nothing else.
    package func terminate(_ code: UInt32) { unsafe nghttp2_session_terminate_session(core.pointee.library, code) }

    // MARK: frames

    var library: OpaquePointer? { unsafe core.pointee.library }
    var state: UnsafeMutablePointer<SessionCore> { unsafe core }
}
