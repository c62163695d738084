import CNGHTTP2
import EventLoop

// What the library calls while it receives and writes. Its user data is the session's `SessionCore`.

private typealias Core = UnsafeMutablePointer<SessionCore>

private func core(_ user: UnsafeMutableRawPointer?) -> Core {
    unsafe user!.assumingMemoryBound(to: SessionCore.self)
}

private func result(_ isFine: Bool) -> CInt { isFine ? 0 : CInt(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }

enum SessionCallbacks {
    /// One table for all sessions of the process.
    nonisolated(unsafe) static let table: OpaquePointer = {
        var table: OpaquePointer?
        unsafe precondition(nghttp2_session_callbacks_new(&table) == 0, "out of memory")
        unsafe nghttp2_session_callbacks_set_on_begin_frame_callback(table, onBeginFrame)
        unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(table, onBeginHeaders)
        unsafe nghttp2_session_callbacks_set_on_header_callback(table, onHeader)
        unsafe nghttp2_session_callbacks_set_on_invalid_header_callback(table, onInvalidHeader)
        unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(table, onFrame)
        unsafe nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(table, onInvalidFrame)
        unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table, onData)
        unsafe nghttp2_session_callbacks_set_on_frame_send_callback(table, onFrameSent)
        unsafe nghttp2_session_callbacks_set_on_frame_not_send_callback(table, onFrameNotSent)
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(table, onStreamClose)
        unsafe nghttp2_session_callbacks_set_send_data_callback(table, onSendData)
        return unsafe table!
    }()

    /// Windows follow what the session's user takes; closed streams are kept by nobody.
    nonisolated(unsafe) static let options: OpaquePointer = {
        var options: OpaquePointer?
        unsafe precondition(nghttp2_option_new(&options) == 0, "out of memory")
        unsafe nghttp2_option_set_no_auto_window_update(options, 1)
        unsafe nghttp2_option_set_no_closed_streams(options, 1)
        // `SessionLimits.continuationsMax` decides: the library counts a frame again for each read that it comes in.
        unsafe nghttp2_option_set_max_continuations(options, 1 << 16)
        unsafe nghttp2_option_set_max_outbound_ack(options, SessionLimits.unreadAnswersMax)
        return unsafe options!
    }()
}

// MARK: received

private func onBeginFrame(
    _ session: OpaquePointer?, _ header: UnsafePointer<nghttp2_frame_hd>?, _ user: UnsafeMutableRawPointer?
) -> CInt {
    let core = unsafe core(user)
    switch unsafe UInt32(header!.pointee.type) {
    case NGHTTP2_CONTINUATION.rawValue:
        unsafe core.pointee.continuations += 1
        guard unsafe core.pointee.continuations > core.pointee.limits.continuationsMax else { return 0 }
        unsafe core.pointee.abuse = .continuationFlood
        return result(false)
    case NGHTTP2_HEADERS.rawValue:
        unsafe core.pointee.continuations = 0
        unsafe core.pointee.checkNumber(header!.pointee.stream_id)
        return 0
    case NGHTTP2_DATA.rawValue, NGHTTP2_RST_STREAM.rawValue, NGHTTP2_GOAWAY.rawValue: return 0
    case NGHTTP2_SETTINGS.rawValue:
        if unsafe header!.pointee.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 { return 0 }
        return unsafe result(core.pointee.take(\.settings, core.pointee.limits.settings, .settingsFlood))
    default:
        // RFC 9113 §6.3: what the library, which uses no such priorities, doesn't look at.
        if unsafe UInt32(header!.pointee.type) == NGHTTP2_PRIORITY.rawValue && header!.pointee.stream_id == 0 {
            unsafe core.pointee.breakOff()
        }
        return unsafe result(core.pointee.take(\.control, core.pointee.limits.control, .controlFlood))
    }
}

private func onBeginHeaders(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ user: UnsafeMutableRawPointer?
) -> CInt {
    let headers = unsafe frame!.pointee.headers
    return unsafe result(core(user).pointee.beginBlock(headers.hd.stream_id, headers.cat))
}

private func onHeader(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ name: UnsafePointer<UInt8>?,
    _ nameCount: Int, _ value: UnsafePointer<UInt8>?, _ valueCount: Int, _ flags: UInt8,
    _ user: UnsafeMutableRawPointer?
) -> CInt {
    let core = unsafe core(user)
    guard unsafe core.pointee.isAssembling else { return 0 }
    unsafe core.pointee.assembly.add(
        UnsafeBufferPointer(start: name, count: nameCount), UnsafeBufferPointer(start: value, count: valueCount))
    guard unsafe core.pointee.assembly.decodedBytes > core.pointee.limits.decodedBytesMax else { return 0 }
    unsafe core.pointee.abuse = .headerList
    return result(false)
}

/// The library would pass over such a field; the message is malformed (RFC 9113 §8.2.1).
private func onInvalidHeader(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ name: UnsafePointer<UInt8>?,
    _ nameCount: Int, _ value: UnsafePointer<UInt8>?, _ valueCount: Int, _ flags: UInt8,
    _ user: UnsafeMutableRawPointer?
) -> CInt {
    let core = unsafe core(user)
    if unsafe core.pointee.isAssembling { unsafe core.pointee.assembly.refuse() }
    return 0
}

