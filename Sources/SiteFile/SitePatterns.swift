import Pattern

/// The regular expressions of one site: each text is compiled once, and their tables together have a bound.
final class SitePatterns {
    /// Of all tables: every proxy node holds them.
    static let standardBytesMax = 64 << 20

    private let bytesMax: Int
    private var compiled: [String: Result<Automaton, PatternError>] = [:]
    private var bytes = 0

    init(bytesMax: Int = standardBytesMax) { self.bytesMax = bytesMax }

    /// - Throws: `PatternError`; also for a pattern whose table would exceed what the site may have.
    func automaton(_ text: String) throws(PatternError) -> Automaton {
        if let known = compiled[text] { return try known.get() }
        let result = Result { () throws(PatternError) in
            let automaton = try Automaton(text)
            guard bytes + automaton.tableBytes <= bytesMax else {
                throw PatternError(
                    reason: .tooLarge("the tables of the site's patterns have more than \(bytesMax >> 20)MiB"))
            }
            bytes += automaton.tableBytes
            return automaton
        }
        compiled[text] = result
        return try result.get()
    }
}
