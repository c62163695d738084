import Foundation

/// Files that a site file names: error pages, certificates, keys.
struct NamedFiles {
    struct Problem: Error {
        var message: String
        var hint: String?
    }

    /// With the slash that ends it; empty when the site file is named without a directory.
    private let directory: String

    /// - Parameter siteFile: As the caller names it; paths are relative to its directory.
    init(siteFile: String) {
        directory = siteFile.lastIndex(of: "/").map { String(siteFile[...$0]) } ?? ""
    }

    /// - Parameter tooLong: The hint for a file with more than `bytesMax`.
    func read(_ path: String, bytesMax: Int, tooLong: String) -> Result<[UInt8], Problem> {
        let full = path.hasPrefix("/") ? path : directory + path
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
        guard size <= bytesMax else {
            return .failure(
                Problem(message: "the file \(full.quoted) has \(size) bytes, more than \(bytesMax)", hint: tooLong))
        }
        guard let data = FileManager.default.contents(atPath: full), data.count <= bytesMax else {
            return .failure(
                Problem(message: "cannot read \(full.quoted)", hint: "the control plane reads it: check its rights"))
        }
        return .success(Array(data))
    }
}
