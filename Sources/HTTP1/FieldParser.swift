import CLinux
import HTTPMessage

/// What the fields say about the message as a whole; collected while they are parsed.
@usableFromInline
package struct FieldFacts: BitwiseCopyable, Sendable {
    @usableFromInline package var contentLength: UInt64 = 0
    @usableFromInline package var hasContentLength = false
    @usableFromInline package var isChunked = false
    /// `Connection: close`.
    @usableFromInline package var closes = false
    /// `Connection: keep-alive`.
    @usableFromInline package var keepsAlive = false
    /// `Connection` names other fields, which then are hop-by-hop too.
    @usableFromInline package var namesHopByHopFields = false
    @usableFromInline package var hostCount = 0
    /// Index of the (last) `Host` field.
    @usableFromInline package var hostIndex = 0
    @usableFromInline package var hasDate = false
    /// `Upgrade: websocket`, and nothing else (RFC 6455 §4.1).
    @usableFromInline package var namesWebSocket = false
    /// `Connection: upgrade`.
    @usableFromInline package var connectionUpgrades = false
    /// `TE: trailers` (RFC 9110 §10.1.4).
    @usableFromInline package var listsTrailers = false
    /// `Connection: te`.
    @usableFromInline package var connectionListsTE = false
    /// Trailers will be read: the sender says so of this hop.
    @inlinable package var takesTrailers: Bool { listsTrailers && connectionListsTE }

    @inlinable package init() {}
}

/// Field lines: RFC 9112 §5, strictly. One CRLF-terminated line each, no folding (§5.2), no white space before the
/// colon (§5.1), no control characters.
struct FieldParser {
    /// Parses from the first field line to the empty line that ends the head.
    ///
    /// - Parameters:
    ///   - start: Offset of the first field line.
    ///   - end: Gets the offset just past the empty line.
    static func parse(
        _ bytes: Span<UInt8>, from start: Int, minorVersion: UInt8, limits: HeadLimits,
        into fields: inout FieldTable, _ facts: inout FieldFacts, end: inout Int
    ) -> ParseOutcome {
        fields.removeAll()
        var position = start
        let count = min(bytes.count, limits.headBytesMax)
        while true {
            guard position < count else { return incomplete(bytes, limits) }
            if bytes[position] == 0x0d {
                guard position + 1 < count else { return incomplete(bytes, limits) }
                guard bytes[position + 1] == 0x0a else { return .failed(.bareLineEnd) }
                end = position + 2
                break
            }
            let nameEnd = scanToken(bytes, position, count)
            guard nameEnd < count else { return incomplete(bytes, limits) }
            guard nameEnd > position, bytes[nameEnd] == 0x3a else {
                return .failed(bytes[nameEnd] == 0x0a ? .bareLineEnd : .malformedField)
            }
            var valueStart = nameEnd + 1
            while valueStart < count, bytes[valueStart] == 0x20 || bytes[valueStart] == 0x09 { valueStart += 1 }
            let lineEnd = scanValue(bytes, valueStart, count)
            guard lineEnd + 1 < count else {
                if lineEnd < count, bytes[lineEnd] != 0x0d { return .failed(fault(bytes[lineEnd])) }
                return incomplete(bytes, limits)
            }
            guard bytes[lineEnd] == 0x0d, bytes[lineEnd + 1] == 0x0a else { return .failed(fault(bytes[lineEnd])) }
            var valueEnd = lineEnd
            while valueEnd > valueStart, bytes[valueEnd - 1] == 0x20 || bytes[valueEnd - 1] == 0x09 { valueEnd -= 1 }
            let id = unsafe bytes.withUnsafeBufferPointer {
                unsafe FieldID(UnsafeBufferPointer(rebasing: $0[position..<nameEnd]))
            }
            guard fields.count < limits.fieldCountMax,
                fields.append(
                    Field(
                        nameStart: position, nameLength: nameEnd - position, valueStart: valueStart,
                        valueLength: valueEnd - valueStart, lineEnd: lineEnd + 2, id: id))
            else { return .failed(.tooManyFields) }
            if id != .other,
                let failure = note(
                    bytes.extracting(valueStart..<valueEnd), id, minorVersion, index: fields.count - 1, &facts)
            {
                return .failed(failure)
            }
            position = lineEnd + 2
        }
        if facts.isChunked && facts.hasContentLength { return .failed(.ambiguousLength) }
        return .complete
    }

    private static func incomplete(_ bytes: Span<UInt8>, _ limits: HeadLimits) -> ParseOutcome {
        bytes.count >= limits.headBytesMax ? .failed(.headTooLarge) : .incomplete
    }

