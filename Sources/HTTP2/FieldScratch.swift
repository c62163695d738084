import CNGHTTP2
import Glibc
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

    /// Takes a response's head that was composed here, so that none of it needs to be checked again.
    ///
    /// - Parameters:
    ///   - text: Its field lines as in HTTP/1.1, with the empty line; something else may follow. Those that frame an HTTP/1.1
    ///     connection are left out.
    ///   - drops: Another field that is left out.
    /// - Returns: Bytes up to and with the empty line; nil when there is none, or when there are too many lines.
    package mutating func fill(
        status: Int, lines text: UnsafePointer<UInt8>, _ textCount: Int, drops: StaticString? = nil
    ) -> Int? {
        begin()
        appendStatus(status)
        var line = unsafe text
        let end = unsafe text + textCount
        while unsafe end - line >= 2 {
            if unsafe line[0] == 0x0d { return unsafe line - text + 2 }
            guard count < FieldScratch.fieldCountMax, let colon = unsafe find(0x3a, line, end),
                let lineEnd = unsafe find(0x0d, colon, end)
            else { return nil }
            let name = unsafe UnsafeBufferPointer(start: line, count: colon - line)
            var value = unsafe colon + 1
            var valueEnd = unsafe lineEnd
            while unsafe value < valueEnd && (value[0] == 0x20 || value[0] == 0x09) { unsafe value += 1 }
            while unsafe valueEnd > value && (valueEnd[-1] == 0x20 || valueEnd[-1] == 0x09) { unsafe valueEnd -= 1 }
            if unsafe !FieldScratch.isOfConnection(name) && !(drops.map { unsafe name.matches($0) } ?? false) {
                unsafe append(line, name.count, value, valueEnd - value)
            }
            unsafe line = unsafe lineEnd + 2
        }
        return nil
    }

    private func find(
        _ byte: CInt, _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        guard let place = unsafe memchr(start, byte, end - start) else { return nil }
        return unsafe UnsafePointer(place.assumingMemoryBound(to: UInt8.self))
    }

    /// RFC 9113 §8.2.2.
    private static func isOfConnection(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        switch name.count {
        case 2: unsafe name.matches("te")
        case 7: unsafe name.matches("upgrade")
        case 10: unsafe name.matches("connection") || name.matches("keep-alive")
        case 16: unsafe name.matches("proxy-connection")
        case 17: unsafe name.matches("transfer-encoding")
        default: false
        }
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
