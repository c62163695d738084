package import HTTPMessage

/// The trailer section of a chunked body (RFC 9112 §7.1.2), without the last chunk before it.
package enum TrailerSection {
    /// - Parameters:
    ///   - bytes: Field lines and the empty line behind them.
    ///   - fields: Gets the lines.
    /// - Returns: Whether it is one.
    package static func parse(_ bytes: Span<UInt8>, fieldCountMax: Int, into fields: inout FieldTable) -> Bool {
        guard !bytes.isEmpty, bytes.count < 65_536 else { return false }
        var facts = FieldFacts()
        var end = 0
        let outcome = FieldParser.parse(
            bytes, from: 0, minorVersion: 1,
            limits: HeadLimits(headBytesMax: 65_535, fieldCountMax: fieldCountMax), into: &fields, &facts, end: &end)
        return outcome == .complete && end == bytes.count
    }
}
