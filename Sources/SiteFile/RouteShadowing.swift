import Snapshot

/// Finds routes that can never match because earlier ones catch all that they would.
///
/// A route is a set of (listener, host pattern) pairs with one path pattern; each pair must be covered by an earlier
/// route. Lookups go by host and path, so that a site's cost grows with its size, not its square.
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

    /// Path patterns of earlier routes at one place; each with the first route that has it.
    private struct Paths {
        var every: Int?
        var exact: [String: Int] = [:]
        var prefixes: [String: Int] = [:]
        var prefixLengths: Set<Int> = []

        mutating func add(_ path: PathPattern?, _ route: Int) {
            switch path {
            case nil: every = every ?? route
            case .exact(let text)?: exact[text] = exact[text] ?? route
            case .prefix(let text)?:
                prefixes[text] = prefixes[text] ?? route
                prefixLengths.insert(text.utf8.count)
            }
        }

        func cover(_ path: PathPattern?) -> Int? {
            if let every { return every }
            let bytes: Substring.UTF8View
            switch path {
            case nil: return nil
            case .exact(let text)?:
                if let route = exact[text] { return route }
                bytes = text[...].utf8
            case .prefix(let text)?: bytes = text[...].utf8
            }
            for length in prefixLengths where length <= bytes.count {
                if let route = prefixes[String(Substring(bytes.prefix(length)))] { return route }
            }
            return nil
        }
    }

    private var places: [Place: Paths] = [:]
    private var seen: [(name: String, line: Int)] = []

    /// Takes the next route of the file.
    ///
    /// - Returns: What covers it; nil when it can match.
    mutating func add(_ route: Route, line: Int) -> Cover? {
        var covers: Set<Int> = []
        var isCovered = !route.listeners.isEmpty
        let hosts: [HostKey] = route.match.hosts.isEmpty ? [.any] : route.match.hosts.map { .pattern($0) }
        for listener in route.listeners {
            for host in hosts where isCovered {
                guard let cover = cover(listener, host, route.match.path) else {
                    isCovered = false
                    break
                }
                covers.insert(cover)
            }
        }
        let index = seen.count
        seen.append((route.name, line))
        for listener in route.listeners {
            for host in hosts {
                places[Place(listener: listener, host: host), default: Paths()].add(route.match.path, index)
            }
        }
        guard isCovered else { return nil }
        guard covers.count == 1, let only = covers.first else { return .several }
        return .one(name: seen[only].name, line: seen[only].line)
    }

    private func cover(_ listener: Int, _ host: HostKey, _ path: PathPattern?) -> Int? {
        for wider in wider(host) {
            if let route = places[Place(listener: listener, host: wider)]?.cover(path) { return route }
        }
        return nil
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
