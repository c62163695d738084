import HTTPMessage
import Snapshot

/// Reads `request` and `response` of a route.
struct HeaderRuleReader {
    enum Message {
        case request, response
    }

    /// Bytes of one value before its variables are filled in: a head holds 32 KiB by default.
    static let valueBytesMax = 4096

    private let message: Message
    private let diagnostics: DiagnosticList

    init(_ message: Message, _ diagnostics: DiagnosticList) {
        self.message = message
        self.diagnostics = diagnostics
    }

    func read(_ reader: SectionReader) -> HeaderRules {
        var rules = HeaderRules()
        if let node = reader[node: HeaderKeys.set] { rules.set = lines(node, HeaderKeys.set) }
        if let node = reader[node: HeaderKeys.add] {
            for entry in entries(node, HeaderKeys.add) {
                if isHost(entry.key) {
                    diagnostics.error(entry.keyMark, "a request has one `Host`: it cannot be added", hint: "use `set`")
                    continue
                }
                let nodes: [YAMLNode] = if case .list(let list) = entry.value.content { list } else { [entry.value] }
                if nodes.isEmpty {
                    diagnostics.error(
                        entry.value.mark, "\(entry.key.quoted) is an empty list", hint: "list at least one value")
                }
                for node in nodes {
                    if let value = value(node, of: entry.key) {
                        rules.add.append(HeaderRule(name: entry.key, value: value))
                    }
                }
            }
        }
        rules.remove = removals(reader)
        return rules
    }

    /// A map from field names to values.
    func lines(_ node: YAMLNode, _ key: Key<YAMLNode>) -> [HeaderRule] {
        entries(node, key).compactMap { entry in
            value(entry.value, of: entry.key).map { HeaderRule(name: entry.key, value: $0) }
        }
    }

    /// A map from field names to values without variables.
    func constants(_ node: YAMLNode, _ key: Key<YAMLNode>) -> [(name: String, value: String)] {
        entries(node, key).compactMap { entry in text(entry.value, of: entry.key).map { (entry.key, $0) } }
    }

    private func removals(_ reader: SectionReader) -> [String] {
        guard let node = reader[node: HeaderKeys.remove], reader.read(HeaderKeys.remove) != nil else { return [] }
        let nodes: [YAMLNode] = if case .list(let list) = node.content { list } else { [node] }
        var names: [String] = []
        for node in nodes {
            guard let name = node.text, checkName(name, node.mark) else { continue }
            if isHost(name) {
                diagnostics.error(
                    node.mark, "a request needs its `Host`: it cannot be removed", hint: "use `set` to change it")
            } else if names.contains(name.lowercased()) {
                diagnostics.warning(node.mark, "\(name.quoted) is listed twice")
            } else {
                names.append(name.lowercased())
            }
        }
        return names
    }

    /// Entries with an allowed name, each name once whatever its case (RFC 9110 §5.1).
    private func entries(_ node: YAMLNode, _ key: Key<YAMLNode>) -> [YAMLNode.Entry] {
        guard case .map = node.content else {
            if node.isNull { return [] }
            Field(key: key.name, diagnostics: diagnostics).refuse(
                node, takes: key.form.phrase, hint: "as in `\(key.name): {X-Env: prod}`")
            return []
        }
        var lines: [String: Int] = [:]
        return node.uniqueEntries(diagnostics).filter { entry in
            guard checkName(entry.key, entry.keyMark) else { return false }
            if let line = lines[entry.key.lowercased()] {
                diagnostics.error(
                    entry.keyMark, "the field \(entry.key.quoted) is already on line \(line)",
                    hint: "field names are compared without regard to case")
                return false
            }
            lines[entry.key.lowercased()] = entry.keyMark.line
            return true
        }
    }

    private func checkName(_ name: String, _ mark: YAMLNode.Mark) -> Bool {
        guard HTTPSyntax.isToken(name) else {
            diagnostics.error(
                mark, "\(name.quoted) is no field name",
                hint: name.hasSuffix(":") ? "leave out the colon" : "letters, digits and \"-\", as in `X-Env`")
            return false
        }
        guard !HTTPSyntax.framingFieldNames.contains(name.lowercased()) else {
            diagnostics.error(
                mark, "the field \(name.quoted) frames the message: a rule cannot change it",
                hint: "the proxy sets it for each connection (RFC 9110 §7.6.1)")
            return false
        }
        return true
    }

    private func isHost(_ name: String) -> Bool { message == .request && name.lowercased() == "host" }

    /// - Returns: nil after an error was reported.
    private func value(_ node: YAMLNode, of name: String) -> [ValuePart]? {
        guard let text = text(node, of: name) else { return nil }
        return TemplateReader(hasResponse: message == .response, diagnostics: diagnostics).read(text, node.mark)
    }

    /// - Returns: nil after an error was reported.
    private func text(_ node: YAMLNode, of name: String) -> String? {
        guard let text = node.text else {
            Field(key: name, diagnostics: diagnostics).refuse(
                node, takes: "text or a number", hint: node.isNull ? "write \"\" for an empty value" : nil)
            return nil
        }
        guard text.utf8.count <= HeaderRuleReader.valueBytesMax else {
            diagnostics.error(
                node.mark,
                "the value of \(name.quoted) has \(text.utf8.count) bytes, more than \(HeaderRuleReader.valueBytesMax)")
            return nil
        }
        guard HTTPSyntax.isFieldValue(text) else {
            let isSpaced = text.hasPrefix(" ") || text.hasSuffix(" ") || text.hasPrefix("\t") || text.hasSuffix("\t")
            let hint =
                isSpaced && !text.utf8.contains(0x0a)
                ? "no white space at either end" : "no line breaks or control characters"
            diagnostics.error(node.mark, "\(text.quoted) is no field value", hint: hint)
            return nil
        }
        return text
    }
}
