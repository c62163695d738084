import Pattern
import Snapshot

/// Finds routes that can never match because earlier ones catch all that they would.
///
/// A route is a set of (listener, host pattern) pairs with one path pattern; each pair must be covered by an earlier
/// route whose further conditions ask no more. Lookups go by host and path, so that a site's cost grows with its size,
/// not its square; for the same reason only the first few routes with conditions at one path are looked at. So a
/// warning may be missing, and none is false.
struct RouteShadowing {
    /// Whose requests reach an earlier route first.
    enum Cover: Equatable {
        case one(name: String, line: Int)
        case several

        var description: String {
            switch self {
            case .one(let name, let line): "the route \(name.quoted) on line \(line) catches all of it"
            case .several: "earlier routes together catch all of it"
            }
        }
    }

    private enum HostKey: Hashable {
        case any
        case pattern(HostPattern)
    }

    private struct Place: Hashable {
        var listener: Int
        var host: HostKey
    }

    /// Earlier routes with the same path pattern at one place.
    fileprivate struct Group {
        /// The first that asks for nothing more.
        var plain: Int?
        var conditional: [Int] = []
    }

    /// Routes with conditions, or patterns, of one place that are looked at.
    fileprivate static let candidatesMax = 64

    /// Path patterns of earlier routes at one place.
    fileprivate struct Paths {
        var every = Group()
        var exact: [[UInt8]: Group] = [:]
        var prefixes: [[UInt8]: Group] = [:]
        var prefixLengths: Set<Int> = []
        var regexes: [String: Group] = [:]
        /// In the order of the file.
        var regexTexts: [String] = []
    }

    private let patterns: SitePatterns
    private var places: [Place: Paths] = [:]
    private var seen: [(name: String, line: Int, match: RouteMatch)] = []

    init(_ patterns: SitePatterns = SitePatterns()) { self.patterns = patterns }

    /// Takes the next route of the file.
    ///
    /// - Returns: What covers it; nil when it can match.
    mutating func add(_ route: Route, line: Int) -> Cover? {
        var covers: Set<Int> = []
        var isCovered = !route.listeners.isEmpty
        let hosts: [HostKey] = route.match.hosts.isEmpty ? [.any] : route.match.hosts.map { .pattern($0) }
        for listener in route.listeners {
            for host in hosts where isCovered {
                guard let cover = cover(listener, host, route.match) else {
                    isCovered = false
                    break
                }
                covers.insert(cover)
            }
        }
        let index = seen.count
        seen.append((route.name, line, route.match))
        for listener in route.listeners {
            for host in hosts {
                places[Place(listener: listener, host: host), default: Paths()].add(route.match, index)
            }
        }
        guard isCovered else { return nil }
        guard covers.count == 1, let only = covers.first else { return .several }
        return .one(name: seen[only].name, line: seen[only].line)
    }

    private func cover(_ listener: Int, _ host: HostKey, _ match: RouteMatch) -> Int? {
        for wider in wider(host) {
            if let paths = places[Place(listener: listener, host: wider)], let route = cover(paths, match) {
                return route
            }
        }
        return nil
    }

    private func cover(_ paths: Paths, _ match: RouteMatch) -> Int? {
        if let route = cover(paths.every, match) { return route }
        let beginning: [UInt8]
        switch match.path {
        case nil: return nil
        case .exact(let text)?:
            beginning = [UInt8](text.utf8)
            if let route = cover(paths.exact[beginning], match) { return route }
            for regex in paths.regexTexts.prefix(RouteShadowing.candidatesMax) {
                guard let automaton = try? patterns.automaton(regex), automaton.matches(beginning) else { continue }
                if let route = cover(paths.regexes[regex], match) { return route }
            }
        case .prefix(let text)?: beginning = [UInt8](text.utf8)
        case .regex(let text)?:
            beginning = (try? patterns.automaton(text).fixedPrefix) ?? []
            if let route = cover(paths.regexes[text], match) { return route }
        }
        for length in paths.prefixLengths.sorted() where length <= beginning.count {
            if let route = cover(paths.prefixes[[UInt8](beginning.prefix(length))], match) { return route }
        }
        return nil
    }

    private func cover(_ group: Group?, _ match: RouteMatch) -> Int? {
        guard let group else { return nil }
        if let plain = group.plain { return plain }
        guard match.isConditional else { return nil }
        return group.conditional.first {
            seen[$0].match.asksNoMore(than: match, patterns)
        }
    }

    /// The patterns that match every host that this one matches, itself among them.
    private func wider(_ host: HostKey) -> [HostKey] {
        guard case .pattern(let pattern) = host else { return [.any] }
        let name: String
        switch pattern {
        case .exact(let text), .suffix(let text): name = text
        }
        var patterns: [HostKey] = [.any, host]
        var rest = name[...]
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            patterns.append(.pattern(.suffix(String(rest))))
        }
        return patterns
    }
}

extension RouteShadowing.Paths {
    fileprivate mutating func add(_ match: RouteMatch, _ route: Int) {
        switch match.path {
        case nil: every.add(match, route)
        case .exact(let text)?: exact[[UInt8](text.utf8), default: .init()].add(match, route)
        case .prefix(let text)?:
            prefixes[[UInt8](text.utf8), default: .init()].add(match, route)
            prefixLengths.insert(text.utf8.count)
        case .regex(let text)?:
            if regexes[text] == nil { regexTexts.append(text) }
            regexes[text, default: .init()].add(match, route)
        }
    }
}

extension RouteShadowing.Group {
    fileprivate mutating func add(_ match: RouteMatch, _ route: Int) {
        if match.isConditional {
            if conditional.count < RouteShadowing.candidatesMax { conditional.append(route) }
        } else if plain == nil {
            plain = route
        }
    }
}
