import Foundation

/// Load by wrk: a generator that is not ours. Its counts cover every connection; they don't say which request failed.
package struct Wrk: Sendable, CustomStringConvertible {
    package let requests: Int
    /// Connect, read, write and time-out errors.
    package let socketErrors: Int
    package let otherStatuses: Int
    package let description: String

    /// A run in the background.
    package struct Run: Sendable {
        fileprivate let child: ChildProcess

        /// Waits for its end.
        ///
        /// - Throws: `TestKitError` when wrk failed or said what we can't read.
        package func finish() throws -> Wrk {
            let status = try child.waitForExit(within: .seconds(60))
            guard status == .exited(0) else { throw TestKitError("wrk: \(status): \(child.errorText)") }
            return try Wrk(child.outputText)
        }
    }

    package static func start(_ url: String, connections: Int = 16, seconds: Int = 3) throws -> Run {
        Run(
            child: try ChildProcess([
                "wrk", "--threads", "1", "--connections", String(connections), "--duration", "\(seconds)s",
                "--timeout", "5s", url,
            ]))
    }

    /// Reads wrk's report.
    init(_ text: String) throws {
        description = text
        func number(before word: String) -> Int? {
            text.split(separator: "\n").first { $0.contains(word) }
                .flatMap { $0.split(separator: " ").first.flatMap { Int($0) } }
        }
        guard let requests = number(before: "requests in") else { throw TestKitError("not a report of wrk: \(text)") }
        self.requests = requests
        let errorLine = text.split(separator: "\n").first { $0.contains("Socket errors:") } ?? ""
        socketErrors = errorLine.split { !$0.isNumber }.compactMap { Int($0) }.reduce(0, +)
        let statusLine = text.split(separator: "\n").first { $0.contains("Non-2xx") } ?? ""
        otherStatuses = statusLine.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }
}
