import Testing

@testable import Balancing

@Suite("SipHash-2-4")
struct SipHashTests {
    @Test("vectors of the authors: key 00…0f, input 00…(n - 1)")
    func vectors() {
        let hash = SipHash(key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908)
        let expected: [(Int, UInt64)] = [
            (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (2, 0x0d6c_8009_d9a9_4f5a),
            (3, 0x8567_6696_d7fb_7e2d), (4, 0xcf27_94e0_2771_87b7), (7, 0xab02_00f5_8b01_d137),
            (15, 0xa129_ca61_49be_45e5),
        ]
        for (count, value) in expected { #expect(hash.hash((0..<count).map { UInt8($0) }) == value, "\(count) bytes") }
    }
}

@Suite("Values of session cookies")
struct StickyTableTests {
    private func table(_ count: Int, pool: String = "app", key: String = "k") -> StickyTable {
        StickyTable(pool: pool, endpoints: (0..<count).map { ("10.0.0.\($0):80", UInt32($0 * 3)) }, key: key)
    }

    private func number(_ table: StickyTable, of text: [UInt8]) -> UInt32? { table.lookup.number(of: text.span) }

    private func text(_ value: UInt64) -> [UInt8] {
        let digits = String(value, radix: 16)
        return Array((String(repeating: "0", count: 16 - digits.count) + digits).utf8)
    }

    @Test("every endpoint's value leads back to it", arguments: [1, 2, 3, 500])
    func roundTrip(count: Int) throws {
        let table = table(count)
        var values: Set<UInt64> = []
        for index in 0..<count {
            let value = try #require(table.lookup.value(of: UInt32(index * 3)))
            values.insert(value)
            #expect(number(table, of: text(value)) == UInt32(index * 3))
        }
        #expect(values.count == count)
        #expect(table.lookup.value(of: 1) == nil)
    }

    @Test("the same at every node whatever the numbers are; others with another pool or key")
    func identity() {
        let numbered = StickyTable(pool: "app", endpoints: [("10.0.0.1:80", 77), ("10.0.0.0:80", 5)], key: "k")
        let (table, api, other) = (table(2), table(2, pool: "api"), table(2, key: "other"))
        withExtendedLifetime((table, api, other, numbered)) {
            let value = table.lookup.value(of: 3)
            #expect(value != nil && value == numbered.lookup.value(of: 77))
            #expect(value != api.lookup.value(of: 3))
            #expect(value != other.lookup.value(of: 3))
        }
    }

    @Test(
        "any other text stands for nothing",
        arguments: ["", "0", "0123456789abcdef", "0123456789abcdeg", "0123456789ABCDEF", "0123456789abcdef0"])
    func others(text: String) { #expect(number(table(10), of: Array(text.utf8)) == nil) }

    @Test("one digit changed, or upper case: nothing")
    func changed() throws {
        let table = table(10)
        let value = try #require(table.lookup.value(of: 6))
        #expect(number(table, of: text(value ^ 1)) == nil)
        #expect(number(table, of: Array(text(value).dropLast())) == nil)
    }
}
