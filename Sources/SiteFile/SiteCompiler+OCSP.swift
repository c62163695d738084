import EventLoop
import Snapshot
import TLS

/// `ocsp` of a certificate: a response from a file, or what its responder is to be asked.
extension SiteCompiler {
    func ocspResponse(_ reader: SectionReader) -> [UInt8] {
        guard let file = contents(of: CertificateKeys.ocsp, reader) else { return [] }
        if !CertificateChain.isOCSPResponse(file.bytes) {
            diagnostics.error(
                file.mark, "\(file.path.quoted) holds no OCSP response with an answer",
                hint: "DER, as `openssl ocsp -respout` writes it; or `ocsp: fetch`")
        } else if let end = CertificateChain.nextUpdate(ofOCSPResponse: file.bytes), end <= Clock.wallSeconds() {
            diagnostics.warning(
                file.mark, "the OCSP response in \(file.path.quoted) is out of date since \(CalendarDay(end))",
                hint: "clients don't get it; renew the file, or write `ocsp: fetch`")
        }
        return file.bytes
    }

    /// - Returns: nil after an error was reported.
    func question(about certificate: CertificateChain, _ chain: ReadFile, _ node: YAMLNode) -> OCSPQuestion? {
        do throws(OCSPQuestion.Problem) {
            return try certificate.ocspQuestion()
        } catch {
            switch error {
            case .noIssuer:
                diagnostics.error(
                    node.mark, "the issuer of the certificate in \(chain.path.quoted) isn't behind it in that file",
                    hint: "append the issuer's certificate: the responder is asked by it, and the answer verified")
            case .noResponder(let addresses):
                let named = addresses.first.map { "it names \($0.quoted); " } ?? ""
                diagnostics.error(
                    node.mark, "the certificate in \(chain.path.quoted) names no OCSP responder with `http://`",
                    hint: named + "give the path of a response instead, or remove `ocsp`")
            }
            return nil
        }
    }
}
