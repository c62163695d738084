/// A pattern as a nondeterministic automaton (Thompson's construction), repeats written out.
struct PatternProgram {
    enum Instruction {
        /// Takes a byte of `sets[set]`, then goes on.
        case bytes(set: Int, next: Int)
        /// Goes on at both.
        case fork(Int, Int)
        case match
    }
    private(set) var instructions: [Instruction] = [.match]
    private(set) var sets: [ByteSet] = []
    private(set) var start = 0
    private var setNumbers: [ByteSet: Int] = [:]

    init(_ tree: PatternTree) throws(PatternError) { start = try emit(tree, next: 0) }

    /// From the end to the beginning, so that what follows is always known.
    private mutating func emit(_ tree: PatternTree, next: Int) throws(PatternError) -> Int {
        switch tree {
        case .empty: return next
        case .bytes(let set): return try append(.bytes(set: number(of: set), next: next))
        case .sequence(let parts):
            var start = next
            for part in parts.reversed() { start = try emit(part, next: start) }
            return start
        case .choice(let branches):
            var start = try emit(branches[branches.count - 1], next: next)
            for branch in branches.dropLast().reversed() {
                start = try append(.fork(try emit(branch, next: next), start))
            }
            return start
        case .repeated(let body, let minimum, let maximum):
            var start = next
            if let maximum {
                for _ in minimum..<maximum { start = try append(.fork(try emit(body, next: start), next)) }
            } else {
                let loop = try append(.fork(next, next))
                instructions[loop] = .fork(try emit(body, next: loop), next)
                start = loop
            }
            for _ in 0..<minimum { start = try emit(body, next: start) }
            return start
        }
    }

    private mutating func append(_ instruction: Instruction) throws(PatternError) -> Int {
        guard instructions.count < PatternLimits.instructionsMax else {
            throw PatternError(
                reason: .tooLarge(
                    "with its repeats written out it has more than \(PatternLimits.instructionsMax) positions"))
        }
        instructions.append(instruction)
        return instructions.count - 1
    }

    private mutating func number(of set: ByteSet) -> Int {
        if let number = setNumbers[set] { return number }
        sets.append(set)
        setNumbers[set] = sets.count - 1
        return sets.count - 1
    }
}
