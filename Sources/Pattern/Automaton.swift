/// A compiled pattern: a table that is walked one step a byte, whatever the pattern and the subject. Nothing is
/// allocated and nothing is tried twice, so a hostile subject costs no more than its length.
package struct Automaton: Equatable, Sendable {
    /// By byte: its column.
    package let classes: [UInt8]
    /// A row for each state: the next state by column; in the last place 1 where a subject may end.
    package let rows: [UInt16]
    /// Places of a row.
    package let stride: Int
    package let start: UInt16

    init(classes: [UInt8], rows: [UInt16], stride: Int, start: UInt16) {
        self.classes = classes
        self.rows = rows
        self.stride = stride
        self.start = start
    }

    /// - Throws: `PatternError` for a text that is no pattern, or one whose table would exceed `PatternLimits`.
    package init(_ text: String) throws(PatternError) {
        let tree = try PatternParser.parse(text)
        var builder = AutomatonBuilder(try PatternProgram(tree))
        self = try builder.build()
    }

    /// Memory of the table.
    package var tableBytes: Int { classes.count + rows.count * 2 }

    /// Whether the whole subject is of the pattern.
    package func matches(_ subject: some Sequence<UInt8>) -> Bool {
        unsafe classes.withUnsafeBufferPointer { classes in
            unsafe rows.withUnsafeBufferPointer { rows in
                let table = unsafe AutomatonTable(
                    classes: classes.baseAddress!, rows: rows.baseAddress!, stride: stride, start: start)
                var state = table.start
                for byte in subject { state = table.next(state, byte) }
                return table.accepts(state)
            }
        }
    }

    /// Whether a subject that begins with this byte may be of the pattern.
    package func canBegin(with byte: UInt8) -> Bool {
        rows[Int(start) * stride + Int(classes[Int(byte)])] != AutomatonTable.dead
    }

    /// Bytes that every subject begins with.
    package var fixedPrefix: [UInt8] {
        var prefix: [UInt8] = []
        var state = Int(start)
        while prefix.count < PatternLimits.bytesMax, rows[state * stride + stride - 1] == 0 {
            let alive = (UInt8.min...UInt8.max).filter {
                rows[state * stride + Int(classes[Int($0)])] != AutomatonTable.dead
            }
            guard alive.count == 1 else { break }
            prefix.append(alive[0])
            state = Int(rows[state * stride + Int(classes[Int(alive[0])])])
        }
        return prefix
    }
}

/// The table of an automaton in memory that someone else owns: a plain value for the request path.
@safe
package struct AutomatonTable: BitwiseCopyable {
    /// The state that no byte leads out of, and that accepts nothing.
    package static let dead: UInt16 = 0

    private let classes: UnsafePointer<UInt8>
    private let rows: UnsafePointer<UInt16>
    private let stride: Int
    package let start: UInt16

    /// - Parameters:
    ///   - classes: 256 columns, as in `Automaton`.
    ///   - rows: As in `Automaton`: every place but a row's last holds the number of a row that is there.
    package init(classes: UnsafePointer<UInt8>, rows: UnsafePointer<UInt16>, stride: Int, start: UInt16) {
        unsafe self.classes = classes
        unsafe self.rows = rows
        self.stride = stride
        self.start = start
    }

    @inline(__always)
    package func next(_ state: UInt16, _ byte: UInt8) -> UInt16 {
        unsafe rows[Int(state) &* stride &+ Int(classes[Int(byte)])]
    }

    package func accepts(_ state: UInt16) -> Bool { unsafe rows[Int(state) &* stride &+ stride &- 1] != 0 }

    /// Whether the whole subject is of the pattern.
    package func matches(_ subject: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var state = start
        for index in 0..<count {
            unsafe state = next(state, subject[index])
            if state == AutomatonTable.dead { return false }
        }
        return accepts(state)
    }
}
