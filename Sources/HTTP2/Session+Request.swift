import CNGHTTP2
package import HTTPMessage

/// What a client's session asks for.
extension Session {
    /// What stands in front of a request's fields (RFC 9113 §8.3.1).
    @safe
    package struct PseudoFields: BitwiseCopyable {
        package let method: UnsafeBufferPointer<UInt8>
        package let isSecure: Bool
        /// Empty: the request names no host.
        package let authority: UnsafeBufferPointer<UInt8>
        /// Not of use to CONNECT, but for one with `:protocol`.
        package let path: UnsafeBufferPointer<UInt8>
        /// The request is an extended CONNECT for WebSocket (RFC 8441 §4), whatever its method.
        package let opensWebSocket: Bool

        package init(
            method: UnsafeBufferPointer<UInt8>, isSecure: Bool, authority: UnsafeBufferPointer<UInt8>,
            path: UnsafeBufferPointer<UInt8>, opensWebSocket: Bool
        ) {
            unsafe self.method = unsafe method
            self.isSecure = isSecure
            unsafe self.authority = unsafe authority
            unsafe self.path = unsafe path
            self.opensWebSocket = opensWebSocket
        }
    }

    /// Begins a stream with a request's head. Its body, if it has one, is given by `send`.
    ///
    /// - Parameters:
    ///   - fields: Lines of the HTTP/1.1 head at `head`. `Host`, and those that frame an HTTP/1.1 connection, are left out.
    ///   - takesTrailers: `te: trailers` is sent.
    ///   - endsStream: Nothing follows: no body, no trailers.
    /// - Returns: The stream's record; nil when there is no memory or no number for it.
    package func request(
        _ pseudo: PseudoFields, _ fields: borrowing FieldTable, _ head: UnsafePointer<UInt8>, takesTrailers: Bool,
        endsStream: Bool, _ scratch: inout FieldScratch
    ) -> UInt32? {
        let isConnect = unsafe pseudo.opensWebSocket || pseudo.method.matchesExactly("CONNECT")
        scratch.begin()
        if pseudo.opensWebSocket {
            scratch.append(":method", "CONNECT")
            scratch.append(":protocol", "websocket")
        } else {
            unsafe scratch.append(":method", pseudo.method)
        }
        if !isConnect || pseudo.opensWebSocket {
            scratch.append(":scheme", pseudo.isSecure ? "https" : "http")
            unsafe scratch.append(":path", pseudo.path)
        }
        unsafe scratch.append(":authority", pseudo.authority)
        for index in 0..<fields.count where fields[index].id != .host {
            unsafe scratch.append(fields[index], head, drops: pseudo.opensWebSocket ? "sec-websocket-key" : nil)
        }
        if takesTrailers { scratch.append("te", "trailers") }
        let place = unsafe state.pointee.records.insert(0)
        let data = unsafe UnsafeMutableRawPointer(bitPattern: UInt(place) + 1)
        let stream: Int32
        if endsStream {
            unsafe stream = nghttp2_submit_request(library, nil, scratch.values, scratch.count, nil, data)
        } else {
            var provider = unsafe nghttp2_data_provider()
            unsafe provider.read_callback = onReadBody
            unsafe stream = nghttp2_submit_request(library, nil, scratch.values, scratch.count, &provider, data)
        }
        guard stream > 0 else {
            unsafe state.pointee.records.remove(place)
            return nil
        }
        unsafe state.pointee.records[place].stream = stream
        unsafe state.pointee.records[place].isHead = pseudo.method.matchesExactly("HEAD")
        unsafe state.pointee.records[place].isConnect = isConnect
        unsafe state.pointee.records[place].isEnded = endsStream
        return place
    }

    /// The stream of a record.
    package func stream(of record: UInt32) -> Int32 { unsafe state.pointee.records[record].stream }

    /// Streams that the peer takes at a time; 100 before it has said so (RFC 9113 §6.5.2 advises no less).
    package var peerStreamsMax: UInt32 {
        unsafe nghttp2_session_get_remote_settings(library, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
    }

    /// The peer takes extended CONNECT (RFC 8441 §3).
    package var peerTakesExtendedConnect: Bool {
        unsafe nghttp2_session_get_remote_settings(library, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1
    }

    /// Asks the peer for a sign of life (RFC 9113 §6.7).
    package func ping() { unsafe nghttp2_submit_ping(library, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil) }
}
