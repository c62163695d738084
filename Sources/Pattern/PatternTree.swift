/// A parsed pattern.
indirect enum PatternTree: Equatable {
    case empty
    /// One byte of a set.
    case bytes(ByteSet)
    case sequence([PatternTree])
    case choice([PatternTree])
    /// `maximum` nil: without end.
    case repeated(PatternTree, minimum: Int, maximum: Int?)

    /// Without what matches the empty text only, so that repeating it costs nothing.
    static func joined(_ parts: [PatternTree]) -> PatternTree {
        let parts = parts.filter { $0 != .empty }
        return parts.isEmpty ? .empty : parts.count == 1 ? parts[0] : .sequence(parts)
    }
}
