/// Reads one map against the keys that are declared for it. Unknown and duplicate keys are reported at once;
/// a value is read when it is asked for.
struct SectionReader {
    let diagnostics: DiagnosticList
    let mark: YAMLNode.Mark
    /// Was no map, which is reported: what is missing in it is not reported again.
    let isBroken: Bool
    private let section: Section
    private var values: [String: YAMLNode.Entry] = [:]
    /// A key was unknown, which is reported: it may be what is missing.
    private(set) var hasUnknown = false
    /// Keys that an unknown one was probably meant to be: they are not missing as well.
    private var meant: Set<String> = []

    /// - Parameter node: A map; anything else counts as an empty one (its form has reported it).
    init(_ node: YAMLNode, _ section: Section, _ diagnostics: DiagnosticList, isBroken: Bool = false) {
        self.diagnostics = diagnostics
        self.section = section
        self.isBroken = isBroken
        mark = node.mark
        for entry in node.uniqueEntries(diagnostics) {
            if section.keyNames.contains(entry.key) {
                values[entry.key] = entry
            } else {
                reportUnknown(entry)
            }
        }
    }

    /// The value of a key as it stands in the file.
    subscript(node key: some KeyProtocol) -> YAMLNode? { values[key.name]?.value }

    /// Where the key stands; where the map stands when it doesn't.
    func mark(of key: some KeyProtocol) -> YAMLNode.Mark { values[key.name]?.keyMark ?? mark }

    func has(_ key: some KeyProtocol) -> Bool { values[key.name] != nil }

    /// No key of the section is there.
    var isEmpty: Bool { values.isEmpty }

    /// - Returns: nil when the key is absent, or after an error was reported.
    func read<Value>(_ key: Key<Value>) -> Value? {
        guard let node = values[key.name]?.value else { return nil }
        return key.form.read(node, Field(key: key.name, diagnostics: diagnostics))
    }

    /// Leaves the default in place when the key is absent or wrong.
    func read<Value>(_ key: Key<Value>, into target: inout Value) {
        if let value = read(key) { target = value }
    }

    /// Reports an absent key.
    func require<Value>(_ key: Key<Value>, hint: String) -> Value? {
        guard has(key) else {
            if !isBroken && !meant.contains(key.name) {
                diagnostics.error(mark, "\(key.name.quoted) is missing", hint: hint)
            }
            return nil
        }
        return read(key)
    }

    /// The map under a key, read against its own keys; nil when the key is absent or wrong.
    func open(_ key: Key<YAMLNode>) -> SectionReader? {
        guard let nested = key.form.nested, let node = read(key) else { return nil }
        return SectionReader(node, nested, diagnostics)
    }

    private mutating func reportUnknown(_ entry: YAMLNode.Entry) {
        hasUnknown = true
        let hint: String
        if section.later.contains(entry.key) {
            hint = "\(entry.key.quoted) is not in this version"
        } else if let nearest = Suggestion.nearest(to: entry.key, among: section.keyNames) {
            meant.insert(nearest)
            hint = "did you mean \(nearest.quoted)?"
        } else {
            hint = "the keys allowed here: \(section.keyNames.joined(separator: ", "))"
        }
        diagnostics.error(entry.keyMark, "unknown key \(entry.key.quoted)", hint: hint)
    }
}

/// A key of any value type.
protocol KeyProtocol {
    var name: String { get }
}

extension Key: KeyProtocol {}

extension YAMLNode {
    /// Entries of a map, in file order, each key once; a repeated one is reported. Anything else has none.
    func uniqueEntries(_ diagnostics: DiagnosticList) -> [Entry] {
        guard case .map(let entries) = content else { return [] }
        var firstLines: [String: Int] = [:]
        var unique: [Entry] = []
        for entry in entries where !entry.isMerged {
            if let line = firstLines[entry.key] {
                diagnostics.error(
                    entry.keyMark, "the key \(entry.key.quoted) is already on line \(line)", hint: "keep one of the two"
                )
            } else {
                firstLines[entry.key] = entry.keyMark.line
                unique.append(entry)
            }
        }
        for entry in entries where entry.isMerged && firstLines[entry.key] == nil {
            firstLines[entry.key] = entry.keyMark.line
            unique.append(entry)
        }
        return unique
    }
}
