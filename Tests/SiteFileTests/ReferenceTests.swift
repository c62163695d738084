import Foundation
import Testing

@testable import SiteFile

@Suite("The reference of the site file")
struct ReferenceTests {
    static let path = repositoryPath("deploy/REFERENCE.md")

    @Test("deploy/REFERENCE.md is what the declarations say; SLUICE_UPDATE_REFERENCE=1 writes it anew")
    func isCurrent() throws {
        if ProcessInfo.processInfo.environment["SLUICE_UPDATE_REFERENCE"] == "1" {
            try SiteFile.reference().write(toFile: ReferenceTests.path, atomically: true, encoding: .utf8)
        }
        let committed = try String(contentsOfFile: ReferenceTests.path, encoding: .utf8)
        #expect(committed == SiteFile.reference(), "run SLUICE_UPDATE_REFERENCE=1 swift test --filter ReferenceTests")
    }

    @Test("no key is declared twice in a section, and none is both built and announced for later")
    func declarations() {
        func check(_ section: Section) {
            #expect(Set(section.keyNames).count == section.keyNames.count, "\(section.path)")
            #expect(Set(section.keyNames).isDisjoint(with: section.later), "\(section.path)")
            for key in section.keys {
                #expect(!key.summary.isEmpty, "\(section.path).\(key.name)")
                if let nested = key.nested { check(nested) }
            }
        }
        check(SiteKeys.section)
    }
}
