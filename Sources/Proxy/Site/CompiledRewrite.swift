import Snapshot

/// `request.path` and `request.query`, as workers read them.
@safe
struct CompiledRewrite: BitwiseCopyable {
    enum Path: BitwiseCopyable {
        case keep
        case replace(Bytes)
        case prefixes(strip: Bytes, add: Bytes)
    }
    /// A parameter to append: name, value.
    struct Parameter: BitwiseCopyable {
        /// With its escapes, as it is sent.
        var name: Bytes
        /// Literals have their escapes.
        var value: CompiledTemplate
    }
    let isEmpty: Bool
    let path: Path
    /// Names of parameters that are left out, without escapes.
    private let dropped: UnsafeMutablePointer<Bytes>
    let droppedCount: Int
    private let parameters: UnsafeMutablePointer<Parameter>
    let parameterCount: Int

    init(_ rewrite: TargetRewrite, arena: Arena) {
        isEmpty = rewrite.isEmpty
        path =
            switch rewrite.path {
            case .keep: .keep
            case .replace(let path): .replace(arena.make(path))
            case .prefixes(let strip, let add): .prefixes(strip: arena.make(strip), add: arena.make(add))
            }
        let names = Set(rewrite.remove + rewrite.set.map(\.name))
        unsafe dropped = arena.make(names.sorted().map(arena.make))
        droppedCount = names.count
        let parameters = (rewrite.set + rewrite.add).map { parameter in
            let value = parameter.value.map { part -> ValuePart in
                if case .literal(let text) = part { return .literal(PercentEncoding.component(text)) }
                return part
            }
            return Parameter(
                name: arena.make(PercentEncoding.component(parameter.name)),
                value: CompiledTemplate(value, arena: arena))
        }
        unsafe self.parameters = arena.make(parameters)
        parameterCount = parameters.count
    }

    var changesQuery: Bool { droppedCount > 0 || parameterCount > 0 }

    func parameter(_ index: Int) -> Parameter {
        precondition(index >= 0 && index < parameterCount)
        return unsafe parameters[index]
    }

    /// Whether a parameter of that name is left out.
    ///
    /// - Parameter name: As received: with escapes, and with `+` for a space.
    func drops(_ name: Span<UInt8>) -> Bool {
        for index in 0..<droppedCount where unsafe PercentEncoding.equal(name, dropped[index]) { return true }
        return false
    }
}
