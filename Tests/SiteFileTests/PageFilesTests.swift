import Foundation
import Snapshot
import Testing

@testable import SiteFile

@Suite("Files of error pages")
struct PageFilesTests {
    /// A directory with a site file and pages of the given sizes, named by their size.
    private func withPages(_ sizes: [Int], _ body: (String) throws -> Void) throws {
        let directory = NSTemporaryDirectory() + "sluice-pages-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for size in sizes {
            _ = FileManager.default.createFile(
                atPath: "\(directory)/\(size)", contents: Data(repeating: 0x61, count: size))
        }
        try body(directory)
    }

    @Test("a page has 32 KiB at most", arguments: [(32 * 1024 - 1, true), (32 * 1024, true), (32 * 1024 + 1, false)])
    func size(count: Int, isGood: Bool) throws {
        try withPages([count]) { directory in
            let pages = PageFiles(NamedFiles(siteFile: "\(directory)/site.yaml"))
            let body = try? pages.read("\(count)").get()
            #expect(body?.count == (isGood ? count : nil))
            #expect((try? pages.read("\(directory)/\(count)").get()) == body)
        }
    }

    @Test("a directory, a device and a missing file are none")
    func kinds() throws {
        try withPages([]) { directory in
            let pages = PageFiles(NamedFiles(siteFile: "\(directory)/site.yaml"))
            for path in [".", directory, "/dev/zero", "missing", "../missing"] {
                #expect(throws: NamedFiles.Problem.self, "\(path)") { try pages.read(path).get() }
            }
        }
    }

    @Test("all pages of a site have 1 MiB at most; one that is named twice counts once")
    func total() throws {
        try withPages([32 * 1024, 1]) { directory in
            let pages = PageFiles(NamedFiles(siteFile: "\(directory)/site.yaml"))
            for index in 0..<32 {
                let copy = "\(directory)/copy-\(index)"
                try FileManager.default.copyItem(atPath: "\(directory)/\(32 * 1024)", toPath: copy)
                #expect(try pages.read("copy-\(index)").get().count == 32 * 1024)
                #expect(try pages.read("copy-\(index)").get().count == 32 * 1024)
            }
            #expect(throws: NamedFiles.Problem.self) { try pages.read("1").get() }
        }
    }

    @Test("ids that are filled in count", arguments: [(0, true), (1, false)])
    func filledIn(excess: Int, isGood: Bool) {
        let ids = String(repeating: "{request_id}", count: 4)
        let rest = String(repeating: "a", count: 32 * 1024 - 4 * 128 + excess)
        let text = """
            listeners: {web: {address: ":8080"}}
            errors: {404: {body: "\(ids)\(rest)"}}
            routes: [{to: app}]
            pools: {app: {endpoints: ["127.0.0.1:9001"]}}
            """
        #expect(diagnostics(of: text).isEmpty == isGood)
    }
}
