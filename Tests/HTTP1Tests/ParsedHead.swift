import HTTP1
import HTTPMessage

extension HeadLimits {
    /// What a site has that says nothing.
    static let standard = HeadLimits(headBytesMax: 32 * 1024, fieldCountMax: 100)
    /// The widest that offsets of 16 bits allow.
    static let widest = HeadLimits(headBytesMax: 65_535, fieldCountMax: 256)
}

/// One byte for each scalar, so that a literal can hold any byte: `"\u{0b}\u{ff}"`.
func octets(_ text: String) -> [UInt8] {
    text.unicodeScalars.map { UInt8($0.value) }
}

extension String {
    /// One scalar for each byte.
    init(octets: some Sequence<UInt8>) {
        self.init(String.UnicodeScalarView(octets.map { Unicode.Scalar($0) }))
    }
}

/// Lends a copy that ends where its allocation ends, so that the address sanitizer sees a read beyond it.
func withExactCopy<Result>(of bytes: [UInt8], _ body: (Span<UInt8>) -> Result) -> Result {
    let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
    defer { copy.deallocate() }
    _ = copy.initialize(from: bytes)
    return body(UnsafeBufferPointer(copy).span)
}

/// A field line as text, for comparison.
struct ParsedField: Equatable {
    var name: String
    var value: String
    var id: FieldID
}

/// What the request parser made of bytes, as values that can be compared.
struct ParsedRequest {
    let bytes: [UInt8]
    let outcome: ParseOutcome
    let head: RequestHead
    let lines: [Field]

    init(_ bytes: [UInt8], limits: HeadLimits = .standard) {
        var table = FieldTable()
        var head = RequestHead()
        outcome = withExactCopy(of: bytes) { head.parse($0, limits: limits, fields: &table) }
        self.bytes = bytes
        self.head = head
        lines = outcome == .complete ? (0..<table.count).map { table[$0] } : []
    }

    init(_ text: String, limits: HeadLimits = .standard) {
        self.init(octets(text), limits: limits)
    }

    var target: String { slice(head.targetStart, head.targetLength) }
    var origin: String { slice(head.originStart, head.originLength) }
    var path: String { slice(head.originStart, head.pathLength) }
    var host: String { slice(head.hostStart, head.hostLength) }
    var fields: [ParsedField] { lines.map { parsedField($0, in: bytes) } }

    private func slice(_ start: Int, _ length: Int) -> String { String(octets: bytes[start..<start + length]) }
}

/// What the response parser made of bytes.
struct ParsedResponse {
    let bytes: [UInt8]
    let outcome: ParseOutcome
    let head: ResponseHead
    let lines: [Field]

    init(_ bytes: [UInt8], limits: HeadLimits = .standard) {
        var table = FieldTable()
        var head = ResponseHead()
        outcome = withExactCopy(of: bytes) { head.parse($0, limits: limits, fields: &table) }
        self.bytes = bytes
        self.head = head
        lines = outcome == .complete ? (0..<table.count).map { table[$0] } : []
    }

    init(_ text: String, limits: HeadLimits = .standard) {
        self.init(octets(text), limits: limits)
    }

    /// Status code and reason.
    var statusText: String { String(octets: bytes[head.statusStart..<head.statusLineEnd]) }
    var fields: [ParsedField] { lines.map { parsedField($0, in: bytes) } }
}

private func parsedField(_ field: Field, in bytes: [UInt8]) -> ParsedField {
    func slice(_ start: UInt16, _ length: UInt16) -> String {
        String(octets: bytes[Int(start)..<Int(start) + Int(length)])
    }
    return ParsedField(
        name: slice(field.nameStart, field.nameLength), value: slice(field.valueStart, field.valueLength), id: field.id)
}
