import Snapshot
import Testing

@testable import SiteFile

@Suite("Bounds of a site file")
struct BoundsTests {
    static let smallest = """
        listeners: {web: {address: ":8080"}}
        routes: [{to: app}]
        pools: {app: {endpoints: ["127.0.0.1:9001"]}}

        """

    @Test(
        "nesting of any depth and kind is an error, not a crash",
        arguments: [40, 900, 1100, 100_000], ["[", "{a: ", "- ", "? "])
    func nesting(depth: Int, opening: String) {
        let found = diagnostics(
            of: "site:\n  " + String(repeating: opening, count: depth) + "\n" + BoundsTests.smallest)
        #expect(found.contains { $0.severity == .error })
    }

    @Test("closed brackets beyond the limit name the place")
    func nestingPlace() {
        let text = "site: " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900) + "\n"
        let found = diagnostics(of: text + BoundsTests.smallest)
        #expect(found.map(\.message) == ["nested more than 32 levels deep"])
        #expect(found.first?.location.line == 1)
    }

    @Test("aliases that stand for billions of values are refused")
    func aliasBomb() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...20 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
                + "]\n"
        }
        let found = diagnostics(of: text + BoundsTests.smallest)
        #expect(found.contains { $0.message == "the file holds more than 1000000 values" })
    }

    @Test("a file of exactly the largest size is read, one byte more is not")
    func size() {
        let padding = SourceText.bytesMax - BoundsTests.smallest.utf8.count
        let largest = BoundsTests.smallest + "#" + String(repeating: "x", count: padding - 2) + "\n"
        #expect(largest.utf8.count == SourceText.bytesMax)
        #expect(diagnostics(of: largest).isEmpty)
        let found = diagnostics(of: largest + "\n")
        #expect(found.map(\.message) == ["the file has 4194305 bytes: more than 4MiB"])
    }

    @Test("more duplicate keys than can be sorted out still end with an error")
    func manyDuplicates() {
        let text = String(repeating: "site: shop\n", count: YAMLReader.duplicatesMax + 10) + BoundsTests.smallest
        let found = diagnostics(of: text)
        #expect(found.map(\.severity) == [.error])
    }

    @Test("bytes that are no UTF-8 are an error at the first of them")
    func encoding() {
        let bytes = Array("site: é\nx: ".utf8) + [0xff, 0xfe] + Array("\n".utf8)
        #expect {
            try SiteFile.compile(bytes: bytes, file: "site.yaml", revision: 1, resolver: FixedResolver())
        } throws: { error in
            "\(error)".hasPrefix("site.yaml:2:4: error: the file is not UTF-8 text")
        }
    }

    @Test("a byte order mark and Windows line ends are read")
    func byteOrderMark() {
        let text =
            "\u{feff}" + BoundsTests.smallest.split(separator: "\n").joined(separator: "\r\n") + "\r\nsites: x\r\n"
        #expect(diagnostics(of: text).map(\.description.firstLine) == ["site.yaml:4:1: error: unknown key \"sites\""])
    }

    @Test("duplicates after a Windows line end keep their place")
    func duplicatesWithWindowsLineEnds() {
        let text = BoundsTests.smallest.split(separator: "\n").joined(separator: "\r\n") + "\r\nsite: a\r\nsite: b\r\n"
        #expect(
            diagnostics(of: text).map(\.description.firstLine) == [
                "site.yaml:5:1: error: the key \"site\" is already on line 4"
            ])
    }

    @Test("ten thousand routes compile")
    func manyRoutes() throws {
        var text = "listeners: {web: {address: \":8080\"}}\nroutes:\n"
        for index in 0..<10_000 {
            text += "  - {match: {host: h\(index).shop.example, path: {prefix: /p\(index)/}}, to: app}\n"
        }
        text += "pools: {app: {endpoints: [\"127.0.0.1:9001\"]}}\n"
        #expect(try compile(text).snapshot.routes.count == 10_000)
    }
}

extension String {
    var firstLine: String { String(prefix { $0 != "\n" }) }
}
