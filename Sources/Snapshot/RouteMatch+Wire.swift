/// The wire form of what a route matches. Regular expressions travel as text; a node compiles them when it applies
/// the snapshot, and refuses it when one doesn't compile.
extension WireWriter {
    mutating func write(_ match: RouteMatch) {
        write(list: match.hosts) { out, host in
            switch host {
            case .exact(let name): out.write(UInt8(0)); out.write(name)
            case .suffix(let name): out.write(UInt8(1)); out.write(name)
            }
        }
        switch match.path {
        case nil: write(UInt8(0))
        case .exact(let path)?: write(UInt8(1)); write(path)
        case .prefix(let path)?: write(UInt8(2)); write(path)
        case .regex(let path)?: write(UInt8(3)); write(path)
        }
        write(list: match.methods) { $0.write($1) }
        write(list: match.protocols) { $0.write($1) }
        for conditions in [match.header, match.query] {
            write(list: conditions) { out, condition in
                out.write(condition.name)
                switch condition.pattern {
                case .exact(let text): out.write(UInt8(0)); out.write(text)
                case .prefix(let text): out.write(UInt8(1)); out.write(text)
                case .regex(let text): out.write(UInt8(2)); out.write(text)
                case .present: out.write(UInt8(3))
                case .absent: out.write(UInt8(4))
                }
            }
        }
    }
}

extension WireReader {
    mutating func readRouteMatch() throws(WireError) -> RouteMatch {
        let hosts = try readList { (reader) throws(WireError) -> HostPattern in
            switch try reader.read(UInt8.self) {
            case 0: .exact(try reader.readString())
            case 1: .suffix(try reader.readString())
            default: throw .invalid("host pattern")
            }
        }
        let path: PathPattern?
        switch try read(UInt8.self) {
        case 0: path = nil
        case 1: path = .exact(try readString())
        case 2: path = .prefix(try readString())
        case 3: path = .regex(try readString())
        default: throw .invalid("path pattern")
        }
        let methods = try readList { (reader) throws(WireError) in try reader.readString() }
        let protocols = try readList { (reader) throws(WireError) in try reader.readString() }
        guard protocols.allSatisfy({ (1...255).contains($0.utf8.count) }) else { throw .invalid("ALPN name") }
        return RouteMatch(
            hosts: hosts, path: path, methods: methods, header: try readValueConditions(),
            query: try readValueConditions(), protocols: protocols)
    }

    private mutating func readValueConditions() throws(WireError) -> [ValueCondition] {
        try readList { (reader) throws(WireError) in
            let name = try reader.readString()
            let pattern: ValuePattern =
                switch try reader.read(UInt8.self) {
                case 0: .exact(try reader.readString())
                case 1: .prefix(try reader.readString())
                case 2: .regex(try reader.readString())
                case 3: .present
                case 4: .absent
                default: throw .invalid("value pattern")
                }
            return ValueCondition(name, pattern)
        }
    }
}
