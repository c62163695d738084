import Foundation
import Snapshot

/// Reads the files of error pages.
final class PageFiles {
    struct Problem: Error {
        var message: String
        var hint: String?
    }
    /// All pages of one site; they travel to every node.
    static let totalBytesMax = 1024 * 1024

    /// With the slash that ends it; empty when the site file is named without a directory.
    private let directory: String
    private var totalBytes = 0
    private var known: [String: [UInt8]] = [:]

    /// - Parameter siteFile: As the caller names it; paths are relative to its directory.
    init(siteFile: String) {
        directory = siteFile.lastIndex(of: "/").map { String(siteFile[...$0]) } ?? ""
    }

    func read(_ path: String) -> Result<[UInt8], Problem> {
        let full = path.hasPrefix("/") ? path : directory + path
        if let body = known[full] { return .success(body) }
        guard FileManager.default.fileExists(atPath: full) else {
            return .failure(
                Problem(message: "there is no file \(full.quoted)", hint: "paths are relative to the site file"))
        }
        let target = URL(fileURLWithPath: full).resolvingSymlinksInPath().path
        let attributes = try? FileManager.default.attributesOfItem(atPath: target)
        // A device or a pipe might never end.
        guard attributes?[.type] as? FileAttributeType == .typeRegular else {
            return .failure(Problem(message: "\(full.quoted) is no regular file", hint: nil))
        }
        let size = (attributes?[.size] as? NSNumber)?.intValue ?? 0
        guard size <= RouteAnswer.bodyBytesMax else {
            return .failure(
                Problem(
                    message: "the file \(full.quoted) has \(size) bytes, more than \(RouteAnswer.bodyBytesMax)",
                    hint: "larger content is for an endpoint to serve"))
        }
        guard let data = FileManager.default.contents(atPath: full), data.count <= RouteAnswer.bodyBytesMax else {
            return .failure(
                Problem(message: "cannot read \(full.quoted)", hint: "the control plane reads it: check its rights"))
        }
        guard totalBytes + data.count <= PageFiles.totalBytesMax else {
            return .failure(
                Problem(
                    message: "the pages of the site have more than \(Form<Int>.render(bytes: PageFiles.totalBytesMax))",
                    hint: nil))
        }
        totalBytes += data.count
        known[full] = Array(data)
        return .success(Array(data))
    }
}
