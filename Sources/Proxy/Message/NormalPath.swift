/// The normal form of a path (RFC 3986 §6.2.2): escapes of unreserved characters decoded, dot segments removed.
///
/// Routes match this form and endpoints get it, so that `/public/../api/` and `/%61pi/` take the route of `/api/` and nobody
/// reads them in another way later. Other escapes, such as `%2F`, mean something else than the character and stay.
///
/// Routes take several slashes in a row for one, as many servers do: `//admin` must not go around the route of `/admin`.
/// Endpoints get all of them.
enum NormalPath {
    /// - Parameters:
    ///   - path: Begins with a slash; a path that doesn't is copied as it is.
    ///   - out: Room for `count` bytes.
    /// - Returns: Bytes written, at most `count`.
    static func write(
        _ path: UnsafePointer<UInt8>, _ count: Int, to out: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var written = 0
        var index = 0
        while index < count {
            var byte = unsafe path[index]
            index += 1
            if byte == 0x25, index + 1 < count,
                let high = unsafe hexDigit(path[index]), let low = unsafe hexDigit(path[index + 1]),
                isUnreserved(high << 4 | low)
            {
                byte = high << 4 | low
                index += 2
            }
            if byte == 0x2f { unsafe written = removeDotSegment(out, written, isLast: false) }
            unsafe out[written] = byte
            written += 1
        }
        return unsafe removeDotSegment(out, written, isLast: true)
    }

    /// Makes one slash of several in a row, in place.
    ///
    /// - Returns: The new length.
    static func mergeSlashes(_ path: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        var written = 0
        for index in 0..<count {
            let byte = unsafe path[index]
            if byte == 0x2f, written > 0, unsafe path[written - 1] == 0x2f { continue }
            unsafe path[written] = byte
            written += 1
        }
        return written
    }

    /// Takes a `.` or `..` segment at the end of what is written back (RFC 3986 §5.2.4).
    ///
    /// - Parameter isLast: The path ends here: the slash before the segment stays.
    /// - Returns: The new length.
    private static func removeDotSegment(_ out: UnsafeMutablePointer<UInt8>, _ count: Int, isLast: Bool) -> Int {
        if unsafe count >= 2 && out[count - 1] == 0x2e && out[count - 2] == 0x2f {
            return count - (isLast ? 1 : 2)
        }
        guard count >= 3,
            unsafe out[count - 1] == 0x2e && out[count - 2] == 0x2e && out[count - 3] == 0x2f
        else { return count }
        var start = count - 3
        while start > 0 {
            start -= 1
            if unsafe out[start] == 0x2f { break }
        }
        return isLast ? start + 1 : start
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: true
        default: false
        }
    }

    static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
