import COpenSSL
import EventLoop
import Glibc

/// What an `https` listener is set up with.
package struct TLSServerOptions {
    package var minimum: TLSVersion
    /// In order of preference; empty: ALPN is not answered.
    package var protocols: [ApplicationProtocol]
    /// A file that gets the secrets of all connections, for debugging (the format of NSS); nil: none.
    package var keyLog: String?
    /// Certificates that those of clients must be issued by, in PEM; empty: clients aren't asked.
    package var clientAuthorities: [UInt8]
    /// A client without a certificate is refused.
    package var requiresClientCertificate: Bool
    /// Sessions are taken up again only where they began: the listener.
    package var identity: [UInt8]
    /// Early data (RFC 8446 §2.3) is read.
    package var takesEarlyData: Bool

    package init(
        minimum: TLSVersion, protocols: [ApplicationProtocol], identity: [UInt8], clientAuthorities: [UInt8] = [],
        requiresClientCertificate: Bool = false, keyLog: String? = nil, takesEarlyData: Bool = false
    ) {
        self.takesEarlyData = takesEarlyData
        self.keyLog = keyLog
        self.clientAuthorities = clientAuthorities
        self.requiresClientCertificate = requiresClientCertificate
        self.minimum = minimum
        self.protocols = protocols
        self.identity = identity
    }
}

/// Why a listener's TLS can't be set up.
package struct TLSContextError: Error, CustomStringConvertible {
    package let description: String
}

