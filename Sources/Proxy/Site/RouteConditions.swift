import HTTPMessage
import Pattern
import Snapshot

/// What one route asks of a request beyond host and plain path, compiled.
@safe
struct RouteConditions: BitwiseCopyable {
    /// nil: no regular expression on the path.
    let path: AutomatonTable?
    /// A bit for each `Method` that is taken, by raw value.
    private let methods: UInt16
    private let otherMethods: UnsafeMutablePointer<Bytes>
    private let otherMethodCount: Int
    private let header: UnsafeMutablePointer<ValueTest>
    private let headerCount: Int
    private let query: UnsafeMutablePointer<ValueTest>
    private let queryCount: Int

    init(_ match: RouteMatch, tables: AutomatonTables, arena: Arena) throws(PatternError) {
        if case .regex(let text)? = match.path { path = try tables.table(text) } else { path = nil }
        var methods: UInt16 = 0
        var others: [Bytes] = []
        for name in match.methods {
            let method = unsafe [UInt8](name.utf8).withUnsafeBufferPointer { unsafe Method($0) }
            if method == .other { others.append(arena.make(name)) }
            methods |= 1 << UInt16(method.rawValue)
        }
        self.methods = match.methods.isEmpty ? .max : methods
        unsafe otherMethods = arena.make(others)
        otherMethodCount = others.count
        let header = try ValueTest.compile(match.header, tables: tables, arena: arena)
        unsafe self.header = arena.make(header)
        headerCount = header.count
        let query = try ValueTest.compile(match.query, tables: tables, arena: arena)
        unsafe self.query = arena.make(query)
        queryCount = query.count
    }

    /// Whether there is nothing to ask.
    var isEmpty: Bool { path == nil && methods == .max && headerCount == 0 && queryCount == 0 }

    func hold(for request: RoutedRequest) -> Bool {
        guard takes(request) else { return false }
        for index in 0..<headerCount where unsafe !header[index].holds(forHeaderOf: request) { return false }
        for index in 0..<queryCount where unsafe !query[index].holds(forQueryOf: request) { return false }
        guard let path else { return true }
        return unsafe path.matches(request.path, request.pathCount)
    }

    private func takes(_ request: RoutedRequest) -> Bool {
        guard methods >> UInt16(request.method.rawValue) & 1 != 0 else { return false }
        guard request.method == .other, methods != .max else { return true }
        for index in 0..<otherMethodCount
        where unsafe otherMethods[index].equals(request.received, count: request.methodCount) { return true }
        return false
    }
}

/// What routes look at in a request.
@safe
struct RoutedRequest: BitwiseCopyable {
    /// The head; the method stands at its front, and `fields` are offsets into it.
    let received: UnsafePointer<UInt8>
    let method: Method
    let methodCount: Int
    let fields: UnsafeBufferPointer<Field>
    /// In normal form.
    var path: UnsafePointer<UInt8>
    var pathCount: Int
    /// Without the question mark; as received.
    let query: UnsafePointer<UInt8>
    let queryCount: Int
}

/// The questions of a lookup, answered from the compiled conditions.
@safe
struct ConditionQuestions: RouteQuestions {
    /// By route.
    let conditions: UnsafeMutablePointer<RouteConditions>
    var request: RoutedRequest

    func holds(_ route: Int32) -> Bool { unsafe conditions[Int(route)].hold(for: request) }
    @inline(__always) func compared() {}
}

/// Compiled regular expressions, each text once.
final class AutomatonTables {
    private var compiled: [String: (table: AutomatonTable, fixedPrefix: [UInt8])] = [:]
    private let arena: Arena

    init(arena: Arena) { self.arena = arena }

    func table(_ text: String) throws(PatternError) -> AutomatonTable { try entry(text).table }

    /// Bytes that every match begins with.
    func fixedPrefix(_ text: String) throws(PatternError) -> [UInt8] { try entry(text).fixedPrefix }

    private func entry(_ text: String) throws(PatternError) -> (table: AutomatonTable, fixedPrefix: [UInt8]) {
        if let entry = compiled[text] { return entry }
        let automaton = try Automaton(text)
        let entry = unsafe (
            table: AutomatonTable(
                classes: arena.make(automaton.classes), rows: arena.make(automaton.rows), stride: automaton.stride,
                start: automaton.start), fixedPrefix: automaton.fixedPrefix
        )
        compiled[text] = entry
        return entry
    }
}
