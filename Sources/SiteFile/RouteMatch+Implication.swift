import Pattern
import Snapshot

/// When one route's conditions follow from another's. Answers may be "no" where a closer look would find "yes": a route
/// is called dead only when that is certain.
extension RouteMatch {
    /// Whether it asks for more than host and path.
    var isConditional: Bool { !methods.isEmpty || !header.isEmpty || !query.isEmpty || !protocols.isEmpty }

    /// Whether method, header, query and ALPN of this one hold for every request for which those of `other` hold.
    func asksNoMore(than other: RouteMatch, _ patterns: SitePatterns) -> Bool {
        if !methods.isEmpty {
            guard !other.methods.isEmpty, other.methods.allSatisfy(methods.contains) else { return false }
        }
        if !protocols.isEmpty {
            guard !other.protocols.isEmpty, other.protocols.allSatisfy(protocols.contains) else { return false }
        }
        return header.allSatisfy { condition in other.header.contains { $0.implies(condition, patterns) } }
            && query.allSatisfy { condition in other.query.contains { $0.implies(condition, patterns) } }
    }
}

extension ValueCondition {
    /// Whether `other` holds wherever this one does.
    func implies(_ other: ValueCondition, _ patterns: SitePatterns) -> Bool {
        guard name.utf8.elementsEqual(other.name.utf8) else { return false }
        switch (pattern, other.pattern) {
        case (.absent, .absent): return true
        case (.absent, _), (_, .absent): return false
        case (_, .present): return true
        case (.exact(let value), .exact(let wanted)): return value.utf8.elementsEqual(wanted.utf8)
        case (.exact(let value), .prefix(let wanted)), (.prefix(let value), .prefix(let wanted)):
            return value.utf8.starts(with: wanted.utf8)
        case (.exact(let value), .regex(let wanted)):
            return (try? patterns.automaton(wanted).matches(value.utf8)) ?? false
        case (.regex(let text), .prefix(let wanted)):
            return (try? patterns.automaton(text).fixedPrefix.starts(with: wanted.utf8)) ?? false
        case (.regex(let text), .regex(let wanted)): return text.utf8.elementsEqual(wanted.utf8)
        case (.present, _), (.prefix, _), (.regex, .exact): return false
        }
    }
}
