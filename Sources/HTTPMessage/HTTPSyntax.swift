/// Which bytes HTTP allows where (RFC 9110 §5, RFC 3986).
package enum HTTPSyntax {
    /// `tchar` of RFC 9110 §5.6.2.
    @inlinable
    package static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e, 0x5f, 0x60, 0x7c, 0x7e: true
        default: false
        }
    }

    /// A byte of a field name as names are compared where gateways make variables of them: letters in lower case, and
    /// everything that is neither letter nor digit as a hyphen.
    @inlinable
    package static func foldedName(_ byte: UInt8) -> UInt8 {
        switch byte {
        case 0x30...0x39, 0x61...0x7a: byte
        case 0x41...0x5a: byte | 0x20
        default: 0x2d
        }
    }

    /// `token`: a method or a field name; at least one byte.
    package static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(isTokenByte)
    }

    /// A byte of `field-value` (RFC 9110 §5.5): visible, space, tab, or obs-text.
    @inlinable
    package static func isFieldValueByte(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != 0x7f || byte == 0x09
    }

    /// A field value: allowed bytes only, no white space at either end.
    package static func isFieldValue(_ text: String) -> Bool {
        let bytes = text.utf8
        guard bytes.allSatisfy(isFieldValueByte) else { return false }
        guard let first = bytes.first, let last = bytes.last else { return true }
        return first != 0x20 && first != 0x09 && last != 0x20 && last != 0x09
    }

    /// Connection-level fields that a site's rules must not touch: framing and hop-by-hop are the proxy's own
    /// (RFC 9110 §7.6.1).
    package static let framingFieldNames: Set<String> = [
        "connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade",
    ]
}
