import Snapshot

/// Reads the files of error pages.
final class PageFiles {
    /// All pages of one site; they travel to every node.
    static let totalBytesMax = 1024 * 1024

    private let files: NamedFiles
    private var totalBytes = 0
    private var known: [String: [UInt8]] = [:]

    init(_ files: NamedFiles) { self.files = files }

    func read(_ path: String) -> Result<[UInt8], NamedFiles.Problem> {
        if let body = known[path] { return .success(body) }
        let read = files.read(
            path, bytesMax: RouteAnswer.bodyBytesMax, tooLong: "larger content is for an endpoint to serve")
        guard case .success(let body) = read else { return read }
        guard totalBytes + body.count <= PageFiles.totalBytesMax else {
            return .failure(
                NamedFiles.Problem(
                    message: "the pages of the site have more than \(Form<Int>.render(bytes: PageFiles.totalBytesMax))",
                    hint: nil))
        }
        totalBytes += body.count
        known[path] = body
        return .success(body)
    }
}
