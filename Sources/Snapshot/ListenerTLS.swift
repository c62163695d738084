package import TLS

/// `tls` of an `https` listener: what its handshakes are answered with.
package struct ListenerTLS: Hashable, Sendable {
    /// At least one; the first is for clients that name no host, or one that no certificate has.
    package var certificates: [ServerCertificate]
    /// `minimum`: the oldest version that is spoken.
    package var minimum: TLSVersion
    /// `alpn`, in order of preference.
    package var protocols: [ApplicationProtocol]
    /// `key_log`: an absolute path on the nodes' hosts; nil: secrets are not logged.
    package var keyLog: String?
    /// `client_auth`; nil: clients aren't asked for certificates.
    package var clientAuthentication: ClientAuthentication?
    /// `early_data`: requests in early data (RFC 8446 §2.3) are answered.
    package var takesEarlyData = false

    package init(
        certificates: [ServerCertificate], minimum: TLSVersion = .tls12,
        protocols: [ApplicationProtocol] = [.http11], clientAuthentication: ClientAuthentication? = nil,
        keyLog: String? = nil
    ) {
        self.keyLog = keyLog
        self.clientAuthentication = clientAuthentication
        self.certificates = certificates
        self.minimum = minimum
        self.protocols = protocols
    }
}

/// `tls.client_auth`: certificates of clients.
package struct ClientAuthentication: Hashable, Sendable {
    package enum Mode: UInt8, Sendable, CaseIterable {
        /// A client may show one, which is verified then.
        case request = 0
        /// A client without one is refused.
        case require = 1
    }
    /// `ca`: what they must be issued by, in PEM.
    package var authorities: [UInt8]
    package var mode: Mode

    package init(authorities: [UInt8], mode: Mode) {
        self.authorities = authorities
        self.mode = mode
    }
}

/// One entry of `tls.certificates`: the contents of its files, which travel to the nodes.
package struct ServerCertificate: Hashable, Sendable {
    /// `chain` as the site file writes it: what status and metrics call it.
    package var name: String
    /// PEM.
    package var chain: [UInt8]
    /// PEM, without a passphrase.
    package var key: [UInt8]
    /// When it expires, in seconds since 1970.
    package var notAfter: Int64
    /// `ocsp`: what clients that ask for its status get, in DER; empty: nothing.
    package var ocspResponse: [UInt8]

    package init(name: String, chain: [UInt8], key: [UInt8], notAfter: Int64, ocspResponse: [UInt8] = []) {
        self.ocspResponse = ocspResponse
        self.name = name
        self.chain = chain
        self.key = key
        self.notAfter = notAfter
    }
}
