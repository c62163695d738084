import COpenSSL

/// How a pool's endpoints are spoken to.
package struct TLSClientOptions {
    package enum Verification {
        /// By the certificates that the system trusts.
        case system
        /// By these, in PEM.
        case authorities([UInt8])
        /// Not at all: the connection is private only from who doesn't interfere.
        case none
    }
    package var verification: Verification
    /// What certificates must name, and are asked for (RFC 6066 §3); nil: the address.
    package var serverName: String?
    /// nil: none is shown to endpoints that ask.
    package var certificate: CertificateChain?
    /// What ALPN offers, the preferred one first; empty: nothing.
    package var protocols: [ApplicationProtocol]

    package init(
        verification: Verification, serverName: String?, certificate: CertificateChain?,
        protocols: [ApplicationProtocol]
    ) {
        self.verification = verification
        self.serverName = serverName
        self.certificate = certificate
        self.protocols = protocols
    }
}

/// One worker's TLS to the endpoints of one pool.
@safe
package final class TLSClientContext {
    let handle: OpaquePointer
    let serverName: String?

    package init(_ options: TLSClientOptions) throws(TLSContextError) {
        guard let handle = unsafe SSL_CTX_new(TLS_client_method()) else {
            throw TLSContextError(description: TLSErrors.takeText())
        }
        unsafe self.handle = unsafe handle
        serverName = options.serverName
        unsafe copenssl_set_mode(handle, Int(SSL_MODE_RELEASE_BUFFERS) | Int(SSL_MODE_NO_AUTO_CHAIN))
        unsafe copenssl_set_minimum(handle, TLS1_2_VERSION)
        unsafe SSL_CTX_set_options(handle, COPENSSL_NO_RENEGOTIATION | COPENSSL_NO_COMPRESSION)
        unsafe copenssl_set_groups(handle, "X25519:P-256:P-384")
        unsafe copenssl_read_ahead(handle)
        // Sessions are kept by the worker, one for each endpoint.
        unsafe copenssl_set_cache_mode(handle, Int(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL))
        unsafe SSL_CTX_sess_set_new_cb(handle) { ssl, session in unsafe SocketBIO.keep(session, of: ssl) }
        try verify(options.verification)
        if let certificate = options.certificate {
            guard unsafe TLSServerContext.use(certificate, handle) else {
                throw TLSContextError(description: TLSErrors.takeText())
            }
        }
        let names = options.protocols.flatMap { [UInt8($0.name.utf8.count)] + Array($0.name.utf8) }
        if !names.isEmpty { unsafe SSL_CTX_set_alpn_protos(handle, names, UInt32(names.count)) }
    }

    deinit { unsafe SSL_CTX_free(handle) }

    private func verify(_ verification: TLSClientOptions.Verification) throws(TLSContextError) {
        switch verification {
        case .none: unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_NONE, nil)
        case .system:
            unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
            guard unsafe SSL_CTX_set_default_verify_paths(handle) == 1 else {
                throw TLSContextError(description: TLSErrors.takeText())
            }
        case .authorities(let pem):
            unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
            do throws(CertificateChain.Problem) {
                try unsafe CertificateChain.trust(pem, in: SSL_CTX_get_cert_store(handle))
            } catch {
                throw TLSContextError(description: "\(error)")
            }
        }
    }
}

/// What a later connection to the same endpoint takes up instead of a whole handshake. One owner, who frees it.
@safe
package struct TLSSession: BitwiseCopyable {
    let handle: OpaquePointer

    init(_ handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    package func free() { unsafe SSL_SESSION_free(handle) }
}
