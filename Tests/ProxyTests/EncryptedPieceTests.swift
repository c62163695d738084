import TLS
import Testing

@testable import Proxy

@Suite("Pieces of an encrypted body")
struct EncryptedPieceTests {
    /// Type, version and length, the content type, and the tag of AES-GCM and ChaCha20-Poly1305 (RFC 8446 §5.2).
    private static let recordOverhead = 5 + 1 + 16

    @Test(
        "fit what the kernel sends at once, whatever the size of segments",
        arguments: [
            1448,  // IPv4 over Ethernet, with timestamps
            1428,  // IPv6
            8948, 8928,  // jumbo frames
            65_483,  // loopback: one segment
        ])
    func fits(segment: Int) {
        let (body, record) = (WorkerLimits.encryptedReadBytesMax, TLSTransport.recordBytesMax)
        let sent = body + (body + record - 1) / record * Self.recordOverhead
        // A packet's length has 16 bits, and the kernel keeps MAX_TCP_HEADER of it for headers.
        #expect(sent <= max(segment, (65_536 - 1 - 320) / segment * segment))
    }
}