private func onFrame(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ user: UnsafeMutableRawPointer?
) -> CInt {
    let core = unsafe core(user)
    let header = unsafe frame!.pointee.hd
    let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    let stream = header.stream_id
    switch UInt32(header.type) {
    case NGHTTP2_HEADERS.rawValue:
        unsafe core.pointee.endBlock(stream, endsStream: endsStream)
        if endsStream { unsafe core.pointee.reportEnd(stream) }
    case NGHTTP2_DATA.rawValue:
        if endsStream {
            unsafe core.pointee.reportEnd(stream)
        } else if unsafe header.length == 0 || frame!.pointee.data.padlen == header.length {
            return unsafe result(core.pointee.take(\.emptyData, core.pointee.limits.emptyData, .emptyDataFlood))
        }
    case NGHTTP2_WINDOW_UPDATE.rawValue:
        if stream == 0 {
            unsafe core.pointee.report(SessionEvent(.allWritable))
        } else if let place = unsafe core.pointee.record(of: stream) {
            unsafe core.pointee.report(SessionEvent(.writable, place, stream))
        }
    case NGHTTP2_SETTINGS.rawValue:
        if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
            unsafe core.pointee.report(SessionEvent(.settings))
        }
    case NGHTTP2_GOAWAY.rawValue:
        var event = SessionEvent(.goAway)
        event.count = unsafe Int(frame!.pointee.goaway.last_stream_id)
        unsafe core.pointee.report(event)
    default: break
    }
    return 0
}

/// The library resets the stream, or ends the session, by itself.
private func onInvalidFrame(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ code: CInt,
    _ user: UnsafeMutableRawPointer?
) -> CInt {
    let core = unsafe core(user)
    if unsafe UInt32(frame!.pointee.hd.type) == NGHTTP2_HEADERS.rawValue {
        unsafe core.pointee.dropAssembly()
        unsafe core.pointee.malformedCount &+= 1
    }
    return 0
}

private func onData(
    _ session: OpaquePointer?, _ flags: UInt8, _ stream: Int32, _ bytes: UnsafePointer<UInt8>?, _ count: Int,
    _ user: UnsafeMutableRawPointer?
) -> CInt {
    let core = unsafe core(user)
    guard let place = unsafe core.pointee.record(of: stream) else { return 0 }
    var event = SessionEvent(.data, place, stream)
    unsafe event.bytes = unsafe bytes
    event.count = count
    unsafe core.pointee.report(event)
    return 0
}

private func onStreamClose(
    _ session: OpaquePointer?, _ stream: Int32, _ code: UInt32, _ user: UnsafeMutableRawPointer?
) -> CInt {
    unsafe core(user).pointee.streamClosed(stream, code)
    return 0
}

// MARK: written

private func onFrameSent(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ user: UnsafeMutableRawPointer?
) -> CInt {
    let header = unsafe frame!.pointee.hd
    if UInt32(header.type) == NGHTTP2_RST_STREAM.rawValue {
        unsafe core(user).pointee.ownResets.append(header.stream_id)
    }
    return 0
}

/// A request that can't be sent any more: the peer has said that it takes no new streams. The library then closes its stream.
private func onFrameNotSent(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ code: CInt, _ user: UnsafeMutableRawPointer?
) -> CInt {
    let core = unsafe core(user)
    let header = unsafe frame!.pointee.hd
    if UInt32(header.type) == NGHTTP2_HEADERS.rawValue, unsafe !core.pointee.isServer,
        let place = unsafe core.pointee.record(of: header.stream_id)
    {
        unsafe core.pointee.records[place].isUnsent = unsafe frame!.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
    }
    return 0
}

/// How much of a stream's body goes into the next DATA frame: only of the one that is being given, and only what the output
/// has room for.
func onReadBody(
    _ session: OpaquePointer?, _ stream: Int32, _ buffer: UnsafeMutablePointer<UInt8>?, _ length: Int,
    _ flags: UnsafeMutablePointer<UInt32>?, _ source: UnsafeMutablePointer<nghttp2_data_source>?,
    _ user: UnsafeMutableRawPointer?
) -> Int {
    let core = unsafe core(user)
    let outgoing = unsafe core.pointee.outgoing
    let deferred = Int(NGHTTP2_ERR_DEFERRED.rawValue)
    guard outgoing.stream == stream else { return deferred }
    let left = outgoing.count - outgoing.taken
    let room = unsafe core.pointee.output!.pointee.room - Session.frameHeadBytes
    let count = min(length, left, max(room, 0))
    let isLast = count == left && outgoing.ends
    guard count > 0 || isLast else { return deferred }
    unsafe flags!.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    if isLast {
        unsafe flags!.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
        if outgoing.hasTrailers { unsafe flags!.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue }
        unsafe core.pointee.outgoing.isEnded = true
    }
    return count
}

/// Writes a DATA frame straight from the given bytes into the output.
private func onSendData(
    _ session: OpaquePointer?, _ frame: UnsafeMutablePointer<nghttp2_frame>?, _ header: UnsafePointer<UInt8>?,
    _ length: Int, _ source: UnsafeMutablePointer<nghttp2_data_source>?, _ user: UnsafeMutableRawPointer?
) -> CInt {
    let core = unsafe core(user)
    let output = unsafe core.pointee.output!
    unsafe output.pointee.append(header!, count: Session.frameHeadBytes)
    let taken = unsafe core.pointee.outgoing.taken
    if length > 0 { unsafe output.pointee.append(core.pointee.outgoing.bytes! + taken, count: length) }
    unsafe core.pointee.outgoing.taken += length
    unsafe core.pointee.control.earn(2, core.pointee.limits.control)
    return 0
}
