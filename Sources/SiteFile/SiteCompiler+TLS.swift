import EventLoop
import Snapshot
import TLS

/// `tls` of a listener: its files are read and checked here, so that a node never meets a bad one.
extension SiteCompiler {
    /// - Returns: nil after an error was reported.
    func compile(tls reader: SectionReader, of listener: String) -> ListenerTLS? {
        var tls = ListenerTLS(certificates: [])
        reader.read(TLSKeys.minimum, into: &tls.minimum)
        if let protocols = reader.read(TLSKeys.alpn) {
            tls.protocols = unique(protocols, at: reader.mark(of: TLSKeys.alpn)) { $0.name }
        }
        tls.keyLog = reader.read(TLSKeys.keyLog)
        if tls.keyLog != nil {
            diagnostics.warning(
                reader.mark(of: TLSKeys.keyLog), "the secrets of every connection are written to a file",
                hint: "remove `key_log` when you are done")
        }
        if let clients = reader.open(TLSKeys.clientAuth) { tls.clientAuthentication = compile(clientAuth: clients) }
        tls.takesEarlyData = reader.read(TLSKeys.earlyData) ?? false
        if tls.takesEarlyData && reader.has(TLSKeys.clientAuth) {
            diagnostics.error(
                reader.mark(of: TLSKeys.earlyData), "`early_data` and `client_auth` don't go together",
                hint: "early data can be sent again by others, in the name of the certificate")
        }
        let hint = "as in `certificates: [{chain: shop.pem, key: shop.key}]`"
        guard let node = reader.require(TLSKeys.certificates, hint: hint) else { return nil }
        let nodes = elements(node)
        if nodes.isEmpty {
            diagnostics.error(node.mark, "\"certificates\" is an empty list", hint: "list at least one certificate")
        }
        for node in nodes {
            let field = Field(key: TLSKeys.certificates.name, diagnostics: diagnostics)
            guard let map = Form<YAMLNode>.section(CertificateKeys.section).read(node, field) else { continue }
            let entry = SectionReader(map, CertificateKeys.section, diagnostics)
            guard let (certificate, question) = certificate(entry, isServer: true) else { continue }
            if let question {
                staples.append(
                    FetchedStaple(listener: listener, certificate: tls.certificates.count, question: question))
            }
            tls.certificates.append(certificate)
        }
        return tls.certificates.isEmpty ? nil : tls
    }

    private func compile(clientAuth reader: SectionReader) -> ClientAuthentication? {
        let mode = reader.read(ClientAuthKeys.mode) ?? .require
        return authorities(of: ClientAuthKeys.ca, reader).map { ClientAuthentication(authorities: $0, mode: mode) }
    }

    /// The certificates in a file that others are to be verified by.
    private func authorities(of key: Key<YAMLNode>, _ reader: SectionReader) -> [UInt8]? {
        guard let file = contents(of: key, reader) else { return nil }
        do throws(CertificateChain.Problem) {
            try CertificateChain.check(authorities: file.bytes)
            return file.bytes
        } catch {
            guard case .chain(let reason) = error else { return nil }
            diagnostics.error(
                file.mark, "\(file.path.quoted) \(reason)", hint: "PEM, as in `-----BEGIN CERTIFICATE-----`")
            return nil
        }
    }

    /// `tls` of a pool.
    func compile(endpointTLS reader: SectionReader, _ pool: Pool) -> EndpointTLS {
        var tls = EndpointTLS()
        tls.serverName = reader.read(EndpointTLSKeys.serverName)
        let isVerified = reader.read(EndpointTLSKeys.verify) ?? true
        if !isVerified {
            tls.verification = .none
            if reader.has(EndpointTLSKeys.ca) {
                diagnostics.error(
                    reader.mark(of: EndpointTLSKeys.ca), "`ca` says nothing with `verify: none`",
                    hint: "remove one of the two")
            }
        } else if reader.has(EndpointTLSKeys.ca), let bytes = authorities(of: EndpointTLSKeys.ca, reader) {
            tls.verification = .authorities(bytes)
        }
        if let certificate = reader.open(EndpointTLSKeys.certificate) {
            tls.certificate = self.certificate(certificate, isServer: false)?.certificate
        }
        let hasPath = pool.endpoints.contains { if case .unix = $0.address { true } else { false } }
        if isVerified && hasPath && !reader.has(EndpointTLSKeys.serverName) {
            diagnostics.error(
                reader.mark, "an endpoint that is a Unix socket has no address that its certificate could name",
                hint: "add `server_name`")
        }
        return tls
    }

