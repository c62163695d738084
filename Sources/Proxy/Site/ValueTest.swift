import HTTPMessage
import Pattern
import Snapshot

/// A condition on a header field or query parameter, compiled.
@safe
struct ValueTest: BitwiseCopyable {
    private enum Kind: BitwiseCopyable {
        case exact, prefix, present, absent
        case regex(AutomatonTable)
    }
    private let name: Bytes
    private let kind: Kind
    /// Of `exact` and `prefix`.
    private let text: Bytes

    static func compile(
        _ conditions: [ValueCondition], tables: AutomatonTables, arena: Arena
    ) throws(PatternError) -> [ValueTest] {
        var tests: [ValueTest] = []
        for condition in conditions { tests.append(try ValueTest(condition, tables: tables, arena: arena)) }
        return tests
    }

    private init(_ condition: ValueCondition, tables: AutomatonTables, arena: Arena) throws(PatternError) {
        name = arena.make(condition.name)
        var text = ""
        switch condition.pattern {
        case .exact(let value): (kind, text) = (.exact, value)
        case .prefix(let value): (kind, text) = (.prefix, value)
        case .regex(let pattern): kind = .regex(try tables.table(pattern))
        case .present: kind = .present
        case .absent: kind = .absent
        }
        self.text = arena.make(text)
    }

    // MARK: header

    /// Whether any line of that name is as wanted; for `absent`, whether there is none.
    func holds(forHeaderOf request: RoutedRequest) -> Bool {
        for index in unsafe request.fields.indices {
            let field = unsafe request.fields[index]
            guard Int(field.nameLength) == name.count,
                unsafe name.equalsIgnoringCase(request.received + Int(field.nameStart), count: name.count)
            else { continue }
            if case .absent = kind { return false }
            if unsafe accepts(request.received + Int(field.valueStart), Int(field.valueLength)) { return true }
        }
        if case .absent = kind { return true }
        return false
    }

    private func accepts(_ value: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        switch kind {
        case .exact: unsafe text.equals(value, count: count)
        case .prefix: count >= text.count ? unsafe text.equals(value, count: text.count) : false
        case .regex(let table): unsafe table.matches(value, count)
        case .present: true
        case .absent: false
        }
    }

    // MARK: query

    /// Whether the first parameter of that name is as wanted; for `absent`, whether there is none.
    func holds(forQueryOf request: RoutedRequest) -> Bool {
        var start = 0
        // An empty query has no parameter; "a=1&" has one.
        while start < request.queryCount {
            var end = start
            var equals = -1
            while end < request.queryCount, unsafe request.query[end] != 0x26 {
                if unsafe equals < 0 && request.query[end] == 0x3d { equals = end }
                end += 1
            }
            let nameEnd = equals < 0 ? end : equals
            if end > start, unsafe compare(DecodedBytes(request.query, start, nameEnd), name, wholly: true) {
                return unsafe accepts(DecodedBytes(request.query, equals < 0 ? end : equals + 1, end))
            }
            start = end + 1
        }
        if case .absent = kind { return true }
        return false
    }

    private func accepts(_ value: DecodedBytes) -> Bool {
        switch kind {
        case .exact: return compare(value, text, wholly: true)
        case .prefix: return compare(value, text, wholly: false)
        case .regex(let table):
            var value = value
            var state = table.start
            while let byte = value.next() {
                state = table.next(state, byte)
                if state == AutomatonTable.dead { return false }
            }
            return table.accepts(state)
        case .present: return true
        case .absent: return false
        }
    }

    private func compare(_ bytes: DecodedBytes, _ text: Bytes, wholly: Bool) -> Bool {
        var bytes = bytes
        for index in 0..<text.count {
            guard let byte = bytes.next(), unsafe byte == text.base[index] else { return false }
        }
        return !wholly || bytes.next() == nil
    }
}

/// Bytes with their percent-escapes decoded on the way (RFC 3986 §2.1). What only looks like an escape stays as it is,
/// and so does `+`: it stands for a space in forms only.
@safe
private struct DecodedBytes: BitwiseCopyable {
    private let base: UnsafePointer<UInt8>
    private var position: Int
    private let end: Int

    init(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) {
        unsafe self.base = unsafe base
        position = start
        self.end = end
    }

    mutating func next() -> UInt8? {
        guard position < end else { return nil }
        let byte = unsafe base[position]
        position += 1
        guard byte == 0x25, position + 1 < end,
            let high = unsafe NormalPath.hexDigit(base[position]),
            let low = unsafe NormalPath.hexDigit(base[position + 1])
        else { return byte }
        position += 2
        return high << 4 | low
    }
}
