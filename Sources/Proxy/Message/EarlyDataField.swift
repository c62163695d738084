import HTTP1
import HTTPMessage

/// `Early-Data` (RFC 8470 §5.1).
enum EarlyDataField {
    private static let name: StaticString = "early-data"

    /// Whether the field is one; ours then stands in its place.
    static func isName(of field: Field, _ received: UnsafePointer<UInt8>) -> Bool {
        guard field.id == .other, Int(field.nameLength) == name.utf8CodeUnitCount else { return false }
        for index in 0..<name.utf8CodeUnitCount {
            guard unsafe received[Int(field.nameStart) + index] | 0x20 == name.utf8Start[index] else { return false }
        }
        return true
    }
}