    /// - Returns: nil after an error was reported; with what its responder is to be asked, for `ocsp: fetch`.
    private func certificate(
        _ reader: SectionReader, isServer: Bool
    ) -> (certificate: ServerCertificate, question: OCSPQuestion?)? {
        let chain = contents(of: CertificateKeys.chain, reader)
        let key = contents(of: CertificateKeys.key, reader)
        guard let chain, let key else { return nil }
        do throws(CertificateChain.Problem) {
            let read = try CertificateChain(chain: chain.bytes, key: key.bytes)
            if isServer && read.names.isEmpty {
                diagnostics.warning(
                    chain.mark, "the certificate in \(chain.path.quoted) has no DNS name: browsers refuse it",
                    hint: "issue it with a subject alternative name")
            }
            warn(of: read, chain)
            var certificate = ServerCertificate(
                name: chain.path, chain: chain.bytes, key: key.bytes, notAfter: read.notAfter)
            guard isServer, let ocsp = reader[node: CertificateKeys.ocsp] else { return (certificate, nil) }
            if ocsp.text == CertificateKeys.fetch { return (certificate, question(about: read, chain, ocsp)) }
            certificate.ocspResponse = ocspResponse(reader)
            return (certificate, nil)
        } catch {
            switch error {
            case .chain(let reason):
                diagnostics.error(
                    chain.mark, "\(chain.path.quoted) \(reason)", hint: "PEM, as in `-----BEGIN CERTIFICATE-----`")
            case .key(let reason):
                diagnostics.error(
                    key.mark, "\(key.path.quoted) \(reason)", hint: "PEM, as in `-----BEGIN PRIVATE KEY-----`")
            case .mismatch:
                diagnostics.error(
                    key.mark, "\(key.path.quoted) is not the key of the certificate in \(chain.path.quoted)",
                    hint: "the certificate must be the first in its file, before those that it was issued by")
            }
            return nil
        }
    }

    private func warn(of certificate: CertificateChain, _ file: ReadFile) {
        let now = Clock.wallSeconds()
        if certificate.notAfter <= now {
            diagnostics.warning(
                file.mark, "the certificate in \(file.path.quoted) expired on \(CalendarDay(certificate.notAfter))")
        } else if certificate.notBefore > now {
            diagnostics.warning(
                file.mark,
                "the certificate in \(file.path.quoted) is not valid before \(CalendarDay(certificate.notBefore))")
        }
    }

    struct ReadFile {
        var path: String
        var mark: YAMLNode.Mark
        var bytes: [UInt8]
    }

    /// The file that a key names.
    ///
    /// - Returns: nil after an error was reported.
    func contents(of key: Key<YAMLNode>, _ reader: SectionReader) -> ReadFile? {
        let hint = "as in `\(key.name): \(key.name == CertificateKeys.key.name ? "shop.key" : "shop.pem")`"
        guard let node = reader.require(key, hint: hint) else { return nil }
        guard let path = node.text, !path.isEmpty, !path.contains("\0") else {
            Field(key: key.name, diagnostics: diagnostics).refuse(node, takes: key.form.phrase)
            return nil
        }
        switch files.read(
            path, bytesMax: SiteCompiler.pemBytesMax, tooLong: "a chain has a few certificates of some 2 KiB")
        {
        case .success(let bytes): return ReadFile(path: path, mark: node.mark, bytes: bytes)
        case .failure(let problem):
            diagnostics.error(node.mark, problem.message, hint: problem.hint)
            return nil
        }
    }

    /// What one PEM file may have.
    static let pemBytesMax = 256 * 1024
}

/// A day of the Gregorian calendar, in UTC: `2026-11-21`.
struct CalendarDay: CustomStringConvertible {
    let description: String

    /// - Parameter seconds: Since 1970.
    init(_ seconds: Int64) {
        // Days from civil, backwards: years begin in March, eras have 400 years (Howard Hinnant's algorithm).
        let days = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400 + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let day = days - era * 146_097
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        let month = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * month + 2) / 5 + 1
        let civil = month < 10 ? month + 3 : month - 9
        let civilYear = year + era * 400 + (civil <= 2 ? 1 : 0)
        func padded(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        description = "\(civilYear)-\(padded(civil))-\(padded(dayOfMonth))"
    }
}
