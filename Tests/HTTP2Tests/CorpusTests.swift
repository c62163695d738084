import Foundation
import Testing

/// `Tests/Corpus/http2`: seeds of the fuzzer and every input that ever broke a session.
@Suite("Corpus of the HTTP/2 fuzzer")
struct CorpusTests {
    private static var folder: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Corpus/http2/session")
    }

    private static var names: [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
        return (names ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    @Test("is there")
    func isThere() { #expect(Self.names.count >= 10) }

    @Test("inputs hold the invariants", arguments: names)
    func input(name: String) throws {
        let bytes = [UInt8](try Data(contentsOf: Self.folder.appending(path: name)))
        #expect(SessionInvariants.fault(bytes) == nil)
    }
}
