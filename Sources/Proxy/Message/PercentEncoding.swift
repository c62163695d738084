/// Which bytes stand for themselves where, and how the others are written (RFC 3986 §2.1).
enum PercentEncoding {
    /// How a variable's text is put into what surrounds it.
    enum Place {
        /// A field value: as it is.
        case field
        /// A URI reference: what no URI may hold is escaped, delimiters and escapes stay.
        case uri
        /// A name or value in a query: everything but unreserved characters is escaped.
        case component
    }

    static func allows(_ byte: UInt8, in place: Place) -> Bool {
        switch place {
        case .field: return true
        case .component: return isUnreserved(byte)
        case .uri:
            switch byte {
            // "!" "#$%&'()*+,-./" ":;" "=" "?@" "[" "]" "_" "~"
            case 0x21, 0x23...0x2f, 0x3a, 0x3b, 0x3d, 0x3f, 0x40, 0x5b, 0x5d: return true
            default: return isUnreserved(byte)
            }
        }
    }

    static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: true
        default: false
        }
    }

    static func component(_ text: String) -> String {
        var out: [UInt8] = []
        for byte in text.utf8 {
            if isUnreserved(byte) {
                out.append(byte)
            } else {
                out += [0x25, digit(byte >> 4), digit(byte & 15)]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }

    static func value(ofDigit byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// Whether a name in a query, with escapes and `+`, stands for a text.
    static func equal(_ encoded: Span<UInt8>, _ text: Bytes) -> Bool {
        var index = 0
        var matched = 0
        while index < encoded.count {
            var byte = encoded[index]
            index += 1
            if byte == 0x2b {
                byte = 0x20
            } else if byte == 0x25, index + 1 < encoded.count, let high = value(ofDigit: encoded[index]),
                let low = value(ofDigit: encoded[index + 1])
            {
                byte = high << 4 | low
                index += 2
            }
            guard matched < text.count, unsafe text.base[matched] == byte else { return false }
            matched += 1
        }
        return matched == text.count
    }
}

extension HeadWriter {
    mutating func append(_ text: UnsafePointer<UInt8>, _ count: Int, in place: PercentEncoding.Place) {
        guard place != .field else {
            unsafe append(text, count)
            return
        }
        var start = 0
        for index in 0..<count {
            let byte = unsafe text[index]
            if PercentEncoding.allows(byte, in: place) { continue }
            if index > start { unsafe append(text + start, index - start) }
            append(byte: 0x25)
            append(byte: PercentEncoding.digit(byte >> 4))
            append(byte: PercentEncoding.digit(byte & 15))
            start = index + 1
        }
        if count > start { unsafe append(text + start, count - start) }
    }
}
