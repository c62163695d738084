import Telemetry

/// The wire form of `access_log`.
extension WireWriter {
    mutating func write(_ log: AccessLogSettings?) {
        write(log != nil)
        guard let log else { return }
        switch log.target {
        case .standardOutput: write(UInt8(0))
        case .file(let path):
            write(UInt8(1))
            write(path)
        case .syslog(let address):
            write(UInt8(2))
            write(address)
        }
        write(log.format.rawValue)
        write(list: log.fields) { $0.write($1.rawValue) }
        write(UInt64(log.fileBytesMax ?? 0))
        write(UInt16(log.keptFiles))
    }
}

extension WireReader {
    mutating func readAccessLog() throws(WireError) -> AccessLogSettings? {
        guard try readBool() else { return nil }
        let target: AccessLogSettings.Target
        switch try read(UInt8.self) {
        case 0: target = .standardOutput
        case 1: target = .file(try readString())
        case 2: target = .syslog(try readSocketAddress())
        default: throw .invalid("access log target")
        }
        let format: AccessLogSettings.Format = try readCase()
        let fields: [AccessField] = try readList { (reader) throws(WireError) in try reader.readCase() }
        guard !fields.isEmpty else { throw .invalid("access log fields") }
        guard let bytes = Int(exactly: try read(UInt64.self)) else { throw .invalid("access log size") }
        return AccessLogSettings(
            target: target, format: format, fields: fields, fileBytesMax: bytes == 0 ? nil : bytes,
            keptFiles: Int(try read(UInt16.self)))
    }
}
