import Pattern
import Snapshot

/// What the routes of a site match, compiled once for all listeners.
@safe
struct CompiledMatches {
    /// By route; empty ones for routes that ask for host and path only.
    let conditions: UnsafeMutablePointer<RouteConditions>
    /// By route: where path tables file it.
    let filed: [PathTable.Filed]

    /// - Throws: `PatternError` when a regular expression doesn't compile, which the compiler of site files excludes.
    init(_ routes: [Route], arena: Arena) throws(PatternError) {
        let tables = AutomatonTables(arena: arena)
        var conditions: [RouteConditions] = []
        var filed: [PathTable.Filed] = []
        for (index, route) in routes.enumerated() {
            let compiled = try RouteConditions(route.match, tables: tables, arena: arena)
            let pattern: PathTable.Pattern
            switch route.match.path {
            case nil: pattern = .any
            case .exact(let path)?: pattern = .exact([UInt8](path.utf8))
            case .prefix(let path)?: pattern = .prefix([UInt8](path.utf8))
            case .regex(let text)?:
                // Found by what its matches begin with, so that only paths that begin so are walked.
                let prefix = try tables.fixedPrefix(text)
                pattern = prefix.isEmpty ? .any : .prefix(prefix)
            }
            conditions.append(compiled)
            filed.append(
                PathTable.Filed(pattern: pattern, route: Int32(index), isConditional: !compiled.isEmpty))
        }
        unsafe self.conditions = arena.make(conditions)
        self.filed = filed
    }
}