    private static func fault(_ byte: UInt8) -> HTTP1Error {
        byte == 0x0a || byte == 0x0d ? .bareLineEnd : .malformedField
    }

    /// Takes a known field into account.
    ///
    /// - Returns: Why the message must be refused, or nil.
    private static func note(
        _ value: Span<UInt8>, _ id: FieldID, _ minorVersion: UInt8, index: Int, _ facts: inout FieldFacts
    ) -> HTTP1Error? {
        switch id {
        case .contentLength:
            guard !facts.hasContentLength else { return .ambiguousLength }
            guard let length = decimal(value) else { return .malformedLength }
            facts.hasContentLength = true
            facts.contentLength = length
        case .transferEncoding:
            // RFC 9112 §6.1: a sender of HTTP/1.0 with Transfer-Encoding has faulty framing.
            guard !facts.isChunked, minorVersion >= 1, matches(value, "chunked") else {
                return .unsupportedTransferCoding
            }
            facts.isChunked = true
        case .connection: noteConnection(value, &facts)
        case .host:
            facts.hostCount += 1
            facts.hostIndex = index
        case .date: facts.hasDate = true
        case .upgrade: facts.namesWebSocket = matches(value, "websocket")
        case .te: if lists(value, "trailers") { facts.listsTrailers = true }
        default: break
        }
        return nil
    }

    /// The comma-separated options of `Connection` (RFC 9110 §7.6.1).
    private static func noteConnection(_ value: Span<UInt8>, _ facts: inout FieldFacts) {
        if matches(value, "keep-alive") {
            facts.keepsAlive = true
            return
        }
        var start = 0
        while start < value.count {
            var end = start
            while end < value.count, value[end] != 0x2c { end += 1 }
            let option = trimmed(value.extracting(start..<end))
            if matches(option, "close") {
                facts.closes = true
            } else if matches(option, "keep-alive") {
                facts.keepsAlive = true
            } else if matches(option, "upgrade") {
                facts.connectionUpgrades = true
            } else if option.count > 0 {
                facts.namesHopByHopFields = true
                if matches(option, "te") { facts.connectionListsTE = true }
            }
            start = end + 1
        }
    }

    /// Whether a comma-separated list holds `word`, with parameters or without; `word` in lower case.
    private static func lists(_ value: Span<UInt8>, _ word: StaticString) -> Bool {
        var start = 0
        while start < value.count {
            var end = start
            while end < value.count, value[end] != 0x2c { end += 1 }
            var wordEnd = start
            while wordEnd < end, value[wordEnd] != 0x3b { wordEnd += 1 }
            if matches(trimmed(value.extracting(start..<wordEnd)), word) { return true }
            start = end + 1
        }
        return false
    }
}

/// Without spaces and tabs at both ends.
@_lifetime(copy value)
package func trimmed(_ value: Span<UInt8>) -> Span<UInt8> {
    var start = 0
    var end = value.count
    while start < end, value[start] == 0x20 || value[start] == 0x09 { start += 1 }
    while end > start, value[end - 1] == 0x20 || value[end - 1] == 0x09 { end -= 1 }
    return value.extracting(start..<end)
}

/// Without regard to case; `text` in lower case.
package func matches(_ value: Span<UInt8>, _ text: StaticString) -> Bool {
    unsafe value.withUnsafeBufferPointer { unsafe $0.matches(text) }
}

/// `1*DIGIT` up to 18 digits: no sign, no space, no list.
func decimal(_ value: Span<UInt8>) -> UInt64? {
    guard value.count >= 1, value.count <= 18 else { return nil }
    var number: UInt64 = 0
    for index in 0..<value.count {
        let digit = value[index] &- 0x30
        guard digit <= 9 else { return nil }
        number = number * 10 + UInt64(digit)
    }
    return number
}

/// Offset of the first byte from `start` that is no `tchar`, or `end`.
@inline(__always)
func scanToken(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
    precondition(start <= end && end <= bytes.count)
    return unsafe bytes.withUnsafeBufferPointer {
        unsafe start + clinux_scan_token($0.baseAddress! + start, end - start)
    }
}

/// Offset of the first byte from `start` that a field value can't hold, or `end`.
@inline(__always)
func scanValue(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
    precondition(start <= end && end <= bytes.count)
    return unsafe bytes.withUnsafeBufferPointer {
        unsafe start + clinux_scan_value($0.baseAddress! + start, end - start)
    }
}

/// Offset of the first byte from `start` that a request target can't hold, or `end`.
@inline(__always)
func scanTarget(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
    precondition(start <= end && end <= bytes.count)
    return unsafe bytes.withUnsafeBufferPointer {
        unsafe start + clinux_scan_target($0.baseAddress! + start, end - start)
    }
}
