import Foundation
import Snapshot
import Testing

@testable import SiteFile

@Suite("deploy/examples")
struct ExamplesTests {
    static let folder = repositoryPath("deploy/examples")
    static let names: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".yaml") }.sorted()

    @Test("every example compiles without errors and warnings, on its own and from the wire", arguments: names)
    func compiles(name: String) throws {
        let text = try String(contentsOfFile: "\(ExamplesTests.folder)/\(name)", encoding: .utf8)
        let site = try compile(text, file: "\(ExamplesTests.folder)/\(name)")
        #expect(site.warnings.map(\.description) == [])
        #expect(try Snapshot(encoded: site.snapshot.encoded()) == site.snapshot)
    }

    @Test("every example says at its head what it shows", arguments: names)
    func explains(name: String) throws {
        let text = try String(contentsOfFile: "\(ExamplesTests.folder)/\(name)", encoding: .utf8)
        #expect(text.hasPrefix("# "))
    }

    @Test("the folder was found")
    func enumerated() {
        #expect(
            Set(ExamplesTests.names).isSuperset(of: [
                "quickstart.yaml", "smallest.yaml", "tcp-relay.yaml", "two-hosts.yaml",
            ]))
    }
}
