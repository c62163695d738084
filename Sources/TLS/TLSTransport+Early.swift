import COpenSSL
package import EventLoop

/// Early data of clients (RFC 8446 §2.3), the server's side.
extension TLSTransport {
    package enum EarlyRead: Equatable {
        case bytes(Int)
        /// The socket has no more for now.
        case wouldBlock
        /// There was none.
        case none
        case failed(TLSHandshake.Failure)
    }

    /// Begins the handshake and reads early data, in place of `handshake` until that has ended.
    ///
    /// - Parameters:
    ///   - hasEnded: There is no more, or was none: the handshake goes on with `handshake`.
    ///   - early: Bytes that were read from the socket before TLS began, as for `handshake`.
    ///   - output: Gets what the socket doesn't take.
    package func receiveEarly(
        _ stream: TLSStream, _ socket: CInt, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, early: inout Buffer,
        output: inout Buffer, _ buffers: inout BufferPool, hasEnded: inout Bool
    ) -> EarlyRead {
        begin(socket, output)
        if !early.isEmpty {
            unsafe io.pointee.early = unsafe UnsafePointer(early.bytes)
            unsafe io.pointee.earlyCount = early.count
        }
        var total = 0
        var result = EarlyRead.wouldBlock
        reading: while total < count {
            var taken = 0
            switch unsafe SSL_read_early_data(stream.handle, bytes + total, count - total, &taken) {
            case SSL_READ_EARLY_DATA_SUCCESS: total += taken
            case SSL_READ_EARLY_DATA_FINISH:
                hasEnded = true
                result = .none
                break reading
            default:
                let code = unsafe SSL_get_error(stream.handle, 0)
                if code != SSL_ERROR_WANT_READ {
                    unsafe io.pointee.error = ERR_peek_error()
                    result = .failed(code == SSL_ERROR_SSL ? TLSErrors.handshakeFailure() : .closed)
                    ERR_clear_error()
                }
                break reading
            }
        }
        if !early.isEmpty { unsafe early.consume(early.count - io.pointee.earlyCount) }
        guard keepSpill(&output, &buffers) else { return .failed(.closed) }
        if case .failed = result { return result }
        return total > 0 ? .bytes(total) : result
    }
}

extension TLSStream {
    /// The client sent early data, and it was not taken: it sends it again.
    package var hasRejectedEarlyData: Bool { unsafe SSL_get_early_data_status(handle) == SSL_EARLY_DATA_REJECTED }
}
