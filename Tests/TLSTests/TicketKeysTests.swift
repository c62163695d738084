import Testing

@testable import TLS

@Suite("Keys of session tickets")
struct TicketKeysTests {
    @Test("after a rotation the key in use is the one before, and the next one is in use")
    func rotation() {
        let keys = TicketKeys.random()
        let rotated = keys.rotated()
        let size = TicketKeys.keyBytes
        #expect(rotated.bytes.prefix(2 * size) == keys.bytes.suffix(2 * size))
        #expect(rotated.bytes.suffix(size) != keys.bytes.suffix(size))
        #expect(rotated.bytes.count == keys.bytes.count)
    }

    @Test("another number of bytes is refused", arguments: [(-1, false), (0, true), (1, false)])
    func size(more: Int, isGood: Bool) {
        let count = TicketKeys.count * TicketKeys.keyBytes + more
        #expect((TicketKeys(bytes: [UInt8](repeating: 0, count: count)) != nil) == isGood)
    }
}
