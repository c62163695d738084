import COpenSSL

/// `Sec-WebSocket-Accept` (RFC 6455 §4.2.2): what tells a client that who answers has read its key.
package enum WebSocketAccept {
    package static var byteCount: Int { 28 }

    /// - Parameters:
    ///   - key: The value of `Sec-WebSocket-Key`, at most 128 bytes.
    ///   - out: Gets `byteCount` bytes and one more, which is 0.
    package static func write(_ key: UnsafeBufferPointer<UInt8>, to out: UnsafeMutablePointer<UInt8>) {
        let suffix: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        var text = unsafe [UInt8](key.prefix(128))
        unsafe text.append(contentsOf: UnsafeBufferPointer(start: suffix.utf8Start, count: suffix.utf8CodeUnitCount))
        var digest = [UInt8](repeating: 0, count: 20)
        unsafe SHA1(text, text.count, &digest)
        unsafe EVP_EncodeBlock(out, digest, 20)
    }
}
