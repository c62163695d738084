import COpenSSL
import Glibc

/// What rules may say of a TLS connection.
extension TLSStream {
    /// As OpenSSL names it: `TLS_AES_128_GCM_SHA256`.
    package var cipher: String {
        guard let name = unsafe copenssl_cipher_name(handle) else { return "" }
        return unsafe String(cString: name)
    }

    /// The host that the client asked for; empty for none, and for what is no name of a host.
    package var serverName: String {
        guard let name = unsafe SSL_get_servername(handle, TLSEXT_NAMETYPE_host_name) else { return "" }
        let text = unsafe String(cString: name)
        let isName = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
            default: false
            }
        }
        return isName ? text : ""
    }

    /// The subject of the peer's verified certificate by RFC 4514, of printable ASCII; empty without one.
    package var peerSubject: String {
        guard let certificate = unsafe SSL_get0_peer_certificate(handle),
            unsafe SSL_get_verify_result(handle) == Int(X509_V_OK)
        else { return "" }
        return unsafe DistinguishedName.text(X509_get_subject_name(certificate))
    }
}
