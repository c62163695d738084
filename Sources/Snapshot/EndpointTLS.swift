/// `tls` of a pool: how its endpoints are spoken to.
package struct EndpointTLS: Hashable, Sendable {
    package enum Verification: Hashable, Sendable {
        /// By what the node's host trusts.
        case system
        /// `ca`: by these certificates, in PEM.
        case authorities([UInt8])
        /// `verify: none`
        case none
    }
    package var verification: Verification
    /// `server_name`: what the endpoints' certificates must name, and are asked for; nil: their IP addresses.
    package var serverName: String?
    /// `certificate`: shown to endpoints that ask for one.
    package var certificate: ServerCertificate?

    package init(
        verification: Verification = .system, serverName: String? = nil, certificate: ServerCertificate? = nil
    ) {
        self.verification = verification
        self.serverName = serverName
        self.certificate = certificate
    }
}

/// The wire form.
extension WireWriter {
    mutating func write(_ tls: EndpointTLS?) {
        write(tls != nil)
        guard let tls else { return }
        switch tls.verification {
        case .system: write(UInt8(0))
        case .authorities(let pem):
            write(UInt8(1))
            write(pem)
        case .none: write(UInt8(2))
        }
        write(tls.serverName ?? "")
        write(tls.certificate != nil)
        if let certificate = tls.certificate { write(certificate) }
    }
}

extension WireReader {
    mutating func readEndpointTLS() throws(WireError) -> EndpointTLS? {
        guard try readBool() else { return nil }
        let verification: EndpointTLS.Verification =
            switch try read(UInt8.self) {
            case 0: .system
            case 1: .authorities(try readBytes())
            case 2: .none
            default: throw .invalid("verification of endpoints")
            }
        let name = try readString()
        return EndpointTLS(
            verification: verification, serverName: name.isEmpty ? nil : name,
            certificate: try readBool() ? try readServerCertificate() : nil)
    }
}
