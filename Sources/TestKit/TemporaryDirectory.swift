package import Foundation

/// A directory of its own under `/tmp`, removed with the value.
///
/// The path is short on purpose: Unix socket paths end at 107 bytes.
package final class TemporaryDirectory: Sendable {
    package let path: String

    /// - Throws: `SystemCallError` when the directory cannot be made.
    package init() throws {
        var template = Array("/tmp/sluice-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemCallError(call: "mkdtemp", errno: errno) }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of `name` inside the directory.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes `text` to `name`, making the folders between; answers the path.
    @discardableResult
    package func write(_ text: String, to name: String) throws -> String {
        try write(Data(text.utf8), to: name)
    }

    /// Writes `bytes` to `name`, making the folders between; answers the path.
    @discardableResult
    package func write(_ bytes: Data, to name: String) throws -> String {
        let target = URL(fileURLWithPath: file(name))
        try FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try bytes.write(to: target)
        return target.path
    }

    /// Removes `name` when it is there.
    package func remove(_ name: String) {
        try? FileManager.default.removeItem(atPath: file(name))
    }
}
