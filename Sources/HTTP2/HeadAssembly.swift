import CLinux
package import EventLoop
import Glibc
import HTTPMessage

/// One header block on its way into the form of an HTTP/1.1 message, by the strict rules of RFC 9113 §8.2 and §8.3.
///
///     block:  pseudo-field values │ request or status line │ field lines │ empty line
///                                 └─ where the message begins
///
/// The parser of HTTP/1.1 reads the result as it reads any other head. What it could take for another message than the
/// peer sent (line ends in values, names that are no tokens, fields that frame a connection) never gets there.
package struct HeadAssembly: BitwiseCopyable {
    package enum Form: UInt8, BitwiseCopyable, Sendable {
        case request
        case response
        case trailers
    }

    private struct Place: BitwiseCopyable {
        var start = 0
        var count = -1
        var isThere: Bool { count >= 0 }
    }

    package private(set) var buffer = Buffer()
    package private(set) var form: Form
    /// It breaks a rule: the stream is refused.
    package private(set) var isMalformed = false
    /// It is larger than allowed: what comes is thrown away.
    package private(set) var isOversized = false
    package private(set) var status = 0
    package private(set) var urgency = StreamRecord.urgencyDefault
    /// Bytes of names and values with 32 for each field, as RFC 9113 §6.5.2 counts.
    package private(set) var decodedBytes = 0
    private let headBytesMax: Int
    private let fieldCountMax: Int
    private var fieldCount = 0
    private var hasBegunFields = false
    private var hasContentLength = false
    private var hasHost = false
    private var isConnect = false
    private var method = Place()
    private var scheme = Place()
    private var authority = Place()
    private var path = Place()
    private var `protocol` = Place()
    /// The line of `cookie`: where a crumb is added (RFC 9113 §8.2.3).
    private var cookieEnd = 0

    package init(_ form: Form, _ buffer: Buffer, headBytesMax: Int, fieldCountMax: Int) {
        self.form = form
        self.buffer = buffer
        self.headBytesMax = headBytesMax
        self.fieldCountMax = fieldCountMax
        hasBegunFields = form == .trailers
    }

    /// In place of one where there is none.
    static var none: HeadAssembly { HeadAssembly(.trailers, Buffer(), headBytesMax: 0, fieldCountMax: 0) }

    /// The block is done with, or was given away.
    package mutating func takeBuffer() -> Buffer {
        defer { buffer = Buffer() }
        return buffer
    }

    // MARK: fields

    package mutating func add(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        decodedBytes += name.count + value.count + 32
        guard !isMalformed && !isOversized else { return }
        if name.count > 0, unsafe name[0] == 0x3a {
            unsafe addPseudo(name, value)
            return
        }
        fieldCount += 1
        guard unsafe isFieldName(name), unsafe isFieldValue(value) else {
            isMalformed = true
            return
        }
        if !hasBegunFields { beginFields() }
        guard fieldCount <= fieldCountMax else {
            isOversized = true
            return
        }
        unsafe addField(name, value)
    }

    /// Breaks a rule that is checked elsewhere.
    mutating func refuse() { isMalformed = true }

    private mutating func addPseudo(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        // Pseudo-fields stand in front, once each, and never in trailers (§8.3).
        guard !hasBegunFields else {
            isMalformed = true
            return
        }
        switch form {
        case .request:
            switch name.count {
            case 5 where unsafe name.matchesExactly(":path"): unsafe path = kept(value, after: path)
            case 7 where unsafe name.matchesExactly(":method"): unsafe method = kept(value, after: method)
            case 7 where unsafe name.matchesExactly(":scheme"): unsafe scheme = kept(value, after: scheme)
            case 9 where unsafe name.matchesExactly(":protocol"):
                unsafe `protocol` = kept(value, after: `protocol`)
            case 10 where unsafe name.matchesExactly(":authority"):
                unsafe authority = kept(value, after: authority)
            default: isMalformed = true
            }
        case .response:
            guard unsafe name.matchesExactly(":status") && status == 0 && value.count == 3 else {
                isMalformed = true
                return
            }
            for index in 0..<3 {
                let digit = unsafe value[index] &- 0x30
                guard digit <= 9 else {
                    isMalformed = true
                    return
                }
                status = status * 10 + Int(digit)
            }
            // 101 has no place in HTTP/2 (§8.6).
            if !(100...599).contains(status) || status == 101 { isMalformed = true }
        case .trailers: isMalformed = true
        }
    }

    /// - Parameter place: Where an earlier field of that name is kept.
    private mutating func kept(_ value: UnsafeBufferPointer<UInt8>, after place: Place) -> Place {
        // Once, and without a delimiter of a request line or a field line.
        guard unsafe !place.isThere && isTarget(value) else {
            isMalformed = true
            return place
        }
        let place = Place(start: buffer.end, count: value.count)
        unsafe append(value)
        return place
    }

    /// The pseudo-fields are there: writes the first line, and `host` from the authority.
    private mutating func beginFields() {
        hasBegunFields = true
        let start = buffer.end
        switch form {
        case .trailers: return
        case .response:
            guard status > 0 else {
                isMalformed = true
                return
            }
            append("HTTP/1.1 ")
            appendDecimal(status)
            append(" ")
            // There are clients that take a status line without words for none.
            append(ReasonPhrase.of(status))
            append("\r\n")
        case .request:
            guard checkPseudo() else {
                isMalformed = true
                return
            }
            isConnect = unsafe method.count == 7 && text(method).matchesExactly("CONNECT")
            if isConnect && `protocol`.isThere {
                // RFC 8441 §4: what HTTP/1.1 asks for by `Upgrade`.
                append("GET ")
            } else {
                unsafe append(text(method))
                append(" ")
            }
            if isConnect && !`protocol`.isThere { unsafe append(text(authority)) } else { unsafe append(text(path)) }
            append(" HTTP/1.1\r\n")
            if authority.isThere {
                append("host: ")
                unsafe append(text(authority))
                append("\r\n")
            }
            if `protocol`.isThere {
                append("upgrade: ")
                unsafe append(text(`protocol`))
                append("\r\nconnection: upgrade\r\n")
                // HTTP/2 has no use for the key (RFC 8441 §5), the endpoint insists on one. It is there to tell that who
                // answers speaks WebSocket, which the proxy sees by the 101; a secret it is not.
                append("sec-websocket-key: c2x1aWNlLWgyLXdzLWtleQ==\r\n")
            }
        }
        buffer.start = start
    }

    /// RFC 9113 §8.3.1 and §8.5, RFC 8441 §4: which pseudo-fields a request has, and what may be in them.
    private func checkPseudo() -> Bool {
        guard method.isThere, unsafe isToken(text(method)) else { return false }
        let isConnect = unsafe text(method).matchesExactly("CONNECT")
        if isConnect && !`protocol`.isThere {
            return authority.count > 0 && !scheme.isThere && !path.isThere
        }
        guard !`protocol`.isThere || isConnect && `protocol`.count > 0 else { return false }
        guard scheme.isThere, path.count > 0, !authority.isThere || authority.count > 0 else { return false }
        guard unsafe text(scheme).matchesExactly("http") || text(scheme).matchesExactly("https") else { return false }
        let first = unsafe text(path)[0]
        let isOptions = unsafe text(method).matchesExactly("OPTIONS")
        return first == 0x2f || first == 0x2a && path.count == 1 && isOptions
    }

    private mutating func addField(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        switch name.count {
        case 2 where unsafe name.matchesExactly("te"):
            // The one word that may be said to the next hop (§8.2.2).
            guard unsafe form == .request && value.matches("trailers") else {
                isMalformed = true
                return
            }
            append("te: trailers\r\nconnection: te\r\n")
            return
        case 4 where unsafe name.matchesExactly("host"):
            guard form == .request else { break }
            guard !hasHost else {
                isMalformed = true
                return
            }
            hasHost = true
            if authority.isThere {
                // One authority: both say the same, or the message is refused (§8.3.1).
                if unsafe !isAuthority(value) { isMalformed = true }
                return
            }
            if value.count == 0 { isMalformed = true }
        case 6 where unsafe name.matchesExactly("cookie") && form == .request:
            unsafe addCookie(value)
            return
        case 8 where unsafe name.matchesExactly("priority"):
            if form == .request { unsafe urgency = HeadAssembly.urgency(value) ?? urgency }
        case 17 where unsafe `protocol`.isThere && name.matchesExactly("sec-websocket-key"): return
        case 14 where unsafe name.matchesExactly("content-length"):
            hasContentLength = true
        // Fields of a connection have no place here (§8.2.2).
        case 7, 10, 16, 17:
            if unsafe name.matchesExactly("upgrade") || name.matchesExactly("connection")
                || name.matchesExactly("keep-alive") || name.matchesExactly("proxy-connection")
                || name.matchesExactly("transfer-encoding")
            {
                isMalformed = true
                return
            }
        default: break
        }
        unsafe appendLine(name, value)
    }

    /// One field line; the name has a byte at least.
    private mutating func appendLine(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        guard fits(name.count + value.count + 2) else { return }
        var out = unsafe buffer.tail
        unsafe memcpy(out, name.baseAddress!, name.count)
        unsafe out += name.count
        unsafe out[0] = 0x3a
        unsafe out[1] = 0x20
        unsafe out += 2
        if let source = value.baseAddress { unsafe memcpy(out, source, value.count) }
        unsafe out += value.count
        unsafe out[0] = 0x0d
        unsafe out[1] = 0x0a
        buffer.end += name.count + value.count + 4
    }

    /// Crumbs become one field again, wherever they came.
    private mutating func addCookie(_ value: UnsafeBufferPointer<UInt8>) {
        guard cookieEnd > 0 else {
            append("cookie: ")
            unsafe append(value)
            cookieEnd = buffer.end
            append("\r\n")
            return
        }
        let added = value.count + 2
        guard fits(added) else { return }
        unsafe memmove(
            buffer.base! + cookieEnd + added, buffer.base! + cookieEnd, buffer.end - cookieEnd)
        unsafe buffer.base![cookieEnd] = 0x3b
        unsafe buffer.base![cookieEnd + 1] = 0x20
        if let source = value.baseAddress { unsafe memcpy(buffer.base! + cookieEnd + 2, source, value.count) }
        cookieEnd += added
        buffer.end += added
    }

    // MARK: the end

    /// The block is complete.
    ///
    /// - Parameters:
    ///   - endsStream: Nothing follows the head.
    ///   - hasBody: false for a response that has none whatever it says: to HEAD.
    package mutating func finish(endsStream: Bool, hasBody: Bool = true) {
        if !hasBegunFields && !isMalformed && !isOversized { beginFields() }
        guard !isMalformed && !isOversized, form != .trailers else { return }
        // RFC 9113 §8.1.1: without a length HTTP/2 ends a body by END_STREAM, HTTP/1.1 by its last chunk.
        if !hasContentLength && !isConnect {
            let mayHaveBody = hasBody && (form == .request || status >= 200 && status != 204 && status != 304)
            if !endsStream {
                if mayHaveBody { append("transfer-encoding: chunked\r\n") }
            } else if form == .response && mayHaveBody {
                append("content-length: 0\r\n")
            }
        }
        append("\r\n")
    }

    /// Whether the body comes in chunks that the reader has to frame: it has no stated length.
    package var isChunked: Bool { !hasContentLength }

    // MARK: bytes

    private func text(_ place: Place) -> UnsafeBufferPointer<UInt8> {
        guard place.count > 0 else { return unsafe UnsafeBufferPointer(start: nil, count: 0) }
        return unsafe UnsafeBufferPointer(start: buffer.base! + place.start, count: place.count)
    }

    private func isAuthority(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        let expected = unsafe text(authority)
        guard value.count == expected.count else { return false }
        for index in 0..<value.count {
            let (a, b) = unsafe (value[index], expected[index])
            guard a == b || HTTPSyntax.foldedName(a) == HTTPSyntax.foldedName(b) && (a ^ b) == 0x20 else {
                return false
            }
        }
        return true
    }

    private mutating func fits(_ count: Int) -> Bool {
        // The last line and the line that ends the head have room left.
        if buffer.end - buffer.start + count <= headBytesMax && count + HeadAssembly.reserve <= buffer.room {
            return true
        }
        isOversized = true
        return false
    }

    /// Bytes that `finish` may add.
    private static let reserve = 64

    private mutating func append(_ source: UnsafeBufferPointer<UInt8>) {
        guard source.count > 0, fits(source.count) else { return }
        unsafe buffer.append(source.baseAddress!, count: source.count)
    }

    private mutating func append(_ text: StaticString) {
        guard text.utf8CodeUnitCount <= buffer.room else {
            isOversized = true
            return
        }
        unsafe buffer.append(text.utf8Start, count: text.utf8CodeUnitCount)
    }

    private mutating func appendDecimal(_ number: Int) {
        for divisor in [100, 10, 1] {
            guard buffer.room > 0 else { return }
            unsafe buffer.tail.pointee = UInt8(0x30 + number / divisor % 10)
            buffer.end += 1
        }
    }
}

