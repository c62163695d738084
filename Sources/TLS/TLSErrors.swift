import COpenSSL

/// OpenSSL's queue of errors, in our words.
enum TLSErrors {
    /// Why a handshake failed. The queue stays as it is.
    static func handshakeFailure() -> TLSHandshake.Failure {
        let error = ERR_peek_error()
        // ERR_GET_REASON of err.h, for errors that are none of the system's.
        let reason = CInt(truncatingIfNeeded: error & 0x7f_ffff)
        switch reason {
        // Alerts of the peer are 1000 and their number (SSL_AD_REASON_OFFSET).
        case 1000...1255: return .alert
        case SSL_R_NO_SHARED_CIPHER, SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_SUITABLE_KEY_SHARE,
            SSL_R_NO_SUITABLE_GROUPS, SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
            SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_R_VERSION_TOO_LOW, SSL_R_NO_PROTOCOLS_AVAILABLE,
            SSL_R_UNSUPPORTED_SSL_VERSION, SSL_R_INAPPROPRIATE_FALLBACK:
            return .noCommonParameters
        case SSL_R_CERTIFICATE_VERIFY_FAILED, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .certificate
        default: return .malformed
        }
    }

    /// The text of the last error, and an empty queue.
    static func takeText() -> String {
        let error = ERR_peek_last_error()
        ERR_clear_error()
        guard error != 0, let text = unsafe ERR_reason_error_string(error) else { return "unknown error" }
        return unsafe String(cString: text)
    }
}
