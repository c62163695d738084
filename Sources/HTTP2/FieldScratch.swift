import CNGHTTP2
import HTTPMessage

/// Fields on their way into a header block, in the library's form: one table per worker, used again for each block.
@safe
package struct FieldScratch: ~Copyable {
    /// Fields of one block at most.
    package static let fieldCountMax = FieldTable.capacity

    let values: UnsafeMutablePointer<nghttp2_nv>
    private(set) var count = 0
    /// The text of `:status`.
    private let status: UnsafeMutablePointer<UInt8>

    package init() {
        unsafe values = .allocate(capacity: FieldTable.capacity + 8)
        unsafe status = .allocate(capacity: 4)
    }

    deinit {
        unsafe values.deallocate()
        unsafe status.deallocate()
    }

    mutating func begin() { count = 0 }

    mutating func appendStatus(_ number: Int) {
        unsafe status[0] = UInt8(0x30 + number / 100 % 10)
        unsafe status[1] = UInt8(0x30 + number / 10 % 10)
        unsafe status[2] = UInt8(0x30 + number % 10)
        unsafe append(":status", status, 3)
    }

    mutating func append(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>) {
        guard let start = value.baseAddress, value.count > 0 else { return }
        unsafe append(name, start, value.count)
    }

    mutating func append(_ name: StaticString, _ value: StaticString) {
        unsafe append(name, value.utf8Start, value.utf8CodeUnitCount)
    }

    mutating func append(_ name: StaticString, _ value: UnsafePointer<UInt8>, _ valueCount: Int) {
        unsafe append(name.utf8Start, name.utf8CodeUnitCount, value, valueCount)
    }

    /// A field line of HTTP/1.1. What belongs to that connection stays behind (RFC 9113 §8.2.2); the library writes names in
    /// lower case.
    mutating func append(_ field: Field, _ text: UnsafePointer<UInt8>, drops: StaticString?) {
        switch field.id {
        case .connection, .keepAlive, .proxyConnection, .te, .transferEncoding, .upgrade: return
        default: break
        }
        let name = unsafe UnsafeBufferPointer(start: text + Int(field.nameStart), count: Int(field.nameLength))
        if let drops, unsafe name.matches(drops) { return }
        unsafe append(name.baseAddress!, name.count, text + Int(field.valueStart), Int(field.valueLength))
    }

    private mutating func append(
        _ name: UnsafePointer<UInt8>, _ nameCount: Int, _ value: UnsafePointer<UInt8>, _ valueCount: Int
    ) {
        unsafe values[count] = nghttp2_nv(
            name: UnsafeMutablePointer(mutating: name), value: UnsafeMutablePointer(mutating: value),
            namelen: nameCount, valuelen: valueCount, flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
        count += 1
    }
}
