import HTTPMessage
import Snapshot

/// Reads `header` and `query` of a route's `match`.
struct ConditionReader {
    enum Subject {
        case header, query
    }

    /// Names of one `header` or `query`.
    static let countMax = 32
    /// Bytes of one name or value.
    static let valueBytesMax = 4096

    private let subject: Subject
    private let compiler: SiteCompiler
    private var diagnostics: DiagnosticList { compiler.diagnostics }

    init(_ subject: Subject, _ compiler: SiteCompiler) {
        self.subject = subject
        self.compiler = compiler
    }

    func read(_ reader: SectionReader, _ key: Key<YAMLNode>) -> [ValueCondition] {
        guard let node = reader[node: key] else { return [] }
        guard case .map = node.content else {
            Field(key: key.name, diagnostics: diagnostics).refuse(node, takes: key.form.phrase)
            return []
        }
        let entries = node.uniqueEntries(diagnostics)
        guard entries.count <= ConditionReader.countMax else {
            diagnostics.error(
                node.mark, "\(key.name.quoted) has \(entries.count) conditions, more than \(ConditionReader.countMax)")
            return []
        }
        if entries.isEmpty {
            diagnostics.error(node.mark, "\(key.name.quoted) is an empty map", hint: "leave it out")
        }
        var lines: [String: Int] = [:]
        return entries.flatMap { entry -> [ValueCondition] in
            guard let name = name(entry) else { return [] }
            if let line = lines[name] {
                diagnostics.error(
                    entry.keyMark, "the field \(entry.key.quoted) is already on line \(line)",
                    hint: "field names are compared without regard to case")
                return []
            }
            lines[name] = entry.keyMark.line
            return patterns(entry).map { ValueCondition(name, $0) }
        }
    }

    /// The name as it is compared; nil after an error was reported.
    private func name(_ entry: YAMLNode.Entry) -> String? {
        guard entry.key.utf8.count <= ConditionReader.valueBytesMax else {
            diagnostics.error(
                entry.keyMark, "a name of \(entry.key.utf8.count) bytes, more than \(ConditionReader.valueBytesMax)")
            return nil
        }
        switch subject {
        case .header:
            if HTTPSyntax.isToken(entry.key) { return entry.key.lowercased() }
            diagnostics.error(
                entry.keyMark, "\(entry.key.quoted) is no field name",
                hint: entry.key.hasSuffix(":") ? "leave out the colon" : "letters, digits and \"-\", as in `X-Env`")
        case .query:
            if !entry.key.isEmpty { return entry.key }
            diagnostics.error(entry.keyMark, "a parameter without a name")
        }
        return nil
    }

    private func patterns(_ entry: YAMLNode.Entry) -> [ValuePattern] {
        let node = entry.value
        switch node.content {
        case .scalar:
            if let text = node.text {
                return check(text, "value", node.mark, isWhole: true) ? [.exact(text)] : []
            }
            let hint = "write \"\" for an empty value, or {present: true} for any"
            refuse(entry, hint: hint)
        case .list: refuse(entry, hint: "{regex: \"a|b\"} takes several values")
        case .map: return patterns(SectionReader(node, ValueKeys.section, diagnostics))
        }
        return []
    }

    private func refuse(_ entry: YAMLNode.Entry, hint: String) {
        Field(key: entry.key, diagnostics: diagnostics).refuse(
            entry.value, takes: "text, or a map such as {prefix: v}, {regex: \"v[0-9]\"} or {present: true}",
            hint: hint)
    }

    private func patterns(_ reader: SectionReader) -> [ValuePattern] {
        var patterns: [ValuePattern] = []
        if let prefix = reader.read(ValueKeys.prefix),
            check(prefix, "prefix", reader[node: ValueKeys.prefix]?.mark ?? reader.mark, isWhole: false)
        {
            patterns.append(.prefix(prefix))
        }
        if let regex = compiler.regex(reader, ValueKeys.regex) { patterns.append(.regex(regex)) }
        let isPresent = reader.read(ValueKeys.present)
        if isPresent == false {
            if reader.has(ValueKeys.prefix) || reader.has(ValueKeys.regex) {
                diagnostics.error(
                    reader.mark(of: ValueKeys.present), "what is not there has no value",
                    hint: "leave out `present`, or everything else")
            }
            return [.absent]
        }
        if isPresent == true && patterns.isEmpty { return [.present] }
        if reader.isEmpty && !reader.hasUnknown {
            diagnostics.error(reader.mark, "a condition without a key", hint: "write {present: true} for any value")
        }
        return patterns
    }

    /// Whether a value can be as written.
    private func check(_ text: String, _ what: String, _ mark: YAMLNode.Mark, isWhole: Bool) -> Bool {
        guard text.utf8.count <= ConditionReader.valueBytesMax else {
            diagnostics.error(
                mark, "a \(what) of \(text.utf8.count) bytes, more than \(ConditionReader.valueBytesMax)")
            return false
        }
        guard subject == .header else { return true }
        let isSpacedBefore = text.hasPrefix(" ") || text.hasPrefix("\t")
        let isSpacedBehind = isWhole && (text.hasSuffix(" ") || text.hasSuffix("\t"))
        guard text.utf8.allSatisfy(HTTPSyntax.isFieldValueByte), !isSpacedBefore, !isSpacedBehind else {
            diagnostics.error(
                mark, "no field value is like \(text.quoted)",
                hint: isSpacedBefore || isSpacedBehind
                    ? "white space around a value isn't part of it" : "no line breaks or control characters")
            return false
        }
        return true
    }
}