/// One worker's TLS for one listener: certificates by name, versions, protocols.
///
/// Each worker has its own, for `SSL_CTX` and keys count their users with atomic operations. Connections keep what they
/// began with: the context is freed with the last of them.
@safe
package final class TLSServerContext {
    /// Of early data on one connection. Requests without a body take a few hundred; what is sent is kept until the
    /// handshake is complete, if it must wait for that.
    package static let earlyBytesMax = 16 * 1024

    /// What handshakes begin with: the default certificate.
    let handle: OpaquePointer
    /// Early data is read.
    package let takesEarlyData: Bool

    /// - Parameter certificates: The first one is for clients that ask for no name, or for one that no certificate has.
    package init(_ certificates: [CertificateChain], _ options: TLSServerOptions) throws(TLSContextError) {
        precondition(!certificates.isEmpty, "a listener without certificates")
        takesEarlyData = options.takesEarlyData
        let names = ServerNames(certificates)
        let table = try ServerTable(names, options)
        for certificate in certificates where !certificate.ocspResponse.isEmpty {
            let end = CertificateChain.nextUpdate(ofOCSPResponse: certificate.ocspResponse)
            unsafe table.staples.append((certificate.leaf, certificate.ocspResponse, end ?? .max))
        }
        var made: [OpaquePointer] = unsafe []
        for group in names.groups {
            do throws(TLSContextError) {
                unsafe made.append(try TLSServerContext.make(group.map { certificates[$0] }, options))
            } catch {
                for index in unsafe made.indices { unsafe SSL_CTX_free(made[index]) }
                throw error
            }
        }
        unsafe table.contexts = unsafe made
        unsafe handle = unsafe made[0]
        let argument = unsafe Unmanaged.passRetained(table).toOpaque()
        // The table lives as long as the context that handshakes begin with, which every connection holds.
        unsafe SSL_CTX_set_ex_data(handle, ServerTable.index, argument)
        for index in unsafe made.indices {
            unsafe copenssl_set_name_callback(
                made[index], { handle, _, table in unsafe ServerTable.of(table).chooseContext(handle) }, argument)
            unsafe SSL_CTX_set_ex_data(made[index], ServerTable.reference, argument)
            if options.keyLog != nil {
                unsafe SSL_CTX_set_keylog_callback(made[index]) { handle, line in unsafe ServerTable.log(handle, line) }
            }
            if unsafe !table.staples.isEmpty {
                unsafe copenssl_set_status_callback(
                    made[index], { handle, table in unsafe ServerTable.of(table).staple(handle) }, argument)
            }
            guard !options.protocols.isEmpty else { continue }
            unsafe SSL_CTX_set_alpn_select_cb(
                made[index],
                { handle, chosen, chosenCount, offered, offeredCount, table in
                    unsafe ServerTable.of(table).chooseProtocol(handle, chosen, chosenCount, offered, offeredCount)
                }, argument)
        }
    }

    deinit { unsafe SSL_CTX_free(handle) }

    private static func make(
        _ certificates: [CertificateChain], _ options: TLSServerOptions
    ) throws(TLSContextError) -> OpaquePointer {
        guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
            throw TLSContextError(description: TLSErrors.takeText())
        }
        unsafe configure(context)
        unsafe copenssl_set_minimum(context, options.minimum.number)
        unsafe SSL_CTX_set_session_id_context(context, options.identity, UInt32(options.identity.count))
        if options.takesEarlyData {
            unsafe SSL_CTX_set_max_early_data(context, UInt32(TLSServerContext.earlyBytesMax))
            unsafe SSL_CTX_set_recv_max_early_data(context, UInt32(TLSServerContext.earlyBytesMax))
            // OpenSSL's own protection keeps each session in the process that began it, and takes it up once. Tickets here
            // are good at every node; what is left is that early data must be as fresh as its ticket says (RFC 8446 §8.3).
            unsafe SSL_CTX_set_options(context, COPENSSL_NO_ANTI_REPLAY)
        }
        if !options.clientAuthorities.isEmpty {
            do throws(CertificateChain.Problem) {
                try unsafe CertificateChain.trust(
                    options.clientAuthorities, in: SSL_CTX_get_cert_store(context), namedTo: context)
            } catch {
                unsafe SSL_CTX_free(context)
                throw TLSContextError(description: "authorities of clients: \(error)")
            }
            let mode = SSL_VERIFY_PEER | (options.requiresClientCertificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0)
            unsafe SSL_CTX_set_verify(context, mode, nil)
        }
        for certificate in certificates {
            guard unsafe use(certificate, context) else {
                let reason = TLSErrors.takeText()
                unsafe SSL_CTX_free(context)
                throw TLSContextError(description: reason)
            }
        }
        return unsafe context
    }

    static func use(_ certificate: CertificateChain, _ context: OpaquePointer) -> Bool {
        guard unsafe SSL_CTX_use_certificate(context, certificate.leaf) == 1 else { return false }
        for index in unsafe certificate.others.indices {
            guard unsafe copenssl_add_chain_certificate(context, certificate.others[index]) == 1 else { return false }
        }
        return unsafe SSL_CTX_use_PrivateKey(context, certificate.key) == 1
    }

    /// What both versions have in common: forward secrecy and authenticated encryption only, no renegotiation
    /// (RFC 9325 §3 and §4). AES with 128 bits comes first, as browsers ask for: it is as strong as X25519 and P-256, and a
    /// handshake with SHA-256 costs some 6% less than with SHA-384. Clients that prefer ChaCha20 get that.
    private static func configure(_ context: OpaquePointer) {
        // What is sent is what the certificate's file holds. Without the second mode OpenSSL builds a chain in each handshake
        // of a certificate that came without one, of whatever it trusts, the authorities of clients included.
        unsafe copenssl_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS) | Int(SSL_MODE_NO_AUTO_CHAIN))
        unsafe SSL_CTX_set_options(
            context,
            COPENSSL_NO_RENEGOTIATION | COPENSSL_NO_COMPRESSION | COPENSSL_SERVER_PREFERENCE
                | COPENSSL_PRIORITIZE_CHACHA)
        unsafe SSL_CTX_set_ciphersuites(
            context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256")
        unsafe SSL_CTX_set_cipher_list(context, "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20")
        unsafe copenssl_set_groups(context, "X25519:P-256:P-384")
        // Sessions live in tickets only: nothing is kept for clients that don't come back.
        unsafe copenssl_set_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        unsafe copenssl_read_ahead(context)
        unsafe TicketSeal.use(in: context)
    }
}

/// What the callbacks of a listener's contexts need.
@safe
final class ServerTable {
    private let names: ServerNames
    /// As ALPN carries them: a length, then the name; in our order of preference.
    private let protocols: [[UInt8]]
    /// By the numbers that `names` gives. The first one holds this table, and is not held by it.
    var contexts: [OpaquePointer] = unsafe []

