import Glibc

/// What a lookup asks of the request that it is for.
protocol RouteQuestions {
    /// Whether the further conditions of that route hold: method, header, query, regular expressions.
    mutating func holds(_ route: Int32) -> Bool
    /// A name or path was compared. Tests count it; the data path leaves it empty, and it compiles to nothing.
    mutating func compared()
}

/// Routes by path: which is the first, in site order, that covers a path.
///
/// Prefixes are sorted; each knows the longest other prefix that it begins with (`parent`) and the first route without
/// further conditions among itself and all of those (`best`). A lookup is one binary search and a climb that is as
/// long as prefixes are nested, so its cost grows with the logarithm of the number of routes. Routes with conditions
/// stand in a list at their path, in site order; only those before the best one are asked.
@safe
struct PathTable: BitwiseCopyable {
    /// No route.
    static let none = Int32.max

    enum Pattern {
        case any
        case exact([UInt8])
        case prefix([UInt8])
    }
    /// A route as it is filed.
    struct Filed {
        var pattern: Pattern
        var route: Int32
        var isConditional: Bool
    }

    /// Routes at one path.
    private struct Entry: BitwiseCopyable {
        var text: Bytes
        var best: Int32
        var parent: Int32
        /// The nearest among itself and its parents that has routes with conditions; -1 for none.
        var conditional: Int32
        var conditions: Run
    }
    /// A run of `conditionalRoutes`.
    private struct Run: BitwiseCopyable {
        var start: Int32 = 0
        var count: Int32 = 0
    }

    private let prefixes: UnsafeMutablePointer<Entry>
    private let prefixCount: Int
    private let exacts: UnsafeMutablePointer<Entry>
    private let exactCount: Int
    /// The first route without a path pattern and without conditions, and those with conditions.
    private let any: Int32
    private let anyConditions: Run
    private let conditionalRoutes: UnsafeMutablePointer<Int32>
    private let hasConditions: Bool

    /// - Parameter routes: In site order.
    init(_ routes: [Filed], arena: Arena) {
        var any = Place()
        var prefixPlaces: [[UInt8]: Place] = [:]
        var exactPlaces: [[UInt8]: Place] = [:]
        for filed in routes {
            switch filed.pattern {
            case .any: any.add(filed)
            case .exact(let path): exactPlaces[path, default: Place()].add(filed)
            case .prefix(let path): prefixPlaces[path, default: Place()].add(filed)
            }
        }
        var conditional: [Int32] = []
        func run(_ routes: [Int32]) -> Run {
            let start = conditional.count
            conditional += routes
            return Run(start: Int32(start), count: Int32(routes.count))
        }
        func bytes(_ text: [UInt8]) -> Bytes { unsafe Bytes(base: arena.make(text), count: text.count) }
        self.any = any.best
        anyConditions = run(any.conditional)

        let sortedPrefixes = prefixPlaces.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        var entries: [Entry] = []
        for (index, (text, place)) in sortedPrefixes.enumerated() {
            // Candidates are the predecessor and its parents (the nested prefixes on the way to it).
            var parent = Int32(index) - 1
            while parent >= 0, !text.starts(with: sortedPrefixes[Int(parent)].key) {
                parent = entries[Int(parent)].parent
            }
            let inherited = parent >= 0 ? entries[Int(parent)] : nil
            entries.append(
                Entry(
                    text: bytes(text), best: min(place.best, inherited?.best ?? PathTable.none), parent: parent,
                    conditional: place.conditional.isEmpty ? inherited?.conditional ?? -1 : Int32(index),
                    conditions: run(place.conditional)))
        }
        unsafe prefixes = arena.make(entries)
        prefixCount = entries.count
        let sortedExacts = exactPlaces.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        unsafe exacts = arena.make(
            sortedExacts.map { text, place in
                Entry(
                    text: bytes(text), best: place.best, parent: -1, conditional: -1,
                    conditions: run(place.conditional))
            })
        exactCount = sortedExacts.count
        unsafe conditionalRoutes = arena.make(conditional)
        hasConditions = !conditional.isEmpty
    }

    /// Routes while the table is made.
    private struct Place {
        var best = PathTable.none
        var conditional: [Int32] = []

        mutating func add(_ filed: Filed) {
            if filed.isConditional { conditional.append(filed.route) } else { best = min(best, filed.route) }
        }
    }

    /// - Parameter limit: Only a route before this one is of interest.
    /// - Returns: The first route that covers the path and whose conditions hold, or `limit`.
    func route(
        _ path: UnsafePointer<UInt8>, _ count: Int, before limit: Int32, _ questions: inout some RouteQuestions
    ) -> Int32 {
        var best = min(limit, any)
        var exact = -1
        if exactCount > 0 {
            let index = unsafe lastNotAfter(path, count, in: exacts, exactCount, &questions)
            if index >= 0, unsafe exacts[index].text.equals(path, count: count) {
                exact = index
                best = unsafe min(best, exacts[index].best)
            }
        }
        var prefix = -1
        if prefixCount > 0 {
            prefix = unsafe lastNotAfter(path, count, in: prefixes, prefixCount, &questions)
            while prefix >= 0 {
                let entry = unsafe prefixes[prefix]
                questions.compared()
                if unsafe entry.text.count <= count && memcmp(entry.text.base, path, entry.text.count) == 0 {
                    best = min(best, entry.best)
                    break
                }
                prefix = Int(entry.parent)
            }
        }
        guard hasConditions else { return best }
        return askConditional(exact, prefix, best, &questions)
    }

    /// The first route with conditions, at an exact entry, a prefix and its parents, or any path, that comes before
    /// `limit` and whose conditions hold; else `limit`.
    private func askConditional(
        _ exact: Int, _ prefix: Int, _ limit: Int32, _ questions: inout some RouteQuestions
    ) -> Int32 {
        var best = ask(anyConditions, before: limit, &questions)
        if exact >= 0 { best = unsafe ask(exacts[exact].conditions, before: best, &questions) }
        var index = prefix >= 0 ? unsafe prefixes[prefix].conditional : -1
        while index >= 0 {
            let entry = unsafe prefixes[Int(index)]
            best = ask(entry.conditions, before: best, &questions)
            index = entry.parent >= 0 ? unsafe prefixes[Int(entry.parent)].conditional : -1
        }
        return best
    }

    private func ask(_ run: Run, before limit: Int32, _ questions: inout some RouteQuestions) -> Int32 {
        for index in Int(run.start)..<Int(run.start + run.count) {
            let route = unsafe conditionalRoutes[index]
            if route >= limit { return limit }
            if questions.holds(route) { return route }
        }
        return limit
    }

    /// Index of the last entry that sorts at or before the path; -1 when all sort after it.
    private func lastNotAfter(
        _ path: UnsafePointer<UInt8>, _ count: Int, in entries: UnsafeMutablePointer<Entry>, _ entryCount: Int,
        _ questions: inout some RouteQuestions
    ) -> Int {
        var low = 0
        var high = entryCount
        while low < high {
            let middle = (low + high) / 2
            let text = unsafe entries[middle].text
            questions.compared()
            let order = unsafe memcmp(text.base, path, min(text.count, count))
            if order < 0 || order == 0 && text.count <= count { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }
}
