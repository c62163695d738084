/// The nearest known name to what was written.
enum Suggestion {
    /// - Returns: `did you mean "…"?` for a name that is close enough to be a slip, else nil.
    static func hint(for written: String, among known: [String]) -> String? {
        nearest(to: written, among: known).map { "did you mean \($0.quoted)?" }
    }

    /// A third of the letters may differ, at least one; of equals the first in `known` wins.
    static func nearest(to written: String, among known: [String]) -> String? {
        let letters = Array(written.lowercased().utf8.prefix(64))
        let limit = max(1, letters.count / 3)
        var best: (name: String, distance: Int)?
        for name in known {
            let candidate = Array(name.lowercased().utf8)
            guard abs(candidate.count - letters.count) <= limit else { continue }
            let distance = editDistance(letters, candidate)
            if distance <= limit && distance < (best?.distance ?? .max) { best = (name, distance) }
        }
        return best?.name
    }

    /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
    static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
        var beforePrevious: [Int] = []
        var previous = Array(0...b.count)
        for i in 1...a.count {
            var row = [i]
            for j in 1...b.count {
                var cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    cost = min(cost, beforePrevious[j - 2] + 1)
                }
                row.append(cost)
            }
            (beforePrevious, previous) = (previous, row)
        }
        return previous[b.count]
    }
}
