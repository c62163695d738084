import CNGHTTP2
package import EventLoop
package import HTTPMessage

/// What goes to the peer.
extension Session {
    /// An error code of RFC 9113 §7.
    package enum ErrorCode: UInt32 {
        case noError = 0
        case protocolError = 1
        case internalError = 2
        case refusedStream = 7
        case cancel = 8
        case enhanceYourCalm = 0xb
        case http11Required = 0xd
    }

    /// Gives a response's head.
    ///
    /// - Parameters:
    ///   - fields: Those of the head, `status` first: see `FieldScratch.fill`.
    ///   - endsStream: Nothing follows: no body, no trailers.
    /// - Returns: false when there is no memory for it, or the stream is gone.
    package func respond(
        _ record: UInt32, status: Int, _ fields: borrowing FieldScratch, endsStream: Bool
    ) -> Bool {
        let stream = unsafe state.pointee.records[record].stream
        guard unsafe !state.pointee.records[record].isClosed else { return false }
        if status < 200 {
            return unsafe nghttp2_submit_headers(
                library, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, nil, fields.values, fields.count, nil) == 0
        }
        if endsStream {
            unsafe state.pointee.records[record].isEnded = true
            return unsafe nghttp2_submit_response(library, stream, fields.values, fields.count, nil) == 0
        }
        var provider = unsafe nghttp2_data_provider()
        unsafe provider.read_callback = onReadBody
        return unsafe nghttp2_submit_response(library, stream, fields.values, fields.count, &provider) == 0
    }

    /// Gives bytes of a body, and writes frames as far as the windows and the output allow.
    ///
    /// - Parameters:
    ///   - ends: The body ends with these bytes.
    ///   - hasTrailers: Trailers follow its end.
    /// - Returns: How many bytes were taken. Whether the end was is told by `hasEnded`.
    package func send(
        _ record: UInt32, _ bytes: UnsafePointer<UInt8>?, _ count: Int, ends: Bool, hasTrailers: Bool = false,
        into output: inout Buffer
    ) -> Int {
        let entry = unsafe state.pointee.records[record]
        guard !entry.isClosed && !entry.isEnded else { return 0 }
        var outgoing = SessionCore.Outgoing()
        outgoing.stream = entry.stream
        unsafe outgoing.bytes = unsafe bytes
        outgoing.count = count
        outgoing.ends = ends
        outgoing.hasTrailers = hasTrailers
        unsafe state.pointee.outgoing = outgoing
        // Deferred by an earlier call, unless its head is still to be written.
        unsafe nghttp2_session_resume_data(library, entry.stream)
        produce(into: &output)
        let taken = unsafe state.pointee.outgoing.taken
        // The library may have closed the stream with the last frame, and its user let go of it.
        if unsafe state.pointee.outgoing.isEnded { unsafe state.pointee.records[record].isEnded = true }
        unsafe state.pointee.outgoing = SessionCore.Outgoing()
        return taken
    }

    /// Gives trailers, after `send` has taken the end of the body.
    ///
    /// - Parameter fields: Lines of the trailer section at `lines`.
    package func sendTrailers(
        _ record: UInt32, _ fields: borrowing FieldTable, _ lines: UnsafePointer<UInt8>,
        _ scratch: inout FieldScratch
    ) -> Bool {
        guard unsafe !state.pointee.records[record].isClosed else { return false }
        scratch.begin()
        for index in 0..<fields.count { unsafe scratch.append(fields[index], lines, drops: nil) }
        return unsafe nghttp2_submit_trailer(
            library, state.pointee.records[record].stream, scratch.values, scratch.count) == 0
    }

    /// Our side of the stream is ended, or the stream is gone.
    package func hasEnded(_ record: UInt32) -> Bool {
        let entry = unsafe state.pointee.records[record]
        return entry.isEnded || entry.isClosed
    }

    package func reset(_ record: UInt32, _ code: ErrorCode) {
        let entry = unsafe state.pointee.records[record]
        guard !entry.isClosed else { return }
        unsafe nghttp2_submit_rst_stream(library, UInt8(NGHTTP2_FLAG_NONE.rawValue), entry.stream, code.rawValue)
    }

    /// Writes frames that wait, as far as the output has room.
    package func produce(into output: inout Buffer) {
        unsafe withUnsafeMutablePointer(to: &output) { output in
            unsafe state.pointee.output = unsafe output
            while unsafe output.pointee.room >= Session.frameBytesMax {
                var bytes: UnsafePointer<UInt8>?
                let count = unsafe nghttp2_session_mem_send(library, &bytes)
                guard count > 0 else { break }
                // DATA that went before in the same call may have taken the room. That needs a stream that ends and makes way
                // for another in one call: without the frame the connection is of no use.
                guard unsafe count <= output.pointee.room else {
                    unsafe nghttp2_session_terminate_session(library, NGHTTP2_INTERNAL_ERROR.rawValue)
                    break
                }
                unsafe output.pointee.append(bytes!, count: count)
            }
            unsafe state.pointee.output = nil
        }
    }
}
