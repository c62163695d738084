/// One finding about a site file: what is wrong, where, and what to do about it.
package struct Diagnostic: Hashable, Sendable {
    package enum Severity: String, Sendable {
        /// The file is not used.
        case error
        /// The file is used; it probably doesn't do what its author meant.
        case warning
    }
    package var severity: Severity
    package var location: SourceLocation
    package var message: String
    /// The next step: the nearest known name, the allowed values, an example.
    package var hint: String?

    package init(severity: Severity, location: SourceLocation, message: String, hint: String? = nil) {
        self.severity = severity
        self.location = location
        self.message = message
        self.hint = hint
    }
}

/// The first character of the offending token.
package struct SourceLocation: Hashable, Sendable {
    /// As the caller named it; it is never opened.
    package var file: String
    /// From 1.
    package var line: Int
    /// From 1, in Unicode scalars.
    package var column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }
}

/// Every problem of one pass, warnings among them, in file order; never empty, and at least one is an error.
package struct ConfigurationError: Error, Hashable {
    package let diagnostics: [Diagnostic]

    package init(diagnostics: [Diagnostic]) {
        precondition(diagnostics.contains { $0.severity == .error }, "a configuration error without an error")
        self.diagnostics = diagnostics
    }
}

extension SourceLocation: CustomStringConvertible {
    package var description: String { "\(file):\(line):\(column)" }
}

extension Diagnostic: CustomStringConvertible {
    /// `site.yaml:14:9: error: no pool named "api-v2"`, and the hint on a second line, indented by two.
    package var description: String {
        let head = "\(location): \(severity.rawValue): \(message)"
        return hint.map { "\(head)\n  hint: \($0)" } ?? head
    }
}

extension ConfigurationError: CustomStringConvertible {
    package var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

/// What one pass has found so far.
final class DiagnosticList {
    private let file: String
    private var found: [Diagnostic] = []
    private var seen: Set<Diagnostic> = []
    /// Errors made, repeated ones included.
    private(set) var errorCount = 0

    init(file: String) { self.file = file }

    func error(_ mark: YAMLNode.Mark, _ message: String, hint: String? = nil) {
        errorCount += 1
        append(.error, mark, message, hint)
    }

    func warning(_ mark: YAMLNode.Mark, _ message: String, hint: String? = nil) {
        append(.warning, mark, message, hint)
    }

    /// The same finding at the same place counts once: an aliased value is read wherever it is used.
    private func append(_ severity: Diagnostic.Severity, _ mark: YAMLNode.Mark, _ message: String, _ hint: String?) {
        let location = SourceLocation(file: file, line: mark.line, column: mark.column)
        let diagnostic = Diagnostic(severity: severity, location: location, message: message, hint: hint)
        if seen.insert(diagnostic).inserted { found.append(diagnostic) }
    }

    /// By line and column; findings at one place stay in the order they were made.
    var inFileOrder: [Diagnostic] {
        found.enumerated().sorted { left, right in
            let (a, b) = (left.element.location, right.element.location)
            return (a.line, a.column, left.offset) < (b.line, b.column, right.offset)
        }.map(\.element)
    }
}
