/// Whether a path of `match` can be one that routes see: in its normal form (RFC 3986 §6.2.2), several slashes taken for one.
enum MatchablePath {
    /// Why no request's path is equal to `path`, or begins with it; nil when one may.
    ///
    /// - Parameter isPrefix: The last segment, and an escape at the end, may go on.
    static func problem(of path: String, isPrefix: Bool) -> (message: String, hint: String)? {
        if path.contains("//") {
            return ("has two slashes in a row, which routes take for one", "write one slash")
        }
        var segments = path.split(separator: "/", omittingEmptySubsequences: false)
        if isPrefix { segments.removeLast() }
        if segments.contains(".") || segments.contains("..") {
            return ("has a dot segment, which is removed before routes are asked", "write the path without it")
        }
        return escapeProblem(Array(path.utf8), isPrefix: isPrefix)
    }

    private static func escapeProblem(_ bytes: [UInt8], isPrefix: Bool) -> (message: String, hint: String)? {
        for index in bytes.indices where bytes[index] == 0x25 {
            let digits = bytes[(index + 1)...].prefix(2).map { UInt8(hexDigit: $0) }
            if digits.count < 2, isPrefix, !digits.contains(nil) { return nil }
            guard digits.count == 2, let high = digits[0], let low = digits[1] else {
                return ("has a percent sign without two hexadecimal digits", "a percent sign itself is `%25`")
            }
            switch high << 4 | low {
            case 0: return ("has the escape `%00`, which is refused", "no path holds that byte")
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
                let character = Character(Unicode.Scalar(high << 4 | low))
                return (
                    "escapes a character that is decoded before routes are asked", "write \(String(character).quoted)"
                )
            default: break
            }
        }
        return nil
    }
}

extension UInt8 {
    fileprivate init?(hexDigit byte: UInt8) {
        switch byte {
        case 0x30...0x39: self = byte - 0x30
        case 0x41...0x46: self = byte - 0x41 + 10
        case 0x61...0x66: self = byte - 0x61 + 10
        default: return nil
        }
    }
}
