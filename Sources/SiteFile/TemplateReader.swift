import HTTPMessage
import Snapshot

/// Reads text with variables: `{name}` is one, `{{` a brace; a closing brace alone stands for itself.
struct TemplateReader {
    /// Whether the response's variables are known where the text is used.
    let hasResponse: Bool
    let diagnostics: DiagnosticList

    private var known: [Variable] { Variable.allCases.filter { hasResponse || $0.isOfRequest } }
    private static var fieldPrefix: String { "header." }

    /// - Returns: nil after an error was reported.
    func read(_ text: String, _ mark: YAMLNode.Mark) -> [ValuePart]? {
        var parts: [ValuePart] = []
        var literal = ""
        var rest = text[...]
        while let brace = rest.firstIndex(of: "{") {
            literal += rest[..<brace]
            rest = rest[rest.index(after: brace)...]
            if rest.hasPrefix("{") {
                literal += "{"
                rest = rest.dropFirst()
                continue
            }
            guard let close = rest.firstIndex(of: "}") else {
                diagnostics.error(mark, "the brace in \(text.quoted) is not closed", hint: "write `{{` for a brace")
                return nil
            }
            guard let part = variable(String(rest[..<close]), mark) else { return nil }
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal = ""
            parts.append(part)
            rest = rest[rest.index(after: close)...]
        }
        literal += rest
        if !literal.isEmpty { parts.append(.literal(literal)) }
        return parts
    }

    private func variable(_ name: String, _ mark: YAMLNode.Mark) -> ValuePart? {
        if name.hasPrefix(Self.fieldPrefix) {
            let field = String(name.dropFirst(Self.fieldPrefix.count))
            if HTTPSyntax.isToken(field) { return .field(field.lowercased()) }
            diagnostics.error(
                mark, "\(field.quoted) is no field name", hint: "as in `{header.User-Agent}`")
            return nil
        }
        if let variable = known.first(where: { $0.name == name }) { return .variable(variable) }
        guard !Variable.allCases.contains(where: { $0.name == name }) else {
            diagnostics.error(
                mark, "{\(name)} is not known before there is a response", hint: "it stands in `response` only")
            return nil
        }
        let names = known.map(\.name)
        diagnostics.error(
            mark, "no variable named \(name.quoted)",
            hint: Suggestion.hint(for: name, among: names)
                ?? "there are \(names.map { "{\($0)}" }.joined(separator: ", ")) and {header.NAME}; `{{` stands for a brace"
        )
        return nil
    }
}
