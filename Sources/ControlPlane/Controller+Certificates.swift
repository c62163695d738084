import NodeLink
import SiteFile
import Snapshot

/// What operators see of certificates: when they expire, and what is stapled.
extension Controller {
    func certificateDocuments() -> [CertificateDocument] {
        guard let current else { return [] }
        let fetched = Dictionary(grouping: current.staples, by: \.listener)
        return current.snapshot.listeners.flatMap { listener in
            let questions = Dictionary(
                uniqueKeysWithValues: (fetched[listener.name] ?? []).map { ($0.certificate, $0.question) })
            return (listener.tls?.certificates ?? []).enumerated().map { index, certificate in
                CertificateDocument(
                    listener: listener.name, certificate: certificate.name, expires: certificate.notAfter,
                    ocsp: questions[index].flatMap { staples.certificates[$0] }.map(OCSPDocument.init))
            }
        }
    }

    func certificateSamples() -> [Sample] {
        guard let current else { return [] }
        var samples = certificateDocuments().map { document in
            Sample(
                "sluice_tls_certificate_expiry_seconds",
                [.init("listener", document.listener), .init("certificate", document.certificate)],
                Double(document.expires))
        }
        for staple in current.staples {
            guard let known = staples.certificates[staple.question],
                let certificate = current.snapshot.certificate(of: staple)
            else { continue }
            let labels: [Sample.Label] = [.init("listener", staple.listener), .init("certificate", certificate.name)]
            samples += [
                Sample("sluice_certificate_ocsp_next_update_seconds", labels, Double(known.response?.end ?? 0)),
                Sample("sluice_certificate_ocsp_failures_total", labels, Double(known.failures)),
                Sample("sluice_certificate_ocsp_revoked", labels, known.isRevoked ? 1 : 0),
            ]
        }
        return samples
    }
}

extension OCSPDocument {
    init(_ known: StapleWatch.Certificate) {
        self.init(
            status: known.isRevoked ? "revoked" : known.response == nil ? "none" : "good",
            nextUpdate: known.response?.end, failure: known.failure)
    }
}
