/// Makes the deterministic automaton of a program (subset construction), within bounds.
struct AutomatonBuilder {
    private let program: PatternProgram
    /// By byte.
    private var classes = [UInt8](repeating: 0, count: 256)
    private var classCount = 1
    /// By set, then by class: whether the set holds the class.
    private var holds: [[Bool]] = []
    private var numbers: [[Int]: UInt16] = [:]
    /// Instructions that each state stands for: those that take a byte, and `match`.
    private var members: [[Int]] = []
    private var steps = 0
    private var visited: [Int]
    private var visit = 0

    init(_ program: PatternProgram) {
        self.program = program
        visited = [Int](repeating: 0, count: program.instructions.count)
        divideBytes()
    }

    /// Bytes that no set of the program tells apart share a class, and with it a column of the table.
    private mutating func divideBytes() {
        for set in program.sets {
            var numbers: [Int: UInt8] = [:]
            for byte in UInt8.min...UInt8.max {
                let key = Int(classes[Int(byte)]) << 1 | (set.contains(byte) ? 1 : 0)
                if numbers[key] == nil { numbers[key] = UInt8(numbers.count) }
                classes[Int(byte)] = numbers[key]!
            }
            classCount = numbers.count
        }
        for set in program.sets {
            var row = [Bool](repeating: false, count: classCount)
            for byte in UInt8.min...UInt8.max where set.contains(byte) { row[Int(classes[Int(byte)])] = true }
            holds.append(row)
        }
    }

    mutating func build() throws(PatternError) -> Automaton {
        // State 0 is the end of all hope: no instruction, and every byte leads back to it.
        _ = try number(of: [])
        let start = try number(of: closure(of: [program.start]))
        var rows: [UInt16] = []
        var state = 0
        while state < members.count {
            let current = members[state]
            for column in 0..<classCount {
                var targets: [Int] = []
                for member in current {
                    if case .bytes(let set, let next) = program.instructions[member], holds[set][column] {
                        targets.append(next)
                    }
                }
                steps += current.count
                rows.append(try number(of: closure(of: targets)))
            }
            rows.append(current.first == 0 ? 1 : 0)
            state += 1
        }
        return Automaton(classes: classes, rows: rows, stride: classCount + 1, start: start)
    }

    /// What is reached without taking a byte; sorted, so that `match`, which is instruction 0, stands first.
    private mutating func closure(of targets: [Int]) throws(PatternError) -> [Int] {
        visit += 1
        var pending = targets
        var reached: [Int] = []
        while let index = pending.popLast() {
            steps += 1
            guard visited[index] != visit else { continue }
            visited[index] = visit
            switch program.instructions[index] {
            case .fork(let one, let other):
                pending.append(one)
                pending.append(other)
            case .bytes, .match: reached.append(index)
            }
        }
        guard steps <= PatternLimits.stepsMax else {
            throw PatternError(reason: .tooLarge("compiling it takes more than \(PatternLimits.stepsMax) steps"))
        }
        return reached.sorted()
    }

    private mutating func number(of members: [Int]) throws(PatternError) -> UInt16 {
        if let number = numbers[members] { return number }
        guard self.members.count < PatternLimits.statesMax else {
            throw PatternError(reason: .tooLarge("its table has more than \(PatternLimits.statesMax) states"))
        }
        let number = UInt16(self.members.count)
        self.members.append(members)
        numbers[members] = number
        return number
    }
}
