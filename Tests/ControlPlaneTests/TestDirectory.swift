import Foundation

/// A directory that goes with the value. Its path is short: sockets are made in it.
final class TestDirectory: Sendable {
    let root: String

    init() throws {
        var template = Array("/tmp/sluice-control-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CocoaError(.fileWriteUnknown) }
        root = String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func path(_ name: String) -> String { "\(root)/\(name)" }
}

/// A condition did not come true in time.
struct TimedOut: Error, CustomStringConvertible {
    let description: String
}

/// Waits until the condition holds; looks every 2 ms.
///
/// - Throws: `TimedOut` at the deadline, and what the condition throws.
func eventually(
    _ what: String, within deadline: Duration = .seconds(30), _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + deadline
    while try await !condition() {
        guard ContinuousClock.now < end else { throw TimedOut(description: "not in \(deadline): \(what)") }
        try await Task.sleep(for: .milliseconds(2))
    }
}
