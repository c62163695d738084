/// Why bytes from a file or a peer are no message of ours.
package enum WireError: Error, Equatable {
    /// The bytes end inside a value.
    case truncated
    /// A value is outside its range; which one.
    case invalid(String)
    /// The message is complete but bytes follow.
    case trailingBytes
}

/// Appends values in the wire form: little-endian integers, lengths as `UInt32`, text as UTF-8.
package struct WireWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func write<Value: FixedWidthInteger>(_ value: Value) {
        var rest = value.littleEndian
        for _ in 0..<Value.bitWidth / 8 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest = rest >> 8
        }
    }

    package mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }

    package mutating func write(_ value: Double) { write(value.bitPattern) }

    package mutating func write(_ text: String) {
        write(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    package mutating func write(_ data: [UInt8]) {
        write(UInt32(data.count))
        bytes.append(contentsOf: data)
    }

    /// Nanoseconds as `Int64`.
    package mutating func write(_ duration: Duration) { write(duration.wholeNanoseconds) }

    package mutating func write<Element>(
        list: [Element], _ body: (inout WireWriter, Element) -> Void
    ) {
        write(UInt32(list.count))
        for element in list { body(&self, element) }
    }
}

/// Reads what `WireWriter` wrote; every read is checked, nothing is trusted.
package struct WireReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    package var remaining: Int { bytes.endIndex - position }

    package mutating func read<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(WireError) -> Value {
        let width = Value.bitWidth / 8
        guard remaining >= width else { throw .truncated }
        var value: Value = 0
        for index in 0..<width {
            value |= Value(truncatingIfNeeded: bytes[position + index]) << Value(truncatingIfNeeded: index * 8)
        }
        position += width
        return value
    }

    package mutating func readBool() throws(WireError) -> Bool {
        let byte: UInt8 = try read()
        guard byte <= 1 else { throw .invalid("boolean") }
        return byte == 1
    }

    package mutating func readDouble() throws(WireError) -> Double { Double(bitPattern: try read()) }

    package mutating func readBytes() throws(WireError) -> [UInt8] {
        let count = Int(try read(UInt32.self))
        guard remaining >= count else { throw .truncated }
        defer { position += count }
        return [UInt8](bytes[position..<position + count])
    }

    package mutating func readString() throws(WireError) -> String {
        guard let text = String(validating: try readBytes(), as: UTF8.self) else { throw .invalid("UTF-8") }
        return text
    }

    package mutating func readDuration() throws(WireError) -> Duration {
        .nanoseconds(try read(Int64.self))
    }

    /// Each element takes at least one byte, so a count beyond what remains is refused before memory is taken.
    package mutating func readList<Element>(
        _ body: (inout WireReader) throws(WireError) -> Element
    ) throws(WireError) -> [Element] {
        let count = Int(try read(UInt32.self))
        guard count <= remaining else { throw .truncated }
        var list: [Element] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try body(&self)) }
        return list
    }

    /// Reads an index that must lie below `count`.
    package mutating func readIndex(below count: Int, _ what: String) throws(WireError) -> Int {
        let index = Int(try read(UInt32.self))
        guard index < count else { throw .invalid(what) }
        return index
    }

    package mutating func readCase<Value: RawRepresentable>(
        _: Value.Type = Value.self
    ) throws(WireError) -> Value where Value.RawValue == UInt8 {
        guard let value = Value(rawValue: try read()) else { throw .invalid("\(Value.self)") }
        return value
    }

    package func finish() throws(WireError) {
        guard remaining == 0 else { throw .trailingBytes }
    }
}

extension Duration {
    /// Whole nanoseconds; durations of a site file are far below the limit of `Int64` (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
