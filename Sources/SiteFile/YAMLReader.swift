import Yams

/// Text to nodes with their places.
///
/// The library refuses a map with duplicate keys and names only one place, which would end the pass. So such a key
/// is renamed in a copy of the text, to private-use characters of the same number (places stay what they are), the
/// copy is composed again, and the name is put back in the nodes; `SectionReader` then reports the duplicates
/// like every other problem.
struct YAMLReader {
    /// A site nests about eight deep.
    static let depthMax = 32
    /// Values after aliases are expanded: a few short lines can stand for billions.
    static let nodesMax = 1_000_000
    /// Renaming rounds, each a pass over the text.
    static let duplicatesMax = 50

    private var failures: [Failure] = []
    private var source: SourceText
    private var renamed: [YAMLNode.Mark: String] = [:]
    private var nodeCount = 0

    private init(_ source: SourceText) { self.source = source }

    /// - Returns: The file's one document; nil after an error was reported.
    static func read(_ text: String, _ diagnostics: DiagnosticList) -> YAMLNode? {
        guard SourceText.checkSize(text.utf8.count, diagnostics) else { return nil }
        let source = SourceText(text)
        guard source.checkCharacters(diagnostics) else { return nil }
        let (root, failures) = DeepStack.run {
            var reader = YAMLReader(source)
            let root = reader.readRoot()
            return (root, reader.failures)
        }
        for failure in failures { diagnostics.error(failure.mark, failure.message, hint: failure.hint) }
        return root
    }

    /// - Returns: nil after a failure that ends the pass.
    private mutating func readRoot() -> YAMLNode? {
        do throws(Failure) {
            guard let root = try compose() else {
                throw Failure(.init(line: 1, column: 1), YAMLReader.emptyMessage, YAMLReader.emptyHint)
            }
            let node = try convert(root, depth: 0)
            guard !node.isNull else { throw Failure(node.mark, YAMLReader.emptyMessage, YAMLReader.emptyHint) }
            return node
        } catch {
            failures.append(error)
            return nil
        }
    }

    private static let emptyMessage = "the file is empty"
    private static let emptyHint = "the smallest site has `listeners`, `routes` and `pools`"

    /// An error at a place; thrown, it ends the pass.
    private struct Failure: Error {
        let mark: YAMLNode.Mark
        let message: String
        let hint: String?

        init(_ mark: YAMLNode.Mark, _ message: String, _ hint: String? = nil) {
            self.mark = mark
            self.message = message
            self.hint = hint
        }
    }

    private mutating func compose() throws(Failure) -> Node? {
        while true {
            do {
                // Without rules for numbers and truth values: a site file's types come from its keys.
                return try Yams.compose(yaml: source.text, .basic, .default, .utf8)
            } catch YamlError.duplicatedKeysInMapping(let names, let context) {
                let mark = YAMLNode.Mark(context.mark)
                if renamed.count < YAMLReader.duplicatesMax, let name = names.first, rename(name, at: mark) { continue }
                throw Failure(mark, "\(names.first.map { $0.quoted } ?? "a key") appears more than once in this map")
            } catch {
                throw YAMLReader.failure(error)
            }
        }
    }

    /// - Returns: Whether the text at that place is the name (an alias or an escaped key is not), now replaced.
    private mutating func rename(_ name: String, at mark: YAMLNode.Mark) -> Bool {
        guard renamed[mark] == nil, var index = source.index(of: mark) else { return false }
        if source.scalars[index] == "\"" || source.scalars[index] == "'" { index += 1 }
        let letters = Array(name.unicodeScalars)
        guard !letters.isEmpty, index + letters.count <= source.scalars.count,
            Array(source.scalars[index..<index + letters.count]) == letters
        else { return false }
        // The first character is different for every renaming; the others only keep the length.
        let privateUse: UInt32 = 0xe000
        for offset in letters.indices {
            let value = offset == 0 ? privateUse + 1 + UInt32(renamed.count) : privateUse
            source.replace(index + offset, with: Unicode.Scalar(value)!)
        }
        renamed[mark] = name
        return true
    }

