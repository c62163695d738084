/// Whether `text` is `uri-host [":" port]` (RFC 3986 §3.2.2), without user information, with a host.
///
/// - Parameter portRequired: As in the target of CONNECT (RFC 9110 §9.3.6).
package func isAuthority(_ text: Span<UInt8>, portRequired: Bool = false) -> Bool {
    var position = 0
    if !text.isEmpty, text[0] == 0x5b {
        // "[" IPv6address "]": only the alphabet is checked, which keeps delimiters out. No IPvFuture, no zone.
        position = 1
        while position < text.count, text[position] != 0x5d {
            let byte = text[position]
            guard hexDigit(byte) != nil || byte == 0x3a || byte == 0x2e else { return false }
            position += 1
        }
        guard position > 1, position < text.count else { return false }
        position += 1
    } else {
        while position < text.count, text[position] != 0x3a {
            switch text[position] {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: break
            // "!" "$" "&'()*+,-." ";" "=" "_" "~"
            case 0x21, 0x24, 0x26...0x2e, 0x3b, 0x3d, 0x5f, 0x7e: break
            case 0x25:
                guard position + 2 < text.count, hexDigit(text[position + 1]) != nil,
                    hexDigit(text[position + 2]) != nil
                else { return false }
            default: return false
            }
            position += 1
        }
        guard position > 0 else { return false }
    }
    guard position < text.count else { return !portRequired }
    guard text[position] == 0x3a else { return false }
    let digits = text.count - position - 1
    guard digits <= 5, digits > 0 || !portRequired else { return false }
    var port = 0
    for index in position + 1..<text.count {
        let digit = text[index] &- 0x30
        guard digit <= 9 else { return false }
        port = port * 10 + Int(digit)
    }
    return port <= 65_535
}
