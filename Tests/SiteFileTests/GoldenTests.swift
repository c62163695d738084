import Foundation
import Testing

@testable import SiteFile

/// `Golden/*.txt`: a site file, a divider, and what is said about it. `SLUICE_UPDATE_GOLDEN=1` writes the second
/// part anew, for a reader to judge in the diff.
@Suite("Diagnostics of site files")
struct GoldenTests {
    static let folder = repositoryPath("Tests/SiteFileTests/Golden")
    static let divider = "--- diagnostics ---\n"
    static let cases: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".txt") }.sorted()

    @Test("the diagnostics are those of the golden file", arguments: cases)
    func golden(name: String) throws {
        let path = "\(GoldenTests.folder)/\(name)"
        let content = try String(contentsOfFile: path, encoding: .utf8)
        let divider = try #require(content.range(of: GoldenTests.divider), "\(name) has no divider")
        // Files that the site files name are found from the repository's root, wherever the tests were started.
        _ = FileManager.default.changeCurrentDirectoryPath(repositoryPath(""))
        let (text, expected) = (String(content[..<divider.lowerBound]), content[divider.upperBound...])
        let found = diagnostics(of: text).map { $0.description + "\n" }.joined()
        if ProcessInfo.processInfo.environment["SLUICE_UPDATE_GOLDEN"] == "1" {
            try (text + GoldenTests.divider + found).write(toFile: path, atomically: true, encoding: .utf8)
        }
        #expect(found == expected, "\(name)")
    }

    @Test("the folder was found")
    func enumerated() { #expect(GoldenTests.cases.count >= 40) }

    @Test("every diagnostic stands in file order and at a place of the file", arguments: cases)
    func places(name: String) throws {
        let content = try String(contentsOfFile: "\(GoldenTests.folder)/\(name)", encoding: .utf8)
        let text = content.components(separatedBy: GoldenTests.divider)[0]
        let lineCount = text.components(separatedBy: "\n").count
        let places = diagnostics(of: text).map { ($0.location.line, $0.location.column) }
        #expect(places.allSatisfy { (1...lineCount).contains($0.0) && $0.1 >= 1 })
        #expect(zip(places, places.dropFirst()).allSatisfy { $0 <= $1 })
    }
}