    private static func failure(_ error: any Error) -> Failure {
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _):
            let detail = context.map { "\($0.text) at line \($0.mark.line), column \($0.mark.column): " } ?? ""
            return Failure(.init(mark), "not YAML: \(detail)\(problem)", hint(for: problem))
        case YamlError.composer(_, let problem, let mark, _) where problem.contains("another document"):
            return Failure(.init(mark), "a site file holds one document", "remove this `---` or split the file")
        case YamlError.composer(_, let problem, let mark, _): return Failure(.init(mark), "not YAML: \(problem)")
        default: return Failure(.init(line: 1, column: 1), "not YAML: \(error)")
        }
    }

    private static func hint(for problem: String) -> String? {
        if problem.contains("cannot start any token") {
            return "indent with spaces; quote text that begins with @, ` or %"
        }
        if problem.contains("could not find expected ':'") { return "a key is followed by a colon and a space" }
        if problem.contains("mapping values are not allowed") { return "quote text that holds a colon and a space" }
        return nil
    }

    private mutating func convert(_ node: Node, depth: Int) throws(Failure) -> YAMLNode {
        let mark = node.mark.map { YAMLNode.Mark($0) } ?? .init(line: 1, column: 1)
        nodeCount += 1
        guard nodeCount <= YAMLReader.nodesMax else {
            throw Failure(
                mark, "the file holds more than \(YAMLReader.nodesMax) values", "aliases count each time they are used")
        }
        guard depth <= YAMLReader.depthMax else {
            throw Failure(mark, "nested more than \(YAMLReader.depthMax) levels deep")
        }
        switch node {
        case .scalar(let scalar):
            checkTag(scalar.tag, mark)
            let text = renamed[mark] ?? scalar.string
            return YAMLNode(content: .scalar(text, isPlain: scalar.style == .plain), mark: mark)
        case .sequence(let sequence):
            checkTag(sequence.tag, mark)
            var list: [YAMLNode] = []
            for element in sequence { list.append(try convert(element, depth: depth + 1)) }
            return YAMLNode(content: .list(list), mark: mark)
        case .mapping(let mapping):
            checkTag(mapping.tag, mark)
            var entries: [YAMLNode.Entry] = []
            for (key, value) in mapping { try append(key, value, to: &entries, depth: depth + 1) }
            return YAMLNode(content: .map(entries), mark: mark)
        case .alias: return YAMLNode(content: .scalar("", isPlain: true), mark: mark)
        }
    }

    private mutating func append(
        _ key: Node, _ value: Node, to entries: inout [YAMLNode.Entry], depth: Int
    ) throws(Failure) {
        let keyNode = try convert(key, depth: depth)
        let valueNode = try convert(value, depth: depth)
        guard case .scalar(let name, let isPlain) = keyNode.content else {
            failures.append(Failure(keyNode.mark, "a key must be text, not \(keyNode.phrase)"))
            return
        }
        if name == "<<" && isPlain {
            try merge(valueNode, into: &entries)
        } else {
            entries.append(.init(key: name, keyMark: keyNode.mark, value: valueNode))
        }
    }

    /// `<<: *anchor` or `<<: [*first, *second]`: their keys, where the map has none of that name.
    private func merge(_ node: YAMLNode, into entries: inout [YAMLNode.Entry]) throws(Failure) {
        switch node.content {
        case .map(let merged):
            for var entry in merged {
                entry.isMerged = true
                entries.append(entry)
            }
        case .list(let nodes):
            for node in nodes { try merge(node, into: &entries) }
        case .scalar: throw Failure(node.mark, "`<<` takes a map or a list of maps, not \(node.phrase)")
        }
    }

    private mutating func checkTag(_ tag: Tag, _ mark: YAMLNode.Mark) {
        let known = ["", "!", "str", "seq", "map", "int", "float", "bool", "null"]
        let name = tag.rawValue.replacingPrefix("tag:yaml.org,2002:", with: "")
        if !known.contains(name) {
            failures.append(Failure(mark, "the tag \(name.quoted) has no meaning in a site file", "remove it"))
        }
    }
}

extension YAMLNode.Mark {
    init(_ mark: Yams.Mark) { self.init(line: mark.line, column: mark.column) }
}

extension String {
    func replacingPrefix(_ prefix: String, with replacement: String) -> String {
        hasPrefix(prefix) ? replacement + dropFirst(prefix.count) : self
    }
}
