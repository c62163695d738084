/// One key: its name, the form of its value, and the value that stands when it is left out. Everything that is
/// known of a key stands in its declaration; reading, hints and the reference are made from it.
struct Key<Value: Sendable>: Sendable {
    let name: String
    let form: Form<Value>
    let fallback: String
    let summary: String

    /// - Parameters:
    ///   - fallback: The value that stands without the key.
    ///   - summary: One or two sentences of the reference.
    init(_ name: String, _ form: Form<Value>, default fallback: Value, _ summary: String) {
        self.init(name, form, stands: "`\(form.render(fallback))`", summary)
    }

    /// - Parameter fallback: What happens without the key, in words of the reference.
    init(_ name: String, _ form: Form<Value>, stands fallback: String = "–", _ summary: String) {
        self.name = name
        self.form = form
        self.fallback = fallback
        self.summary = summary
    }

    var declaration: KeyDeclaration {
        KeyDeclaration(name: name, takes: form.phrase, fallback: fallback, summary: summary, nested: form.nested)
    }
}

/// What the reference and the hints need of a key.
struct KeyDeclaration: Sendable {
    let name: String
    let takes: String
    let fallback: String
    let summary: String
    let nested: Section?
}

/// The keys of one map.
struct Section: Sendable {
    /// Path from the top: `pools.NAME.health`.
    let path: String
    let summary: String
    let keys: [KeyDeclaration]
    /// Keys of the design that this version refuses.
    let later: [String]

    init(_ path: String, _ summary: String, keys: [KeyDeclaration], later: [String] = []) {
        self.path = path
        self.summary = summary
        self.keys = keys
        self.later = later
    }

    var keyNames: [String] { keys.map(\.name) }
}
