/// What the value of a key looks like: how it is read, and the words for it in messages and the reference.
struct Form<Value: Sendable>: Sendable {
    /// Follows "takes": `a whole number from 1 to 256`.
    let phrase: String
    /// The value in the site file's own words, for the reference.
    let render: @Sendable (Value) -> String
    /// - Returns: nil after an error was reported.
    let read: @Sendable (YAMLNode, Field) -> Value?
    /// Keys of the map that the value is, or of the maps in it; they have a section of their own in the reference.
    var nested: Section?
}

/// A value being read: the key that a message names, and where the message goes.
struct Field {
    let key: String
    let diagnostics: DiagnosticList

    /// `"workers" takes a whole number from 1 to 256, not "many"`.
    func refuse(_ node: YAMLNode, takes phrase: String, hint: String? = nil) {
        diagnostics.error(node.mark, "\(key.quoted) takes \(phrase), not \(node.phrase)", hint: hint)
    }
}

extension Form {
    /// A form of one scalar. `parse` answers nil for text that is not of the form; `hint` may say what was meant.
    static func scalar(
        _ phrase: String, render: @escaping @Sendable (Value) -> String = { "\($0)" },
        hint: @escaping @Sendable (String) -> String? = { _ in nil },
        parse: @escaping @Sendable (String) -> Value?
    ) -> Form {
        Form(phrase: phrase, render: render) { node, field in
            if let text = node.text, let value = parse(text) { return value }
            field.refuse(node, takes: phrase, hint: node.text.flatMap(hint))
            return nil
        }
    }

    /// One of a few words. `later` are words of the design that this version doesn't know.
    static func word(_ words: [(name: String, value: Value)], later: [String] = []) -> Form where Value: Equatable {
        let names = words.map(\.name)
        let render: @Sendable (Value) -> String = { value in words.first { $0.value == value }?.name ?? "" }
        return .scalar(
            "one of " + names.joined(separator: ", "), render: render,
            hint: { text in
                if later.contains(text) { return "\(text.quoted) is not in this version" }
                return Suggestion.hint(for: text, among: names)
            },
            parse: { text in words.first { $0.name == text }?.value })
    }

    /// A list, or one element without brackets.
    ///
    /// - Parameter mayBeEmpty: For keys whose default is the empty list.
    static func oneOrMore<Element: Sendable>(
        _ element: Form<Element>, each: String, mayBeEmpty: Bool = false,
        render: @escaping @Sendable (Element) -> String = { "\($0)" }
    ) -> Form where Value == [Element] {
        let phrase = "\(element.phrase), or a list of them"
        return Form(phrase: phrase, render: { "[" + $0.map(render).joined(separator: ", ") + "]" }) { node, field in
            switch node.content {
            case .list(let nodes):
                if nodes.isEmpty && !mayBeEmpty {
                    field.diagnostics.error(
                        node.mark, "\(field.key.quoted) is an empty list", hint: "list at least one \(each)")
                }
                return nodes.compactMap { element.read($0, field) }
            case .scalar where !node.isNull: return element.read(node, field).map { [$0] }
            case .scalar, .map:
                field.refuse(node, takes: phrase)
                return nil
            }
        }
    }
}

extension Form where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> Form {
        Form(
            phrase: "a whole number from \(range.lowerBound) to \(range.upperBound)", render: { "\($0)" }
        ) { node, field in
            if case .scalar(let text, isPlain: true) = node.content, let value = decimal(text), range ~= value {
                return value
            }
            let isQuotedNumber = node.text.flatMap(decimal).map { range ~= $0 } ?? false
            field.refuse(
                node, takes: "a whole number from \(range.lowerBound) to \(range.upperBound)",
                hint: isQuotedNumber ? "write it without quotes" : nil)
            return nil
        }
    }

    /// Digits, with a minus sign in front or not; no leading zeros (YAML 1.1 reads them as octal).
    static func decimal(_ text: String) -> Int? {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        guard digits.count == 1 || !digits.hasPrefix("0") else { return nil }
        return Int(text)
    }
}

extension Form where Value == Bool {
    static var truth: Form {
        Form(phrase: "true or false", render: { "\($0)" }) { node, field in
            if let value = node.truth { return value }
            field.refuse(node, takes: "true or false")
            return nil
        }
    }
}

extension Form where Value == YAMLNode {
    /// A map with fixed keys. Nothing at all (`limits:` with every line below commented out) is a map without keys.
    static func section(_ section: Section) -> Form {
        var form = Form(phrase: "a map", render: { _ in "" }) { node, field in
            switch node.content {
            case .map: return node
            case .scalar where node.isNull: return YAMLNode(content: .map([]), mark: node.mark)
            case .scalar, .list:
                field.refuse(node, takes: "a map", hint: "its keys: \(section.keyNames.joined(separator: ", "))")
                return nil
            }
        }
        form.nested = section
        return form
    }

    /// A map from names that the site's author chooses.
    static func named(_ section: Section, example: String) -> Form {
        var form = Form(phrase: "a map from names to maps", render: { _ in "" }) { node, field in
            if case .map = node.content { return node }
            if node.isNull { return YAMLNode(content: .map([]), mark: node.mark) }
            field.refuse(node, takes: "a map from names to maps", hint: "as in `\(example)`")
            return nil
        }
        form.nested = section
        return form
    }

    /// A list of maps.
    static func list(_ section: Section, example: String) -> Form {
        var form = Form(phrase: "a list of maps", render: { _ in "" }) { node, field in
            if case .list = node.content { return node }
            if node.isNull { return YAMLNode(content: .list([]), mark: node.mark) }
            field.refuse(node, takes: "a list of maps", hint: "as in `\(example)`")
            return nil
        }
        form.nested = section
        return form
    }

    /// Read by the compiler, which knows the two or more shapes that the value may have.
    static func shaped(_ phrase: String, nested: Section? = nil) -> Form {
        var form = Form(phrase: phrase, render: { _ in "" }) { node, _ in node }
        form.nested = nested
        return form
    }
}
