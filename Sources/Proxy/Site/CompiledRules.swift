import HTTPMessage
import Snapshot

/// Forwarding fields that the proxy sets on every request; a rule for one of them replaces the proxy's.
struct ForwardingFields: OptionSet, BitwiseCopyable {
    let rawValue: UInt8

    static let forwardedFor = ForwardingFields(rawValue: 1)
    static let forwardedProto = ForwardingFields(rawValue: 2)
    static let forwardedHost = ForwardingFields(rawValue: 4)
    static let realIP = ForwardingFields(rawValue: 8)
    static let via = ForwardingFields(rawValue: 16)
    static let requestID = ForwardingFields(rawValue: 32)
    static let forwarded = ForwardingFields(rawValue: 64)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The field of that name (lower case), if it is one of these.
    init(name: String) {
        self =
            switch name {
            case "x-forwarded-for": .forwardedFor
            case "x-forwarded-proto": .forwardedProto
            case "x-forwarded-host": .forwardedHost
            case "x-real-ip": .realIP
            case "via": .via
            case "x-request-id": .requestID
            case "forwarded": .forwarded
            default: []
            }
    }
}

/// The header rules of one route and direction, compiled to what composing a head needs.
@safe
struct CompiledRules: BitwiseCopyable {
    /// Names whose received lines are left out, in lower case.
    private let dropped: UnsafeMutablePointer<Bytes>
    private let droppedCount: Int
    /// A bit per length (modulo 64) of a dropped name: most fields are seen to be none of them by this.
    private let droppedLengths: UInt64
    /// What `set` and `add` append, all lines in a row; a literal holds name, colon and CRLF as well.
    private let lines: CompiledTemplate
    /// Forwarding fields that the rules remove or set themselves.
    let replacedForwarding: ForwardingFields
    /// The rules bring a `Host` of their own.
    let setsHost: Bool

    init(_ rules: HeaderRules, arena: Arena) {
        let names = Set(rules.remove + rules.set.map { $0.name.lowercased() })
        unsafe dropped = arena.make(names.map(arena.make))
        droppedCount = names.count
        droppedLengths = names.reduce(0) { $0 | 1 << UInt64($1.utf8.count & 63) }
        setsHost = names.contains("host")
        replacedForwarding = names.reduce([]) { $0.union(ForwardingFields(name: $1)) }
        var parts: [CompiledTemplate.Part] = []
        for rule in rules.set + rules.add {
            var text = "\(rule.name): "
            for part in rule.value {
                if case .literal(let literal) = part {
                    text += literal
                } else {
                    parts.append(.literal(arena.make(text)))
                    parts.append(.init(part, arena: arena))
                    text = ""
                }
            }
            parts.append(.literal(arena.make(text + "\r\n")))
        }
        lines = CompiledTemplate(parts, arena: arena)
    }

    var partCount: Int { lines.count }

    var isEmpty: Bool { droppedCount == 0 && partCount == 0 }

    subscript(index: Int) -> CompiledTemplate.Part { lines[index] }

    /// Whether received lines of that name are left out; so are those that only look like it (`X_User` for `X-User`).
    func drops(_ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        guard droppedLengths >> UInt64(count & 63) & 1 != 0 else { return false }
        for index in 0..<droppedCount where unsafe dropped[index].resembles(name, count: count) {
            return true
        }
        return false
    }

    /// - Parameter name: In lower case.
    func drops(_ name: StaticString) -> Bool { unsafe drops(name.utf8Start, name.utf8CodeUnitCount) }
}
