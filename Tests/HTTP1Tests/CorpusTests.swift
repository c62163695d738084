import Foundation
import Testing

/// `Tests/Corpus/http1`: seeds of the fuzzer and every input that ever broke a parser.
@Suite("Corpus of the HTTP/1 fuzzer")
struct CorpusTests {
    private static func names(_ folder: String) -> [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
        return (names ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    private static var root: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Corpus/http1")
    }

    private static func content(_ folder: String, _ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: root.appending(path: folder).appending(path: name)))
    }

    @Test("is there", arguments: ["request", "response", "chunked"])
    func isThere(folder: String) {
        #expect(Self.names(folder).count >= 10)
    }

    @Test("requests hold the invariants", arguments: names("request"))
    func request(name: String) throws {
        #expect(HeadInvariants.requestFault(try Self.content("request", name)) == nil)
    }

    @Test("responses hold the invariants", arguments: names("response"))
    func response(name: String) throws {
        #expect(HeadInvariants.responseFault(try Self.content("response", name)) == nil)
    }

    @Test("chunked bodies hold the invariants", arguments: names("chunked"))
    func chunked(name: String) throws {
        #expect(ChunkedRun.fault(try Self.content("chunked", name)) == nil)
    }
}
