public import HTTPMessage

/// A parsed request head: offsets into the bytes it was parsed from, and what follows from them.
@usableFromInline
package struct RequestHead: BitwiseCopyable, Sendable {
    @usableFromInline package var method: Method = .other
    /// The method is at offset 0.
    @usableFromInline package var methodLength = 0
    /// The target as received.
    @usableFromInline package var targetStart = 0
    @usableFromInline package var targetLength = 0
    /// The target in origin form: path and query. Empty for `*`, and for an absolute target without a path.
    @usableFromInline package var originStart = 0
    @usableFromInline package var originLength = 0
    /// The part of the origin form before `?`.
    @usableFromInline package var pathLength = 0
    /// The path has no escape, no segment that begins with a dot and no empty one: it is its own normal form
    /// (RFC 3986 §6.2.2).
    @usableFromInline package var isPathNormal = true
    /// The authority: of the target where it names one, else the value of `Host`.
    @usableFromInline package var hostStart = 0
    @usableFromInline package var hostLength = 0
    /// The target was in absolute form: `Host` must be sent as the authority (RFC 9112 §3.2.2).
    @usableFromInline package var isAbsolute = false
    /// The target's scheme is `https`.
    @usableFromInline package var isTargetSecure = false
    /// The target has an authority, which `Host` must repeat (RFC 9112 §3.2.2, §3.2.3).
    @inlinable package var targetNamesHost: Bool { isAbsolute || method == .connect }
    /// There is an authority or a `Host`, even if it is empty; only HTTP/1.0 may have neither.
    @inlinable package var namesHost: Bool { targetNamesHost || facts.hostCount > 0 }
    @usableFromInline package var minorVersion: UInt8 = 1
    /// Bytes of the head, the empty line included.
    @usableFromInline package var length = 0
    @usableFromInline package var facts = FieldFacts()

    @inlinable package init() {}

    /// RFC 9112 §6.3: a request without `Transfer-Encoding` and `Content-Length` has no body.
    @inlinable
    package var framing: BodyFraming {
        if facts.isChunked { return .chunked }
        return facts.hasContentLength && facts.contentLength > 0 ? .length(facts.contentLength) : .none
    }

    /// The client asks to go on with WebSocket (RFC 6455 §4.1). Other protocols aren't offered to endpoints: what
    /// `h2c` would carry is neither routed nor checked.
    @inlinable
    package var asksForWebSocket: Bool {
        facts.namesWebSocket && facts.connectionUpgrades && method == .get && minorVersion >= 1 && framing == .none
    }

    /// RFC 9112 §9.3: whether the connection may serve another request after this one.
    @inlinable
    package var isPersistent: Bool {
        if facts.closes { return false }
        return minorVersion >= 1 || facts.keepsAlive
    }

    /// Parses the head at the front of `bytes` (RFC 9112 §2–§5).
    ///
    /// - Parameters:
    ///   - bytes: All bytes received so far; more may follow the head. Empty lines before the request line
    ///     (§2.2) are the caller's to take off, see `leadingEmptyLines`.
    ///   - fields: Gets the field lines when the outcome is `.complete`.
    /// - Returns: `.incomplete` until the empty line has arrived, at most until `limits` are exceeded.
    package mutating func parse(
        _ bytes: Span<UInt8>, limits: HeadLimits, fields: inout FieldTable
    ) -> ParseOutcome {
        self = RequestHead()
        // An empty span may have no address, which the scanners need.
        guard !bytes.isEmpty else { return .incomplete }
        let line = parseRequestLine(bytes, limits)
        guard case .complete = line.outcome else { return line.outcome }
        let outcome = FieldParser.parse(
            bytes, from: line.end, minorVersion: minorVersion, limits: limits, into: &fields, &facts, end: &length)
        guard case .complete = outcome else { return outcome }
        return checkHost(bytes, fields)
    }

    /// Empty lines before a request that are passed over: what careless clients send after a body, no more.
    package static let emptyLinesMax = 8

    /// Bytes of empty lines (CRLF) at the front, which a server ignores (RFC 9112 §2.2).
    package static func leadingEmptyLines(_ bytes: Span<UInt8>) -> Int {
        var position = 0
        while position + 1 < bytes.count, bytes[position] == 0x0d, bytes[position + 1] == 0x0a { position += 2 }
        return position
    }

    private mutating func parseRequestLine(
        _ bytes: Span<UInt8>, _ limits: HeadLimits
    ) -> (outcome: ParseOutcome, end: Int) {
        let count = min(bytes.count, limits.headBytesMax)
        func incomplete() -> ParseOutcome {
            bytes.count >= limits.headBytesMax ? .failed(.targetTooLong) : .incomplete
        }
        let methodEnd = scanToken(bytes, 0, count)
        guard methodEnd < count else { return (incomplete(), 0) }
        guard methodEnd > 0, bytes[methodEnd] == 0x20 else {
            // Half of an empty line: `leadingEmptyLines` takes it off once the LF is here.
            let isHalfLine = bytes.count == 1 && bytes[0] == 0x0d
            return (isHalfLine ? .incomplete : .failed(.malformedRequestLine), 0)
        }
        methodLength = methodEnd
        method = unsafe bytes.withUnsafeBufferPointer {
            unsafe Method(UnsafeBufferPointer(rebasing: $0[..<methodEnd]))
        }
        targetStart = methodEnd + 1
        let targetEnd = scanTarget(bytes, targetStart, count)
        // " HTTP/1.1" CRLF
        guard targetEnd + 11 <= count else {
            // Refuse at once what no further byte can mend, so that such a request isn't waited for.
            if targetEnd < count, targetEnd == targetStart { return (.failed(.malformedRequestLine), 0) }
            if let stray = firstStray(bytes, targetEnd..<count, " HTTP/0.0\r\n") {
                let isLineEnd = stray == targetEnd + 9 && bytes[stray] == 0x0a
                return (.failed(isLineEnd ? .bareLineEnd : .malformedRequestLine), 0)
            }
            return (incomplete(), 0)
        }
        targetLength = targetEnd - targetStart
        guard targetLength > 0, bytes[targetEnd] == 0x20 else { return (.failed(.malformedRequestLine), 0) }
        guard let version = httpVersion(bytes, targetEnd + 1) else { return (.failed(.malformedRequestLine), 0) }
        guard bytes[targetEnd + 9] == 0x0d, bytes[targetEnd + 10] == 0x0a else {
            let isLineEnd = bytes[targetEnd + 9] == 0x0a || bytes[targetEnd + 9] == 0x0d
            return (.failed(isLineEnd ? .bareLineEnd : .malformedRequestLine), 0)
        }
        guard version.major == 1, version.minor <= 1 else { return (.failed(.unsupportedVersion), 0) }
        minorVersion = version.minor
        return (splitTarget(bytes.extracting(targetStart..<targetEnd)), targetEnd + 11)
    }

    /// RFC 9112 §3.2: origin form, absolute form, authority form (only CONNECT) or `*` (only OPTIONS).
    private mutating func splitTarget(_ target: Span<UInt8>) -> ParseOutcome {
        originStart = targetStart
        originLength = targetLength
        if method == .connect {
            originLength = 0
            hostStart = targetStart
            hostLength = targetLength
            return isAuthority(target, portRequired: true) ? .complete : .failed(.malformedTarget)
        }
        if target[0] != 0x2f {
            if target.count == 1 && target[0] == 0x2a && method == .options {
                originLength = 0
                return .complete
            }
            guard let authority = schemeLength(target) else { return .failed(.malformedTarget) }
            var end = authority
            while end < target.count, target[end] != 0x2f, target[end] != 0x3f { end += 1 }
            guard end > authority else { return .failed(.malformedTarget) }
            isAbsolute = true
            isTargetSecure = authority == 8
            hostStart = targetStart + authority
            hostLength = end - authority
            originStart = targetStart + end
            originLength = target.count - end
        }
        pathLength = originLength
        return checkOrigin(target.extracting(originStart - targetStart..<target.count))
    }

    /// RFC 3986 §3.3–§3.4: finds where the path ends and whether it is normal, and refuses what servers read in several
    /// ways. In a query only what no URI may hold at all is refused: browsers send the rest as it was typed.
    private mutating func checkOrigin(_ origin: Span<UInt8>) -> ParseOutcome {
        var isPath = true
        for index in 0..<origin.count {
            switch origin[index] {
            case 0x3f where isPath:
                isPath = false
                pathLength = index
            // A segment that begins with a dot or is empty.
            case 0x2e where isPath && index > 0 && origin[index - 1] == 0x2f,
                0x2f where isPath && index > 0 && origin[index - 1] == 0x2f:
                isPathNormal = false
            case 0x25 where isPath:
                isPathNormal = false
                guard index + 2 < origin.count, let high = hexDigit(origin[index + 1]),
                    let low = hexDigit(origin[index + 2]), high << 4 | low != 0
                else { return .failed(.malformedTarget) }
            // Some servers take "\" for a slash.
            case 0x5c where isPath: return .failed(.malformedTarget)
            // A fragment never belongs into a request (RFC 9112 §3.2.1), a byte beyond ASCII not into a URI.
            case 0x23, 0x80...0xff: return .failed(.malformedTarget)
            default: break
            }
        }
        return .complete
    }

    /// Length of `http://` or `https://` in front of the authority.
    private func schemeLength(_ target: Span<UInt8>) -> Int? {
        if target.count > 7, matches(target.extracting(0..<7), "http://") { return 7 }
        if target.count > 8, matches(target.extracting(0..<8), "https://") { return 8 }
        return nil
    }

    /// RFC 9112 §3.2: exactly one `Host` in HTTP/1.1, at most one in HTTP/1.0, with a valid value, also where
    /// the target's authority takes its place.
    private mutating func checkHost(_ bytes: Span<UInt8>, _ fields: borrowing FieldTable) -> ParseOutcome {
        guard facts.hostCount <= 1 else { return .failed(.malformedHost) }
        if isAbsolute {
            // RFC 9110 §4.2.1: an http URI with an empty host is invalid.
            let authority = bytes.extracting(hostStart..<hostStart + hostLength)
            guard isAuthority(authority) else { return .failed(.malformedHost) }
        }
        guard facts.hostCount == 1 else { return minorVersion >= 1 ? .failed(.missingHost) : .complete }
        let field = fields[facts.hostIndex]
        let start = Int(field.valueStart)
        let length = Int(field.valueLength)
        if !targetNamesHost {
            hostStart = start
            hostLength = length
        }
        // An empty value stands for a target without authority.
        guard length == 0 || isAuthority(bytes.extracting(start..<start + length)) else {
            return .failed(.malformedHost)
        }
        return .complete
    }
}

/// Offset of the first byte of `range` that does not fit `template`, where `0` stands for any digit; nil when all
/// that is there fits.
func firstStray(_ bytes: Span<UInt8>, _ range: Range<Int>, _ template: StaticString) -> Int? {
    for offset in 0..<min(range.count, template.utf8CodeUnitCount) {
        let expected = unsafe template.utf8Start[offset]
        let byte = bytes[range.lowerBound + offset]
        guard expected == 0x30 ? byte &- 0x30 <= 9 : byte == expected else { return range.lowerBound + offset }
    }
    return nil
}

/// `HTTP/d.d` at an offset; eight bytes must be there.
func httpVersion(_ bytes: Span<UInt8>, _ start: Int) -> (major: UInt8, minor: UInt8)? {
    guard bytes[start] == 0x48, bytes[start + 1] == 0x54, bytes[start + 2] == 0x54, bytes[start + 3] == 0x50,
        bytes[start + 4] == 0x2f, bytes[start + 6] == 0x2e
    else { return nil }
    let major = bytes[start + 5] &- 0x30
    let minor = bytes[start + 7] &- 0x30
    return major <= 9 && minor <= 9 ? (major, minor) : nil
}