// MARK: alphabets

extension HeadAssembly {
    /// RFC 9113 §8.2.1: a token without capitals.
    private func isFieldName(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        guard unsafe isToken(name) else { return false }
        // Without a branch for each byte: for the vector unit.
        var hasCapital = false
        for index in 0..<name.count { unsafe hasCapital = (name[index] &- 0x41 < 26) || hasCapital }
        return !hasCapital
    }

    private func isToken(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let start = text.baseAddress, text.count > 0 else { return false }
        return unsafe clinux_scan_token(start, text.count) == text.count
    }

    /// RFC 9113 §8.2.1: no NUL, CR or LF, and no white space around it. No other control character either, as in
    /// HTTP/1.1.
    private func isFieldValue(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let start = value.baseAddress, value.count > 0 else { return true }
        guard unsafe clinux_scan_value(start, value.count) == value.count else { return false }
        let (first, last) = unsafe (value[0], value[value.count - 1])
        return first != 0x20 && first != 0x09 && last != 0x20 && last != 0x09
    }

    /// No space and no control character.
    private func isTarget(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let start = value.baseAddress, value.count > 0 else { return true }
        return unsafe clinux_scan_target(start, value.count) == value.count
    }

    /// `u` of a `Priority` field (RFC 9218 §4.1), a dictionary of structured fields; nil when there is none.
    package static func urgency(_ value: UnsafeBufferPointer<UInt8>) -> UInt8? {
        var found: UInt8?
        var index = 0
        while index < value.count {
            while index < value.count, unsafe value[index] == 0x20 || value[index] == 0x09 { index += 1 }
            var end = index
            while end < value.count, unsafe value[end] != 0x2c { end += 1 }
            if unsafe end >= index + 3 && value[index] == 0x75 && value[index + 1] == 0x3d {
                let digit = unsafe value[index + 2] &- 0x30
                let isWord = unsafe end == index + 3 || value[index + 3] == 0x3b || value[index + 3] == 0x20
                if digit <= 7 && isWord { found = digit }
            }
            index = end + 1
        }
        return found
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Byte for byte.
    func matchesExactly(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let start = baseAddress else { return false }
        return unsafe memcmp(start, text.utf8Start, count) == 0
    }
}
