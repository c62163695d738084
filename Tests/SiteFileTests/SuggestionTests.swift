import Testing

@testable import SiteFile

@Suite("Nearest known names")
struct SuggestionTests {
    @Test(
        "a slip finds its name",
        arguments: [
            ("listners", "listeners"), ("adress", "address"), ("tiemout", "timeout"), ("Pools", "pools"),
            ("route", "routes"), ("hedaers", "headers"),
        ])
    func slips(written: String, meant: String) {
        let known = ["listeners", "address", "timeout", "pools", "routes", "headers"]
        #expect(Suggestion.nearest(to: written, among: known) == meant)
    }

    @Test("another word finds nothing", arguments: ["upstream", "x", "", "backend"])
    func otherWords(written: String) {
        #expect(Suggestion.nearest(to: written, among: ["listeners", "pools", "routes"]) == nil)
    }

    @Test("the distance agrees with the recursive definition on all short words")
    func naive() {
        func naive(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Int {
            guard let x = a.last, let y = b.last else { return max(a.count, b.count) }
            var best = min(
                naive(a.dropLast(), b) + 1, naive(a, b.dropLast()) + 1,
                naive(a.dropLast(), b.dropLast()) + (x == y ? 0 : 1))
            if a.count > 1, b.count > 1, x == b.dropLast().last, y == a.dropLast().last {
                best = min(best, naive(a.dropLast(2), b.dropLast(2)) + 1)
            }
            return best
        }
        let letters: [UInt8] = [0x61, 0x62, 0x63]
        var words: [[UInt8]] = [[]]
        for _ in 0..<4 { words += words.flatMap { word in letters.map { word + [$0] } } }
        let distinct = Array(Set(words))
        for a in distinct where a.count <= 3 {
            for b in distinct where b.count <= 4 { #expect(Suggestion.editDistance(a, b) == naive(a[...], b[...])) }
        }
    }
}
