import Snapshot

/// Text with variables, compiled: a value of a rule, a `Location`, a parameter of a query.
@safe
struct CompiledTemplate: BitwiseCopyable {
    enum Part: BitwiseCopyable {
        case literal(Bytes)
        case variable(Variable)
        /// The request's field of that name, which is in lower case.
        case field(Bytes)
    }
    private let parts: UnsafeMutablePointer<Part>
    let count: Int

    init(_ parts: [Part], arena: Arena) {
        unsafe self.parts = arena.make(parts)
        count = parts.count
    }

    init(_ value: [ValuePart], arena: Arena) {
        self.init(value.map { Part($0, arena: arena) }, arena: arena)
    }

    subscript(index: Int) -> Part {
        precondition(index >= 0 && index < count)
        return unsafe parts[index]
    }
}

extension CompiledTemplate.Part {
    init(_ part: ValuePart, arena: Arena) {
        switch part {
        case .literal(let text): self = .literal(arena.make(text))
        case .variable(let variable): self = .variable(variable)
        case .field(let name): self = .field(arena.make(name))
        }
    }
}
