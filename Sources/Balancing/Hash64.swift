/// 64-bit hashing for balancing: bytes, names and connections.
///
/// None of it is keyed against an attacker who chooses the input, and none of it serves hash tables
/// filled by clients. All results are the same on every host, build and run, so that two forwarders
/// send the same connection to the same node.
@usableFromInline
package enum Hash64 {
    // Computed, not stored: code inlined into other modules gets the numbers, not a call that fetches them. The type is
    // `@usableFromInline` for the same end: without it the compiler calls `@inlinable package` members, measured.
    @inlinable static var prime1: UInt64 { 0x9E37_79B1_85EB_CA87 }
    @inlinable static var prime2: UInt64 { 0xC2B2_AE3D_27D4_EB4F }
    @inlinable static var prime3: UInt64 { 0x1656_67B1_9E37_79F9 }
    @inlinable static var prime4: UInt64 { 0x85EB_CA77_C2B2_AE63 }
    @inlinable static var prime5: UInt64 { 0x27D4_EB2F_1656_67C5 }

    /// XXH64 of `bytes` (xxHash fast digest algorithm, version 0.1.1, "XXH64 algorithm description").
    @inlinable
    package static func xxh64(_ bytes: RawSpan, seed: UInt64 = 0) -> UInt64 {
        let count = bytes.byteCount
        var offset = 0
        var hash: UInt64
        if count >= 32 {
            var lane1 = seed &+ prime1 &+ prime2
            var lane2 = seed &+ prime2
            var lane3 = seed
            var lane4 = seed &- prime1
            while offset <= count - 32 {
                lane1 = round(lane1, word(bytes, offset))
                lane2 = round(lane2, word(bytes, offset + 8))
                lane3 = round(lane3, word(bytes, offset + 16))
                lane4 = round(lane4, word(bytes, offset + 24))
                offset += 32
            }
            hash = rotated(lane1, 1) &+ rotated(lane2, 7) &+ rotated(lane3, 12) &+ rotated(lane4, 18)
            hash = merged(hash, lane1)
            hash = merged(hash, lane2)
            hash = merged(hash, lane3)
            hash = merged(hash, lane4)
        } else {
            hash = seed &+ prime5
        }
        hash &+= UInt64(count)
        while offset <= count - 8 {
            hash ^= round(0, word(bytes, offset))
            hash = rotated(hash, 27) &* prime1 &+ prime4
            offset += 8
        }
        if offset <= count - 4 {
            let half = unsafe UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
            hash ^= UInt64(half) &* prime1
            hash = rotated(hash, 23) &* prime2 &+ prime3
            offset += 4
        }
        while offset < count {
            let byte = unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
            hash ^= UInt64(byte) &* prime5
            hash = rotated(hash, 11) &* prime1
            offset += 1
        }
        hash ^= hash >> 33
        hash &*= prime2
        hash ^= hash >> 29
        hash &*= prime3
        return hash ^ (hash >> 32)
    }

    /// XXH64 of the bytes that `bytes` points at; an empty buffer may have no address.
    @inlinable
    package static func xxh64(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
        unsafe xxh64(bytes.bytes, seed: seed)
    }

    /// XXH64 of `bytes`.
    @inlinable
    package static func xxh64(_ bytes: [UInt8], seed: UInt64 = 0) -> UInt64 {
        unsafe xxh64(bytes.span.bytes, seed: seed)
    }

    /// XXH64 of the UTF-8 of a string, without normalising it: two strings that compare equal may differ here.
    @inlinable
    package static func xxh64(_ text: String.UTF8View, seed: UInt64 = 0) -> UInt64 {
        unsafe xxh64(text.span.bytes, seed: seed)
    }

    /// Every bit of the answer depends on every bit of `value`; one to one (the finaliser of SplitMix64,
    /// Steele, Lea and Flood 2014, with the constants of Stafford's "Mix13").
    @inlinable
    package static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Hash of two integers, in this order: two wide multiplications (wyhash's `wyhash64`).
    ///
    /// Cheap enough for every connection. Longer keys are chained: `combine(combine(a, b), c)`.
    @inlinable
    package static func combine(_ first: UInt64, _ second: UInt64) -> UInt64 {
        let product = (first ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: second ^ 0xE703_7ED1_A0B4_28DB)
        return folded(product.low ^ 0xA076_1D64_78BD_642F, product.high ^ 0xE703_7ED1_A0B4_28DB)
    }

    /// The 128-bit product of two words, its halves put together by exclusive or.
    @inlinable
    static func folded(_ first: UInt64, _ second: UInt64) -> UInt64 {
        let product = first.multipliedFullWidth(by: second)
        return product.high ^ product.low
    }

    @inlinable
    static func word(_ bytes: RawSpan, _ offset: Int) -> UInt64 {
        // Any bit pattern is a UInt64, and the span checks the bounds: "unsafe" only by name.
        unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    @inlinable
    static func rotated(_ value: UInt64, _ bits: UInt64) -> UInt64 {
        (value &<< bits) | (value &>> (64 &- bits))
    }

    @inlinable
    static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
        rotated(lane &+ input &* prime2, 31) &* prime1
    }

    @inlinable
    static func merged(_ hash: UInt64, _ lane: UInt64) -> UInt64 {
        (hash ^ round(0, lane)) &* prime1 &+ prime4
    }
}
