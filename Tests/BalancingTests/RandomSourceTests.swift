import Balancing
import Testing

@Suite("RandomSource")
struct RandomSourceTests {
    /// Computed with arbitrary-precision integers from wyrand's definition.
    @Test(
        "the numbers of wyrand",
        arguments: [
            (0, [0x111C_B3A7_8F59_A58E, 0xCEAB_D938_FF4E_856D, 0x61FB_5131_8F47_D2A4, 0x78BD_03C4_9190_9760]),
            (42, [0xAE4A_7CBF_DDA9_B434, 0xE9CC_09D3_3D38_D9D2, 0xCB57_5651_2B93_433A, 0xEB29_B2A1_320E_1A71]),
            (.max, [0xBA1D_C814_E82D_5D44, 0x57AC_CFE8_5FE2_9D15, 0x3AFA_6E61_6FB3_AA6F, 0x6CFB_4186_0897_62E0]),
        ] as [(UInt64, [UInt64])])
    func numbers(seed: UInt64, expected: [UInt64]) {
        var random = RandomSource(seed: seed)
        #expect(expected.indices.map { _ in random.next() } == expected)
    }

    @Test("a copy goes on with the same numbers")
    func copies() {
        var first = RandomSource(seed: 7)
        _ = first.next()
        var second = first
        #expect((0..<10).map { _ in first.next() } == (0..<10).map { _ in second.next() })
    }

    @Test("numbers stay below the bound and all of them come", arguments: [1, 2, 3, 7, 8, 100] as [UInt32])
    func bounds(bound: UInt32) {
        var random = RandomSource(seed: UInt64(bound))
        var seen = [Int](repeating: 0, count: Int(bound))
        for _ in 0..<(1000 * Int(bound)) {
            let number = random.next(below: bound)
            guard number < bound else {
                Issue.record("\(number) of \(bound)")
                return
            }
            seen[Int(number)] += 1
        }
        // Mean 1000, standard deviation below 32: seven of them either way.
        #expect(seen.allSatisfy { abs($0 - 1000) < 224 }, "\(seen)")
    }

    @Test("a bound of 0 gives 0")
    func emptyBound() {
        var random = RandomSource(seed: 1)
        #expect(random.next(below: 0) == 0)
    }
}
