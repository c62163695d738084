import Glibc

/// Routes by path: which is the first, in site order, whose pattern covers a path.
///
/// Prefixes are sorted; each knows the longest other prefix that it begins with (`parent`) and the first route
/// among itself and all of those (`best`). A lookup is one binary search and a climb that is as long as
/// prefixes are nested, so its cost grows with the logarithm of the number of routes.
@safe
struct PathTable: BitwiseCopyable {
    /// No route.
    static let none = Int32.max

    struct Entry: BitwiseCopyable {
        var text: Bytes
        var best: Int32
        var parent: Int32
    }
    private let prefixes: UnsafeMutablePointer<Entry>
    private let prefixCount: Int
    private let exacts: UnsafeMutablePointer<Entry>
    private let exactCount: Int
    /// The first route without a path pattern.
    private let any: Int32

    enum Pattern {
        case any
        case exact(String)
        case prefix(String)
    }

    /// - Parameter routes: Patterns with their route's index; of equal patterns the lowest index counts.
    init(_ routes: [(pattern: Pattern, route: Int32)], arena: Arena) {
        var any = PathTable.none
        var prefixes: [[UInt8]: Int32] = [:]
        var exacts: [[UInt8]: Int32] = [:]
        for (pattern, route) in routes {
            switch pattern {
            case .any: any = min(any, route)
            case .exact(let path): exacts[[UInt8](path.utf8), default: PathTable.none].formMinimum(route)
            case .prefix(let path): prefixes[[UInt8](path.utf8), default: PathTable.none].formMinimum(route)
            }
        }
        self.any = any
        let sortedPrefixes = prefixes.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        var entries: [Entry] = []
        for (index, (text, route)) in sortedPrefixes.enumerated() {
            // Candidates are the predecessor and its ancestors (the nested prefixes on the way to it).
            var parent = Int32(index) - 1
            while parent >= 0, !text.starts(with: sortedPrefixes[Int(parent)].key) {
                parent = entries[Int(parent)].parent
            }
            let best = parent >= 0 ? min(route, entries[Int(parent)].best) : route
            entries.append(
                Entry(text: arena.make(String(decoding: text, as: UTF8.self)), best: best, parent: parent))
        }
        unsafe self.prefixes = arena.make(entries)
        prefixCount = entries.count
        let sortedExacts = exacts.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        unsafe self.exacts = arena.make(
            sortedExacts.map {
                Entry(text: arena.make(String(decoding: $0.key, as: UTF8.self)), best: $0.value, parent: -1)
            })
        exactCount = sortedExacts.count
    }

    /// - Returns: Index of the first route that covers the path, or `none`.
    func route(_ path: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
        var best = any
        if exactCount > 0 {
            let index = unsafe lastNotAfter(path, count, in: exacts, exactCount)
            if index >= 0, unsafe exacts[index].text.equals(path, count: count) {
                best = unsafe min(best, exacts[index].best)
            }
        }
        if prefixCount > 0 {
            var index = unsafe lastNotAfter(path, count, in: prefixes, prefixCount)
            while index >= 0 {
                let entry = unsafe prefixes[index]
                if unsafe entry.text.count <= count && memcmp(entry.text.base, path, entry.text.count) == 0 {
                    best = min(best, entry.best)
                    break
                }
                index = Int(entry.parent)
            }
        }
        return best
    }

    /// Index of the last entry that sorts at or before the path; -1 when all sort after it.
    private func lastNotAfter(
        _ path: UnsafePointer<UInt8>, _ count: Int, in entries: UnsafeMutablePointer<Entry>, _ entryCount: Int
    ) -> Int {
        var low = 0
        var high = entryCount
        while low < high {
            let middle = (low + high) / 2
            let text = unsafe entries[middle].text
            let order = unsafe memcmp(text.base, path, min(text.count, count))
            if order < 0 || order == 0 && text.count <= count { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }
}

extension Int32 {
    fileprivate mutating func formMinimum(_ other: Int32) { self = Swift.min(self, other) }
}
