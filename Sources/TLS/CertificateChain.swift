import COpenSSL
import Glibc

/// A certificate, the certificates behind it, and its private key, read from PEM.
@safe
package final class CertificateChain {
    /// Which keys can stand side by side for one name: a client gets the certificate that it can verify.
    package enum KeyKind: UInt8, Sendable {
        case ecdsa
        case rsa
        case edwards
    }

    /// What is wrong with the files.
    package enum Problem: Error, Equatable {
        /// Of the chain's file.
        case chain(String)
        /// Of the key's file.
        case key(String)
        /// Each is good, but the key is another certificate's.
        case mismatch
    }

    let leaf: OpaquePointer
    private(set) var others: [OpaquePointer] = unsafe []
    let key: OpaquePointer
    package let keyKind: KeyKind
    /// DNS names of the subject alternative names (RFC 6125 §6.4), in lower case; `*.` stands for one label.
    package let names: [String]
    /// What clients that ask for the certificate's status get (RFC 6066 §8), in DER; empty: nothing.
    package var ocspResponse: [UInt8] = []
    /// Seconds since 1970.
    package let notBefore: Int64
    package let notAfter: Int64

    /// - Parameters:
    ///   - chain: The certificate first, then those that it was issued by (RFC 8446 §4.4.2).
    ///   - key: Without a passphrase.
    package init(chain: [UInt8], key: [UInt8]) throws(Problem) {
        var certificates = try unsafe CertificateChain.certificates(in: chain)
        let leaf = unsafe certificates.removeFirst()
        unsafe self.leaf = unsafe leaf
        unsafe others = unsafe certificates
        let read = unsafe CertificateChain.read(key) { bio in
            // Without a callback OpenSSL would ask the terminal.
            unsafe PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let read = unsafe read else {
            let text = TLSErrors.takeText()
            unsafe X509_free(leaf)
            for other in unsafe others.indices { unsafe X509_free(others[other]) }
            let isEncrypted = CertificateChain.holds(key, "ENCRYPTED")
            let isKey = CertificateChain.holds(key, "PRIVATE KEY-----")
            throw .key(
                isEncrypted
                    ? "is encrypted with a passphrase" : isKey ? "can't be read: \(text)" : "holds no private key")
        }
        unsafe self.key = unsafe read
        keyKind =
            switch unsafe EVP_PKEY_get_base_id(read) {
            case EVP_PKEY_EC: .ecdsa
            case EVP_PKEY_RSA, EVP_PKEY_RSA_PSS: .rsa
            default: .edwards
            }
        names = unsafe CertificateChain.names(of: leaf)
        unsafe notBefore = CertificateChain.seconds(X509_get0_notBefore(leaf))
        unsafe notAfter = CertificateChain.seconds(X509_get0_notAfter(leaf))
        guard unsafe X509_check_private_key(leaf, read) == 1 else {
            ERR_clear_error()
            throw .mismatch
        }
    }

    deinit {
        unsafe X509_free(leaf)
        for other in unsafe others.indices { unsafe X509_free(others[other]) }
        unsafe EVP_PKEY_free(key)
    }

    /// The subject, for messages: `CN=shop.example,O=Shop` (RFC 4514).
    package var subject: String { unsafe DistinguishedName.text(X509_get_subject_name(leaf)) }

    /// Certificates of a PEM file, at least one. Each is the caller's to free.
    static func certificates(in bytes: [UInt8]) throws(Problem) -> [OpaquePointer] {
        var certificates: [OpaquePointer] = unsafe []
        var problem: String?
        unsafe read(bytes) { bio -> OpaquePointer? in
            while let certificate = unsafe PEM_read_bio_X509(bio, nil, nil, nil) {
                unsafe certificates.append(certificate)
            }
            if copenssl_ended_without_object() == 0 { problem = "can't be read: \(TLSErrors.takeText())" }
            ERR_clear_error()
            return nil
        }
        if problem == nil, unsafe certificates.isEmpty { problem = "holds no certificate" }
        guard let problem else { return unsafe certificates }
        for index in unsafe certificates.indices { unsafe X509_free(certificates[index]) }
        throw .chain(problem)
    }

    /// Whether the bytes hold certificates that others can be verified by.
    package static func check(authorities bytes: [UInt8]) throws(Problem) {
        let certificates = try unsafe certificates(in: bytes)
        for index in unsafe certificates.indices { unsafe X509_free(certificates[index]) }
    }

    /// Whether the bytes are an OCSP response that says something about a certificate (RFC 6960 §4.2.1).
    package static func isOCSPResponse(_ bytes: [UInt8]) -> Bool {
        guard let message = OCSPMessage(bytes) else { return false }
        return message.status == OCSP_RESPONSE_STATUS_SUCCESSFUL
    }

    /// When an OCSP response is out of date, in seconds since 1970; nil when it doesn't say, or is none.
    package static func nextUpdate(ofOCSPResponse bytes: [UInt8]) -> Int64? {
        guard let message = OCSPMessage(bytes) else { return nil }
        return message.nextUpdate
    }

    /// Adds the certificates of a PEM file to those that are trusted.
    ///
    /// - Parameter context: Tells clients of them when it asks for a certificate.
    static func trust(
        _ bytes: [UInt8], in store: OpaquePointer?, namedTo context: OpaquePointer? = nil
    ) throws(Problem) {
        let certificates = try unsafe certificates(in: bytes)
        for index in unsafe certificates.indices {
            unsafe X509_STORE_add_cert(store, certificates[index])
            if let context = unsafe context { unsafe SSL_CTX_add_client_CA(context, certificates[index]) }
            unsafe X509_free(certificates[index])
        }
        ERR_clear_error()
    }

    @discardableResult
    private static func read(_ bytes: [UInt8], _ body: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
        unsafe bytes.withUnsafeBytes { bytes in
            guard
                let bio = unsafe BIO_new_mem_buf(
                    bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!, CInt(bytes.count))
            else { return nil }
            defer { unsafe BIO_free(bio) }
            return unsafe body(bio)
        }
    }

    private static func holds(_ bytes: [UInt8], _ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard bytes.count >= count else { return false }
        return (0...bytes.count - count).contains { start in
            unsafe bytes[start..<start + count].elementsEqual(
                UnsafeBufferPointer(start: word.utf8Start, count: count))
        }
    }

    private static func names(of certificate: OpaquePointer) -> [String] {
        guard let list = unsafe X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return [] }
        let names = OpaquePointer(list)
        defer { unsafe GENERAL_NAMES_free(names) }
        var found: [String] = []
        var index: CInt = 0
        while true {
            var bytes: UnsafePointer<UInt8>?
            var length: CInt = 0
            let kind = unsafe copenssl_alternative_name(names, index, &bytes, &length)
            if kind < 0 { return found }
            index += 1
            guard kind == GEN_DNS, let start = unsafe bytes else { continue }
            let text = unsafe UnsafeBufferPointer(start: start, count: Int(length))
            guard let name = unsafe String(validating: text, as: UTF8.self) else { continue }
            found.append(name.lowercased())
        }
    }

    /// Since 1970; 0 for what is no time.
    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        var parts = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(time, &parts) == 1 else {
            ERR_clear_error()
            return 0
        }
        return unsafe Int64(timegm(&parts))
    }
}

/// Names as certificates carry them.
enum DistinguishedName {
    /// RFC 4514: `CN=client 7,O=Shop`. Control characters and what is not ASCII are escaped.
    static func text(_ name: OpaquePointer?) -> String {
        guard let bio = unsafe BIO_new(BIO_s_mem()) else { return "" }
        defer { unsafe BIO_free(bio) }
        unsafe X509_NAME_print_ex(bio, name, 0, COPENSSL_RFC4514)
        var start: UnsafeMutablePointer<CChar>?
        let length = unsafe BIO_ctrl(bio, BIO_CTRL_INFO, 0, &start)
        guard length > 0, let start = unsafe start else { return "" }
        return unsafe start.withMemoryRebound(to: UInt8.self, capacity: length) {
            unsafe String(decoding: UnsafeBufferPointer(start: $0, count: length), as: UTF8.self)
        }
    }
}
