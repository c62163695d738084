import COpenSSL
import Glibc

/// What a responder says of a certificate, once it is known to be said by one who may.
package struct OCSPAnswer: Equatable, Sendable {
    package enum Status: Equatable, Sendable {
        case good
        /// Unix time; nil when that can't be read.
        case revoked(at: Int64?)
    }
    package var status: Status
    /// When this was known to be right, Unix time.
    package var thisUpdate: Int64
    /// When newer information is there at the latest; nil when the responder doesn't say.
    package var nextUpdate: Int64?

    package init(status: Status, thisUpdate: Int64, nextUpdate: Int64?) {
        self.status = status
        self.thisUpdate = thisUpdate
        self.nextUpdate = nextUpdate
    }
}

/// Why a response is no answer to the question.
package enum OCSPRefusal: Error, Equatable, CustomStringConvertible {
    /// The bytes are no OCSP response.
    case malformed
    /// The responder says that it can't answer, and why: a word of RFC 6960 §4.2.1.
    case unsuccessful(String)
    /// Not signed by the issuer, nor by one to whom it gave that right.
    case signature(String)
    /// It says nothing of the certificate.
    case otherCertificate
    /// The responder doesn't know the certificate.
    case unknown
    /// Unix times.
    case notYet(Int64)
    case outOfDate(Int64)

    package var description: String {
        switch self {
        case .malformed: "the answer is no OCSP response"
        case .unsuccessful(let word): "the responder gives no answer: \(word)"
        case .signature(let reason): "the response is not signed by the issuer: \(reason)"
        case .otherCertificate: "the response is for another certificate"
        case .unknown: "the responder doesn't know the certificate"
        case .notYet(let time): "the response is from the future (\(time)): look at this host's clock"
        case .outOfDate(let time): "the response is out of date since \(time)"
        }
    }
}

extension OCSPQuestion {
    /// How far a responder's clock may be ahead of ours: minutes, as nginx and OpenSSL's `ocsp` have it.
    static let skewSecondsMax: Int64 = 300

    /// Judges a response (RFC 6960 §3.2): it is one, for this certificate, signed by its issuer or by one whom the issuer
    /// certified for that, and of now. A nextUpdate that has passed is refused without allowance: such a response is of no use
    /// to clients.
    ///
    /// - Parameters:
    ///   - bytes: DER, from whoever answered.
    ///   - now: Unix time.
    package func check(_ bytes: [UInt8], now: Int64) throws(OCSPRefusal) -> OCSPAnswer {
        defer { ERR_clear_error() }
        guard let message = OCSPMessage(bytes) else { throw .malformed }
        guard message.status == OCSP_RESPONSE_STATUS_SUCCESSFUL else {
            throw .unsuccessful(unsafe String(cString: OCSP_response_status_str(Int(message.status))))
        }
        guard let basic = unsafe message.basic else { throw .malformed }
        guard let single = message.single(unsafe index(in: basic)) else { throw .otherCertificate }
        guard let thisUpdate = single.thisUpdate, thisUpdate > 0 else { throw .malformed }
        guard thisUpdate <= now + OCSPQuestion.skewSecondsMax else { throw .notYet(thisUpdate) }
        if let nextUpdate = single.nextUpdate, nextUpdate <= now { throw .outOfDate(nextUpdate) }
        // A responder's certificate may be as young as the response: what is allowed to clocks holds for both.
        guard unsafe isSigned(basic, at: max(now, thisUpdate)) else { throw .signature(TLSErrors.takeText()) }
        let status: OCSPAnswer.Status
        switch single.status {
        case V_OCSP_CERTSTATUS_GOOD: status = .good
        case V_OCSP_CERTSTATUS_REVOKED: status = .revoked(at: single.revokedAt.flatMap { $0 > 0 ? $0 : nil })
        default: throw .unknown
        }
        return OCSPAnswer(status: status, thisUpdate: thisUpdate, nextUpdate: single.nextUpdate)
    }

    /// Whether the issuer has signed it, or one with a certificate of the issuer's for OCSP signing (RFC 6960 §4.2.2.2).
    ///
    /// The issuer is all that is trusted, itself or not (`PARTIAL_CHAIN`), and no certificate by being "trusted for OCSP" in
    /// some store (`NOEXPLICIT`). The revocation of a responder's own certificate isn't looked at: it lives shortly and says
    /// so (§4.2.2.2.1), and there would be nobody to ask.
    private func isSigned(_ basic: OpaquePointer, at time: Int64) -> Bool {
        let issuer = unsafe self.issuer.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var start = bytes.baseAddress
            return unsafe d2i_X509(nil, &start, bytes.count)
        }
        let (store, others) = unsafe (X509_STORE_new(), OPENSSL_sk_new_null())
        defer {
            unsafe OPENSSL_sk_free(others)
            unsafe X509_STORE_free(store)
            unsafe X509_free(issuer)
        }
        guard let issuer = unsafe issuer, let store = unsafe store, let others = unsafe others,
            unsafe X509_STORE_add_cert(store, issuer) == 1,
            // The list holds the certificate without counting as its user: both go at the end of this call.
            unsafe OPENSSL_sk_push(others, UnsafeRawPointer(issuer)) > 0
        else { return false }
        unsafe X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), time_t(time))
        return unsafe OCSP_basic_verify(basic, others, store, UInt(OCSP_PARTIAL_CHAIN | OCSP_NOEXPLICIT)) == 1
    }

    /// Where the response speaks of the certificate; -1 when it doesn't.
    private func index(in basic: OpaquePointer) -> CInt {
        let request = unsafe self.request.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var start = bytes.baseAddress
            return unsafe d2i_OCSP_REQUEST(nil, &start, bytes.count)
        }
        defer { unsafe OCSP_REQUEST_free(request) }
        guard let request = unsafe request, let asked = unsafe OCSP_request_onereq_get0(request, 0) else { return -1 }
        return unsafe OCSP_resp_find(basic, OCSP_onereq_get0_id(asked), -1)
    }
}
