/// Text to tree. The syntax is the common part of PCRE and Python's `re` that a finite automaton can do, over bytes:
///
/// literals, `.` (any byte), `[a-z]`, `[^…]`, `\d \w \s` and their negations, `\t \n \r \f \xHH`, a backslash before
/// punctuation, `(…)`, `(?:…)`, `|`, `* + ? {n} {n,} {n,m}`; `(?i)` in front for ASCII letters without case.
/// `^` in front and `$` at the end may be written and change nothing: a pattern always matches the whole subject.
struct PatternParser {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var ignoresCase = false

    private init(_ text: String) { scalars = Array(text.unicodeScalars) }

    static func parse(_ text: String) throws(PatternError) -> PatternTree {
        guard text.utf8.count <= PatternLimits.bytesMax else { throw PatternError(reason: .tooLong) }
        var parser = PatternParser(text)
        if parser.take("(?i)") { parser.ignoresCase = true }
        let tree = try parser.choice(depth: 0)
        guard parser.next == nil else { throw parser.malformed("\")\" without \"(\"") }
        return tree
    }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard scalars[position...].starts(with: wanted) else { return false }
        position += wanted.count
        return true
    }

    private func malformed(_ what: String, at offset: Int? = nil) -> PatternError {
        PatternError(reason: .malformed(what), offset: offset ?? position)
    }

    private func unsupported(_ what: String, at offset: Int? = nil) -> PatternError {
        PatternError(reason: .unsupported(what), offset: offset ?? position)
    }

    // MARK: structure

    private mutating func choice(depth: Int) throws(PatternError) -> PatternTree {
        guard depth <= PatternLimits.depthMax else {
            throw malformed("groups nested more than \(PatternLimits.depthMax) deep")
        }
        var branches = [try sequence(depth)]
        while take("|") { branches.append(try sequence(depth)) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence(_ depth: Int) throws(PatternError) -> PatternTree {
        var parts: [PatternTree] = []
        let isOutermost = depth == 0
        if isOutermost { _ = take("^") }
        while let scalar = next, scalar != "|", scalar != ")" {
            if scalar == "$", isOutermost, position + 1 == scalars.count || scalars[position + 1] == "|" {
                position += 1
                break
            }
            let part = try atom(depth)
            parts.append(try repeats(of: part))
        }
        return PatternTree.joined(parts)
    }

    private mutating func atom(_ depth: Int) throws(PatternError) -> PatternTree {
        let start = position
        let scalar = scalars[position]
        switch scalar {
        case "(":
            position += 1
            if take("?"), !take(":") { throw unsupported("the group \"(?\(next.map { "\($0)" } ?? "")…\"", at: start) }
            let tree = try choice(depth: depth + 1)
            guard take(")") else { throw malformed("\"(\" that is not closed", at: start) }
            return tree
        case "[": return .bytes(try bracket())
        case "\\": return .bytes(try escape())
        case ".":
            position += 1
            return .bytes(.all)
        case "*", "+", "?", "{":
            throw malformed("\"\(scalar)\" with nothing to repeat (write \"\\\(scalar)\" for the character)")
        case "^", "$": throw unsupported("\"\(scalar)\" inside the pattern")
        default:
            position += 1
            return literal(scalar)
        }
    }

    private func literal(_ scalar: Unicode.Scalar) -> PatternTree {
        PatternTree.joined(Array(String(scalar).utf8).map { .bytes(folded(ByteSet($0))) })
    }

    private func folded(_ set: ByteSet) -> ByteSet { ignoresCase ? set.withoutCase : set }

    // MARK: repeats

    private mutating func repeats(of tree: PatternTree) throws(PatternError) -> PatternTree {
        let start = position
        let minimum: Int
        let maximum: Int?
        switch next {
        case "*": (minimum, maximum) = (0, nil)
        case "+": (minimum, maximum) = (1, nil)
        case "?": (minimum, maximum) = (0, 1)
        case "{":
            position += 1
            guard let first = number() else { throw braces(start) }
            minimum = first
            maximum = take(",") ? number() : first
            guard next == "}" else { throw braces(start) }
            guard max(minimum, maximum ?? 0) <= PatternLimits.repeatMax else {
                throw malformed("a repeat count above \(PatternLimits.repeatMax)", at: start)
            }
            guard maximum.map({ $0 >= minimum }) ?? true else {
                throw malformed("repeat counts in the wrong order", at: start)
            }
        default: return tree
        }
        position += 1
        // A lazy repeat matches the same subjects as a whole.
        _ = take("?")
        switch next {
        case "+": throw unsupported("the possessive repeat")
        case "*", "?", "{": throw malformed("a repeat of a repeat (use a group)")
        default: break
        }
        return tree == .empty ? .empty : .repeated(tree, minimum: minimum, maximum: maximum)
    }

    private func braces(_ start: Int) -> PatternError {
        malformed("\"{\" that is no repeat such as {2} or {1,3} (write \"\\{\" for the character)", at: start)
    }

    /// nil without digits; at most seven count, which is beyond any limit.
    private mutating func number() -> Int? {
        var digits = ""
        while let scalar = next, ("0"..."9").contains(scalar) {
            if digits.count < 7 { digits.unicodeScalars.append(scalar) }
            position += 1
        }
        return Int(digits)
    }

    // MARK: sets

    /// `\…` outside and inside brackets.
    private mutating func escape() throws(PatternError) -> ByteSet {
        let start = position
        position += 1
        guard let scalar = next else { throw malformed("a backslash at the end", at: start) }
        position += 1
        switch scalar {
        case "d": return .digits
        case "D": return ByteSet.digits.inverted
        case "w": return .word
        case "W": return ByteSet.word.inverted
        case "s": return .space
        case "S": return ByteSet.space.inverted
        case "t": return ByteSet(0x09)
        case "n": return ByteSet(0x0a)
        case "f": return ByteSet(0x0c)
        case "r": return ByteSet(0x0d)
        case "x":
            let digits = scalars[position...].prefix(2)
            guard digits.count == 2, digits.allSatisfy(\.properties.isASCIIHexDigit),
                let byte = UInt8(String(String.UnicodeScalarView(digits)), radix: 16)
            else { throw malformed("\"\\x\" without two hexadecimal digits", at: start) }
            position += 2
            return folded(ByteSet(byte))
        case "1"..."9", "k", "g": throw unsupported("the back-reference \"\\\(scalar)\"", at: start)
        case _
        where scalar.isASCII && scalar.value > 0x20 && !scalar.properties.isAlphabetic
            && !("0"..."9").contains(scalar):
            return ByteSet(UInt8(scalar.value))
        default: throw unsupported("\"\\\(scalar)\"", at: start)
        }
    }

    private mutating func bracket() throws(PatternError) -> ByteSet {
        let start = position
        position += 1
        let isInverted = take("^")
        guard next != "]" else {
            throw malformed("\"[\" with nothing in it (write \"\\]\" for the character)", at: start)
        }
        var set = ByteSet()
        while !take("]") {
            guard let low = try bracketItem(start) else {
                // A class such as `\d`: no end of a range.
                set = set.union(try escape())
                if next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
                    throw malformed("a range that begins with a class")
                }
                continue
            }
            guard next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
                set.insert(low)
                continue
            }
            position += 1
            let rangeEnd = position
            guard let high = try bracketItem(start), high >= low else {
                throw malformed("a range in the wrong order", at: rangeEnd)
            }
            set = set.union(ByteSet(low...high))
        }
        set = folded(set)
        return isInverted ? set.inverted : set
    }

    /// One byte between brackets; nil, nothing taken, in front of a class such as `\d`.
    private mutating func bracketItem(_ start: Int) throws(PatternError) -> UInt8? {
        guard let scalar = next else { throw malformed("\"[\" that is not closed", at: start) }
        guard scalar.isASCII else { throw unsupported("\"\(scalar)\" between brackets") }
        if scalar == "[", position + 1 < scalars.count, [":", ".", "="].contains(scalars[position + 1]) {
            throw unsupported("the class \"[\(scalars[position + 1])…\"")
        }
        guard scalar == "\\" else {
            position += 1
            return UInt8(scalar.value)
        }
        let before = position
        let ignoredCase = ignoresCase
        ignoresCase = false
        defer { ignoresCase = ignoredCase }
        let set = try escape()
        let bytes = (UInt8.min...UInt8.max).filter(set.contains)
        if bytes.count == 1 { return bytes[0] }
        position = before
        return nil
    }
}
