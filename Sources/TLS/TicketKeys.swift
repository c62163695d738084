import COpenSSL

/// Keys that session tickets are sealed with (RFC 5077 §4): the one before, the one in use, and the next one.
///
/// All nodes have the same, so a client that lands on another node goes on with its session. Tickets of all three are
/// opened; the next one is known everywhere a period before any node seals with it.
package struct TicketKeys: Equatable, Sendable {
    /// Name, AES-256 key and HMAC-SHA-256 key.
    package static let keyBytes = 16 + 32 + 32
    package static let count = 3
    static let current = 1

    /// `count` keys of `keyBytes` each, the oldest first.
    package let bytes: [UInt8]

    /// - Returns: nil for another number of bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == TicketKeys.count * TicketKeys.keyBytes else { return nil }
        self.bytes = bytes
    }

    /// By the system's generator.
    package static func random() -> TicketKeys {
        TicketKeys(bytes: (0..<count).flatMap { _ in randomKey() })!
    }

    /// The next one is in use now, and another one follows.
    package func rotated() -> TicketKeys {
        TicketKeys(bytes: Array(bytes.dropFirst(TicketKeys.keyBytes)) + TicketKeys.randomKey())!
    }

    private static func randomKey() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<keyBytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
}

/// The callback that seals and opens tickets.
enum TicketSeal {
    /// What OpenSSL makes of the answers: see SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
    private enum Answer {
        static let failed: CInt = -1
        static let unknown: CInt = 0
        static let good: CInt = 1
        /// Good, and another one is to be given for it.
        static let renew: CInt = 2
    }

    static func use(in context: OpaquePointer) {
        unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(context) { ssl, name, vector, cipher, mac, isSealing in
            unsafe TicketSeal.prepare(ssl, name, vector, cipher, mac, isSealing: isSealing == 1)
        }
    }

    private static func prepare(
        _ ssl: OpaquePointer?, _ name: UnsafeMutablePointer<UInt8>?, _ vector: UnsafeMutablePointer<UInt8>?,
        _ cipher: OpaquePointer?, _ mac: OpaquePointer?, isSealing: Bool
    ) -> CInt {
        guard let name = unsafe name, let vector = unsafe vector else { return Answer.failed }
        let keys = unsafe SocketBIO.call(SSL_get_rbio(ssl)).pointee.ticketKeys
        var number = TicketKeys.current
        if !isSealing {
            guard let found = unsafe find(name, keys) else { return Answer.unknown }
            number = found
        }
        let key = unsafe keys + number * TicketKeys.keyBytes
        guard unsafe copenssl_set_mac_key(mac, key + 48, 32) == 1 else { return Answer.failed }
        if isSealing {
            unsafe name.update(from: key, count: 16)
            guard unsafe RAND_bytes(vector, 16) == 1,
                unsafe EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key + 16, vector) == 1
            else { return Answer.failed }
            return Answer.good
        }
        guard unsafe EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key + 16, vector) == 1 else {
            return Answer.failed
        }
        // A client of TLS 1.3 uses a ticket once, so that nobody can tell its connections for one's (RFC 8446 §C.4).
        let isKept = unsafe number == TicketKeys.current && SSL_version(ssl) != TLS1_3_VERSION
        return isKept ? Answer.good : Answer.renew
    }

    private static func find(_ name: UnsafePointer<UInt8>, _ keys: UnsafePointer<UInt8>) -> Int? {
        let wanted = unsafe UnsafeBufferPointer(start: name, count: 16)
        return (0..<TicketKeys.count).first { number in
            unsafe wanted.elementsEqual(UnsafeBufferPointer(start: keys + number * TicketKeys.keyBytes, count: 16))
        }
    }
}
