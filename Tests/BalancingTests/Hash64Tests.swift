import Balancing
import Testing

@Suite("XXH64 and the integer hashes")
struct Hash64Tests {
    static let prime32: UInt64 = 2_654_435_761

    /// The buffer that xxHash's own sanity check (`cli/xsum_sanity_check.c`) fills.
    static let sanityBuffer: [UInt8] = {
        var generator = prime32
        return (0..<512).map { _ in
            defer { generator &*= 11_400_714_785_074_694_797 }
            return UInt8(generator >> 56)
        }
    }()

    /// Lengths around every branch: bytes, half word, word, stripe. The values of 0, 1, 14 and 222 are those of
    /// `xsum_sanity_check.c`, the others come from the reference library.
    @Test(
        "the reference's vectors",
        arguments: [
            (0, 0xEF46_DB37_51D8_E999, 0xAC75_FDA2_929B_17EF), (1, 0xE934_A84A_DB05_2768, 0x5014_6076_43A9_B4C3),
            (4, 0x9136_A0DC_A574_57EE, 0xCAAB_286B_D8E9_FDB5), (7, 0x6C83_909A_9F01_ED25, 0xF98D_03B1_AD6F_9293),
            (8, 0xCDBC_F538_E71D_1348, 0xFE0C_047A_5353_CDAC), (14, 0x8282_DCC4_994E_35C8, 0xC3BD_6BF6_3DEB_6DF0),
            (31, 0x299B_39A2_90E6_D783, 0xDA67_3D5F_EB5C_1D79), (32, 0x18B2_1649_2BB4_4B70, 0xB3F3_3BDF_93AD_E409),
            (33, 0x55C8_DC3E_578F_5B59, 0xE92C_292F_64BC_3071), (63, 0xA9EF_BE0F_A0F3_F4E7, 0x6C91_1FAD_B05B_6FC2),
            (64, 0xEF55_8F8A_CAC2_B5CD, 0xB5EE_BA99_264C_C44F), (222, 0xB641_AE8C_B691_C174, 0x20CB_8AB7_AE10_C14A),
            (512, 0x4358_D2FD_D62B_58A7, 0x0DED_69C4_804C_47BA),
        ] as [(Int, UInt64, UInt64)])
    func vectors(count: Int, unseeded: UInt64, seeded: UInt64) {
        let bytes = Array(Self.sanityBuffer[..<count])
        #expect(Hash64.xxh64(bytes) == unseeded)
        #expect(Hash64.xxh64(bytes, seed: Self.prime32) == seeded)
    }

    /// Each hash is the seed of the next, from length 0 to 256; the end was computed with the reference library.
    @Test("every length from 0 to 256")
    func everyLength() {
        var hash: UInt64 = 0
        for count in 0...256 {
            hash = Hash64.xxh64(Array(Self.sanityBuffer[..<count]), seed: hash)
        }
        #expect(hash == 0x45F6_5D1A_4DBC_79D1)
    }

    @Test(
        "published hashes of text",
        arguments: [
            ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
            ("xxhash", 0x32DD_3895_2C4B_C720),
            ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
            ("The quick brown fox jumps over the lazy dog", 0x0B24_2D36_1FDA_71BC),
        ] as [(String, UInt64)])
    func text(text: String, expected: UInt64) {
        #expect(Hash64.xxh64(text.utf8) == expected)
    }

    @Test("all forms of the same bytes hash alike, at any alignment")
    func forms() {
        var shifted = Self.sanityBuffer
        for shift in 0..<8 {
            let expected = Hash64.xxh64(Array(shifted))
            shifted.withUnsafeBytes { whole in
                #expect(Hash64.xxh64(whole) == expected)
                #expect(Hash64.xxh64(whole.bytes) == expected)
                // The same content one byte further into memory each time.
                let tail = UnsafeRawBufferPointer(rebasing: whole[shift...])
                #expect(Hash64.xxh64(tail) == Hash64.xxh64(Array(tail)))
            }
            shifted.removeLast()
        }
        #expect(Hash64.xxh64(UnsafeRawBufferPointer(start: nil, count: 0)) == 0xEF46_DB37_51D8_E999)
    }

    /// SplitMix64 is `mix` over a counter; these are its published first numbers for seed 1234567.
    @Test("mix is the finaliser of SplitMix64")
    func mix() {
        let golden: UInt64 = 0x9E37_79B9_7F4A_7C15
        let numbers = (1...5).map { Hash64.mix(1_234_567 &+ golden &* UInt64($0)) }
        #expect(
            numbers == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }

    @Test("combine tells the order, and chains differ from one another")
    func combineOrder() {
        #expect(Hash64.combine(1, 2) != Hash64.combine(2, 1))
        #expect(Hash64.combine(0, 0) != 0)
        #expect(Hash64.combine(Hash64.combine(1, 2), 3) != Hash64.combine(1, Hash64.combine(2, 3)))
    }

    /// Clients on one host come with consecutive ports, hosts with consecutive addresses: both must
    /// spread over the high bits, which the Maglev lookup uses. 256 places with 256 expected each; the sum of the squared
    /// deviations has mean 255 and standard deviation 22.6, so 400 is beyond six of them.
    @Test("connections that differ little spread evenly", arguments: [0, 16, 24, 32, 48])
    func combineSpreads(shift: UInt64) {
        for second: UInt64 in [0, 0x0A00_0001_1F90, .max] {
            var places = [Int](repeating: 0, count: 256)
            for first in 0..<UInt64(65_536) {
                places[Int(Hash64.combine(first << shift, second) >> 56)] += 1
            }
            let chiSquare = places.reduce(0.0) { $0 + Double(($1 - 256) * ($1 - 256)) / 256 }
            #expect(chiSquare < 400, "second word \(second)")
        }
    }

    @Test("one bit of input turns about half of the bits of combine")
    func avalanche() {
        for bit in 0..<128 {
            var turned = 0
            for sample in 0..<UInt64(256) {
                let first = Hash64.mix(sample)
                let second = Hash64.mix(~sample)
                let other =
                    bit < 64
                    ? Hash64.combine(first ^ (1 << UInt64(bit)), second)
                    : Hash64.combine(first, second ^ (1 << UInt64(bit - 64)))
                turned += (Hash64.combine(first, second) ^ other).nonzeroBitCount
            }
            // 256 * 64 coins: mean 8192, standard deviation 64; seven of them either way.
            #expect(abs(turned - 8192) < 448, "bit \(bit): \(turned)")
        }
    }
}
