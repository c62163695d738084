/// SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a hash that can't be computed, nor its
/// input found by trying, without the key.
package struct SipHash: Sendable {
    private let key0: UInt64
    private let key1: UInt64

    package init(key0: UInt64, key1: UInt64) {
        self.key0 = key0
        self.key1 = key1
    }

    /// A key made of a text; the same text gives the same key everywhere.
    package init(keyText: String) {
        self.init(key0: Hash64.xxh64(keyText.utf8, seed: 0), key1: Hash64.xxh64(keyText.utf8, seed: 1))
    }

    package func hash(_ bytes: [UInt8]) -> UInt64 {
        var v0 = key0 ^ 0x736f_6d65_7073_6575
        var v1 = key1 ^ 0x646f_7261_6e64_6f6d
        var v2 = key0 ^ 0x6c79_6765_6e65_7261
        var v3 = key1 ^ 0x7465_6462_7974_6573
        func rounds(_ count: Int) {
            for _ in 0..<count {
                v0 &+= v1
                v1 = Hash64.rotated(v1, 13) ^ v0
                v0 = Hash64.rotated(v0, 32)
                v2 &+= v3
                v3 = Hash64.rotated(v3, 16) ^ v2
                v0 &+= v3
                v3 = Hash64.rotated(v3, 21) ^ v0
                v2 &+= v1
                v1 = Hash64.rotated(v1, 17) ^ v2
                v2 = Hash64.rotated(v2, 32)
            }
        }
        var word: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            word |= UInt64(byte) << UInt64(index % 8 * 8)
            guard index % 8 == 7 else { continue }
            v3 ^= word
            rounds(2)
            v0 ^= word
            word = 0
        }
        word |= UInt64(truncatingIfNeeded: bytes.count) << 56
        v3 ^= word
        rounds(2)
        v0 ^= word
        v2 ^= 0xff
        rounds(4)
        return v0 ^ v1 ^ v2 ^ v3
    }
}
