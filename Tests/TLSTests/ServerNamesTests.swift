import Testing

@testable import TLS

@Suite("Certificates by server name, RFC 6066 §3")
struct ServerNamesTests {
    /// What a name leads to, as indices of certificates.
    private func certificates(for name: String, among list: [(names: [String], kind: UInt8)]) -> [Int] {
        let names = ServerNames(list)
        let bytes = Array(name.utf8)
        return names.groups[names.group(for: bytes.span.bytes)]
    }

    private let site: [(names: [String], kind: UInt8)] = [
        (["standard.example"], 0), (["shop.example", "*.shop.example"], 0), (["shop.example"], 1),
        (["a.shop.example"], 1), (["shop.example"], 1), (["*.b.shop.example"], 0),
    ]

    @Test(
        "exact, then wildcard, then default",
        arguments: [
            ("shop.example", [1, 2]), ("SHOP.Example", [1, 2]), ("shop.example.", [1, 2]), ("x.shop.example", [1]),
            ("a.shop.example", [3]), ("x.y.shop.example", [0]), ("x.b.shop.example", [5]), ("b.shop.example", [1]),
            ("other.example", [0]), ("", [0]), (".", [0]), (".shop.example", [1]), ("example", [0]),
            ("standard.example", [0]), ("shop.exampl", [0]), ("shop.examplee", [0]),
        ])
    func choice(name: String, expected: [Int]) {
        #expect(certificates(for: name, among: site) == expected)
    }

    @Test("the default has its other kind of key at its side")
    func bothKinds() {
        let list: [(names: [String], kind: UInt8)] = [(["a.example"], 1), (["b.example"], 0), (["a.example"], 0)]
        #expect(certificates(for: "unknown", among: list) == [0, 2])
        #expect(certificates(for: "a.example", among: list) == [0, 2])
    }

    @Test("names beyond number are found as a linear search finds them")
    func many() {
        let list = (0..<500).map { (names: ["n\($0 % 250).example", "*.n\($0).example"], kind: UInt8($0 % 2)) }
        let names = ServerNames(list)
        for number in 0..<500 {
            let bytes = Array("x.n\(number).example".utf8)
            #expect(names.groups[names.group(for: bytes.span.bytes)] == [number])
        }
        for number in 0..<250 {
            let bytes = Array("n\(number).example".utf8)
            // 250 is even: both certificates of a name have the same kind of key.
            #expect(names.groups[names.group(for: bytes.span.bytes)] == [number])
        }
    }
}
