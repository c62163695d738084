/// The wire form of what a route matches.
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
        default: throw .invalid("path pattern")
        }
        return RouteMatch(hosts: hosts, path: path)
    }
}
