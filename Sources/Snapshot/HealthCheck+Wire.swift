/// The wire form of `health`.
extension WireWriter {
    mutating func write(_ health: HealthCheck?) {
        write(health != nil)
        guard let health else { return }
        switch health.probe {
        case .tcp: write(UInt8(0))
        case .http(let probe):
            write(UInt8(1))
            write(probe)
        case .grpc(let service):
            write(UInt8(2))
            write(service)
        }
        write(health.interval)
        write(health.timeout)
        write(UInt32(health.rise))
        write(UInt32(health.fall))
        write(health.fastInterval)
    }

    private mutating func write(_ probe: HTTPProbe) {
        write(probe.method)
        write(probe.path)
        write(list: probe.fields) { out, field in
            out.write(field.name)
            out.write(field.value)
        }
        write(list: probe.expect) { out, range in
            out.write(UInt16(range.lowerBound))
            out.write(UInt16(range.upperBound))
        }
        write(probe.body != nil)
        if let body = probe.body { write(body) }
    }
}

extension WireReader {
    mutating func readHealth() throws(WireError) -> HealthCheck? {
        guard try readBool() else { return nil }
        let probe: HealthCheck.Probe
        switch try read(UInt8.self) {
        case 0: probe = .tcp
        case 1: probe = .http(try readHTTPProbe())
        case 2: probe = .grpc(service: try readString())
        default: throw .invalid("probe")
        }
        return HealthCheck(
            probe: probe, interval: try readDuration(), timeout: try readDuration(),
            rise: Int(try read(UInt32.self)), fall: Int(try read(UInt32.self)), fastInterval: try readDuration())
    }

    private mutating func readHTTPProbe() throws(WireError) -> HTTPProbe {
        HTTPProbe(
            method: try readString(), path: try readString(),
            fields: try readList { (reader) throws(WireError) in
                HTTPProbe.Field(name: try reader.readString(), value: try reader.readString())
            },
            expect: try readList { (reader) throws(WireError) -> ClosedRange<Int> in
                let (low, high) = (Int(try reader.read(UInt16.self)), Int(try reader.read(UInt16.self)))
                guard low <= high else { throw .invalid("status range") }
                return low...high
            },
            body: try readBool() ? try readString() : nil)
    }
}
