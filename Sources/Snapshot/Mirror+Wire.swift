/// The wire form of `mirror`.
extension WireWriter {
    mutating func write(_ mirror: Route.Mirror?) {
        write(mirror != nil)
        guard let mirror else { return }
        write(UInt32(mirror.pool))
        write(UInt16(mirror.share))
        write(UInt32(mirror.bodyBytesMax))
        write(UInt32(mirror.countMax))
    }
}

extension WireReader {
    mutating func readMirror(poolCount: Int) throws(WireError) -> Route.Mirror? {
        guard try readBool() else { return nil }
        let mirror = Route.Mirror(
            pool: try readIndex(below: poolCount, "pool"), share: Int(try read(UInt16.self)),
            bodyBytesMax: Int(try read(UInt32.self)), countMax: Int(try read(UInt32.self)))
        guard 1...10_000 ~= mirror.share, mirror.bodyBytesMax <= 1024 * 1024, mirror.countMax > 0 else {
            throw .invalid("mirror")
        }
        return mirror
    }
}
