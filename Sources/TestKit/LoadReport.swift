/// What happened to the requests of a load.
package struct LoadReport: Sendable, CustomStringConvertible {
    /// Requests answered with 200 and the whole expected body.
    package var completed = 0
    /// Requests that failed, by reason.
    package var failures: [String: Int] = [:]
    /// Connections that the other side closed cleanly between two requests, as HTTP allows it to.
    package var cleanCloses = 0
    /// Connections opened.
    package var connections = 0
    /// The slowest answer.
    package var slowest: Duration = .zero

    package var failed: Int { failures.values.reduce(0, +) }

    package var description: String {
        let reasons = failures.sorted { $0.value > $1.value }.map { "\($0.value) × \($0.key)" }
        return "\(completed) completed, \(failed) failed [\(reasons.joined(separator: "; "))], "
            + "\(connections) connections, \(cleanCloses) closed cleanly, slowest \(slowest)"
    }
}
