import COpenSSL
import Glibc

/// An OCSP response in DER as OpenSSL reads it (RFC 6960 §4.2); freed with the value.
///
/// The bytes come from the network: OpenSSL's decoder reads them, and nothing here reaches into what it made but by its calls.
@safe
struct OCSPMessage: ~Copyable {
    private let response: OpaquePointer
    /// What the response says of certificates; nil when it has none of that, or in a form that isn't known.
    let basic: OpaquePointer?

    /// - Returns: nil for bytes that aren't one response and nothing else.
    init?(_ bytes: [UInt8]) {
        defer { ERR_clear_error() }
        let read = unsafe bytes.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            guard let start = bytes.baseAddress else { return nil }
            var end: UnsafePointer<UInt8>? = unsafe start
            guard let response = unsafe d2i_OCSP_RESPONSE(nil, &end, bytes.count) else { return nil }
            if unsafe end == start + bytes.count { return unsafe response }
            unsafe OCSP_RESPONSE_free(response)
            return nil
        }
        guard let read = unsafe read else { return nil }
        unsafe response = unsafe read
        unsafe basic = unsafe OCSP_response_get1_basic(read)
    }

    deinit {
        unsafe OCSP_BASICRESP_free(basic)
        unsafe OCSP_RESPONSE_free(response)
    }

    /// 0: successful. The others are reasons why there is no answer (RFC 6960 §4.2.1).
    var status: CInt { unsafe OCSP_response_status(response) }

    /// What a certificate's part of the response says; times in seconds since 1970.
    struct Single {
        /// `V_OCSP_CERTSTATUS_GOOD`, `_REVOKED` or `_UNKNOWN`.
        var status: CInt
        var revokedAt: Int64?
        var thisUpdate: Int64?
        var nextUpdate: Int64?
    }

    func single(_ index: CInt) -> Single? {
        guard let basic = unsafe basic, let part = unsafe OCSP_resp_get0(basic, index) else { return nil }
        var reason: CInt = 0
        // Times belong to the message.
        var (revokedAt, thisUpdate, nextUpdate) = unsafe (
            UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?.none, UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?.none,
            UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?.none
        )
        let status = unsafe OCSP_single_get0_status(part, &reason, &revokedAt, &thisUpdate, &nextUpdate)
        return unsafe Single(
            status: status, revokedAt: OCSPMessage.seconds(revokedAt), thisUpdate: OCSPMessage.seconds(thisUpdate),
            nextUpdate: OCSPMessage.seconds(nextUpdate))
    }

    /// - Returns: nil for no time; 0 for one that can't be read.
    private static func seconds(_ time: UnsafePointer<ASN1_GENERALIZEDTIME>?) -> Int64? {
        guard let time = unsafe time else { return nil }
        return unsafe CertificateChain.seconds(time)
    }

    /// When the first of its answers is out of date, in seconds since 1970; nil when none says.
    var nextUpdate: Int64? {
        guard let basic = unsafe basic else { return nil }
        return (0..<max(0, unsafe OCSP_resp_count(basic))).compactMap { single($0)?.nextUpdate }.min()
    }
}