    /// Certificates, to be compared only, and their OCSP responses, each good until a Unix time.
    var staples: [(leaf: OpaquePointer, response: [UInt8], end: Int64)] = unsafe []
    /// -1: secrets are not logged.
    private let keyLog: CInt

    init(_ names: ServerNames, _ options: TLSServerOptions) throws(TLSContextError) {
        self.names = names
        protocols = options.protocols.map { Array($0.name.utf8) }
        guard let path = options.keyLog else {
            keyLog = -1
            return
        }
        keyLog = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard keyLog >= 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw TLSContextError(description: "cannot open the key log \(path): \(reason)")
        }
    }

    deinit {
        if keyLog >= 0 { close(keyLog) }
        for index in unsafe contexts.indices.dropFirst() { unsafe SSL_CTX_free(contexts[index]) }
    }

    /// Where `SSL_CTX` keeps the table. Made once for the process.
    static let index: CInt = unsafe CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil,
        { _, table, _, _, _, _ in
            if let table = unsafe table { unsafe Unmanaged<ServerTable>.fromOpaque(table).release() }
        })

    /// The same, for callbacks without an argument; holds nothing.
    static let reference: CInt = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil, nil)

    /// One line in one write, so that lines of several nodes stay whole.
    static func log(_ handle: OpaquePointer?, _ line: UnsafePointer<CChar>?) {
        guard let line = unsafe line, let table = unsafe SSL_CTX_get_ex_data(SSL_get_SSL_CTX(handle), reference) else {
            return
        }
        let text = unsafe Array(String(cString: line).utf8) + [0x0a]
        unsafe _ = text.withUnsafeBufferPointer { unsafe write(of(table).keyLog, $0.baseAddress!, $0.count) }
    }

    /// The client asks for the status of the certificate that it gets. One that has waited for a newer response for too long
    /// is left out: clients take a response that is out of date for worse than none.
    func staple(_ handle: OpaquePointer?) -> CInt {
        let certificate = unsafe SSL_get_certificate(handle)
        for index in unsafe staples.indices {
            guard unsafe staples[index].leaf == certificate else { continue }
            guard unsafe Clock.wallSeconds() < staples[index].end else { return SSL_TLSEXT_ERR_NOACK }
            let response = unsafe staples[index].response
            return unsafe copenssl_set_ocsp_response(handle, response, response.count) == 1
                ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK
        }
        return SSL_TLSEXT_ERR_NOACK
    }

    /// The argument of a callback.
    static func of(_ table: UnsafeMutableRawPointer?) -> ServerTable {
        unsafe Unmanaged<ServerTable>.fromOpaque(table!).takeUnretainedValue()
    }

    /// The client has named whom it wants to speak to (RFC 6066 §3), or nobody.
    func chooseContext(_ handle: OpaquePointer?) -> CInt {
        guard let name = unsafe SSL_get_servername(handle, TLSEXT_NAMETYPE_host_name) else {
            return SSL_TLSEXT_ERR_NOACK
        }
        let bytes = unsafe UnsafeRawBufferPointer(start: name, count: strlen(name))
        let group = unsafe names.group(for: bytes.bytes)
        if group > 0 { unsafe SSL_set_SSL_CTX(handle, contexts[group]) }
        return SSL_TLSEXT_ERR_OK
    }

    /// Ours that the client offers as well; without one the handshake fails (RFC 7301 §3.2).
    func chooseProtocol(
        _ handle: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
        _ chosenCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredCount: UInt32
    ) -> CInt {
        guard let offered = unsafe offered else { return SSL_TLSEXT_ERR_NOACK }
        for name in protocols {
            var position = 0
            while position < Int(offeredCount) {
                let length = unsafe Int(offered[position])
                guard position + 1 + length <= Int(offeredCount) else { break }
                let candidate = unsafe UnsafeBufferPointer(start: offered + position + 1, count: length)
                if unsafe candidate.elementsEqual(name) {
                    unsafe chosen?.pointee = candidate.baseAddress
                    unsafe chosenCount?.pointee = UInt8(length)
                    // Of HTTP/2 a client needs one connection, and one ticket for the next; others get two.
                    if name.elementsEqual(ApplicationProtocol.http2.name.utf8) { unsafe SSL_set_num_tickets(handle, 1) }
                    return SSL_TLSEXT_ERR_OK
                }
                position += 1 + length
            }
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}
