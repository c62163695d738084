import COpenSSL

/// What is asked of a certificate's OCSP responder, and by whom the answer must be signed. Values only: whoever has sockets
/// sends it, and `check` judges what comes back.
package struct OCSPQuestion: Hashable, Sendable {
    package let responder: OCSPResponder
    /// An OCSP request in DER, for the one certificate, by SHA-1 and without a nonce: what responders that sign in advance
    /// have answers for (RFC 5019 §2.1.1). SHA-1 names the certificate here, and secures nothing.
    package let request: [UInt8]
    /// The certificate that the asked one was issued by, in DER.
    let issuer: [UInt8]

    /// Why nothing can be asked about a certificate.
    package enum Problem: Error, Equatable {
        /// None of the certificates behind it has issued it.
        case noIssuer
        /// It names no responder that `OCSPResponder` takes; these addresses it does name.
        case noResponder([String])
    }
}

extension CertificateChain {
    /// What to ask about the first certificate.
    package func ocspQuestion() throws(OCSPQuestion.Problem) -> OCSPQuestion {
        defer { ERR_clear_error() }
        let issuer = unsafe others.first { other in
            guard unsafe X509_check_issued(other, leaf) == X509_V_OK else { return false }
            return unsafe X509_verify(leaf, X509_get0_pubkey(other)) == 1
        }
        guard let issuer = unsafe issuer else { throw .noIssuer }
        let addresses = responderAddresses()
        guard let responder = addresses.lazy.compactMap(OCSPResponder.init).first else {
            throw .noResponder(addresses)
        }
        return unsafe OCSPQuestion(
            responder: responder, request: request(issuer), issuer: DER.bytes { unsafe i2d_X509(issuer, $0) })
    }

    private func request(_ issuer: OpaquePointer) -> [UInt8] {
        let request = unsafe OCSP_REQUEST_new()
        defer { unsafe OCSP_REQUEST_free(request) }
        // The request takes the name over.
        let name = unsafe OCSP_cert_to_id(EVP_sha1(), leaf, issuer)
        guard unsafe OCSP_request_add0_id(request, name) != nil else {
            preconditionFailure("OpenSSL has no memory for a request, or no SHA-1")
        }
        return unsafe DER.bytes { unsafe i2d_OCSP_REQUEST(request, $0) }
    }

    /// OCSP responders of the authority information access (RFC 5280 §4.2.2.1), as written.
    private func responderAddresses() -> [String] {
        guard let list = unsafe X509_get1_ocsp(leaf) else { return [] }
        defer { unsafe X509_email_free(list) }
        return (0..<max(0, unsafe OPENSSL_sk_num(list))).compactMap { index in
            guard let text = unsafe OPENSSL_sk_value(list, index) else { return nil }
            // OpenSSL's list holds C strings: those with a zero byte inside it leaves out.
            return unsafe String(cString: text.assumingMemoryBound(to: CChar.self))
        }
    }
}

/// What OpenSSL's encoders write.
enum DER {
    /// - Parameter encode: An `i2d_` call, which says how long its result is, and writes it when it is given a place.
    static func bytes(
        _ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> CInt
    ) -> [UInt8] {
        let count = Int(encode(nil))
        precondition(count > 0, "OpenSSL can't encode what it has read")
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            var place = buffer.baseAddress
            written = unsafe Int(encode(&place))
        }
    }
}
