import TLS

/// The wire form of `tls` of a listener.
extension WireWriter {
    mutating func write(_ tls: ListenerTLS?) {
        write(tls != nil)
        guard let tls else { return }
        write(list: tls.certificates) { $0.write($1) }
        write(tls.minimum.rawValue)
        write(list: tls.protocols) { $0.write($1.rawValue) }
        write(tls.keyLog ?? "")
        write(tls.clientAuthentication != nil)
        if let clients = tls.clientAuthentication {
            write(clients.authorities)
            write(clients.mode.rawValue)
        }
        write(tls.takesEarlyData)
    }

    mutating func write(_ certificate: ServerCertificate) {
        write(certificate.name)
        write(certificate.chain)
        write(certificate.key)
        write(certificate.notAfter)
        write(certificate.ocspResponse)
    }
}

extension WireReader {
    mutating func readServerCertificate() throws(WireError) -> ServerCertificate {
        ServerCertificate(
            name: try readString(), chain: try readBytes(), key: try readBytes(), notAfter: try read(),
            ocspResponse: try readBytes())
    }

    mutating func readListenerTLS() throws(WireError) -> ListenerTLS? {
        guard try readBool() else { return nil }
        let certificates = try readList { (reader) throws(WireError) in try reader.readServerCertificate() }
        guard !certificates.isEmpty else { throw .invalid("TLS without a certificate") }
        var tls = ListenerTLS(
            certificates: certificates, minimum: try readCase(),
            protocols: try readList { (reader) throws(WireError) in try reader.readCase() })
        let keyLog = try readString()
        tls.keyLog = keyLog.isEmpty ? nil : keyLog
        if try readBool() {
            tls.clientAuthentication = ClientAuthentication(authorities: try readBytes(), mode: try readCase())
        }
        tls.takesEarlyData = try readBool()
        return tls
    }
}
