public import HTTPMessage

/// A parsed response head: offsets into the bytes it was parsed from, and what follows from them.
@usableFromInline
package struct ResponseHead: BitwiseCopyable, Sendable {
    @usableFromInline package var status = 0
    /// Offset just past `HTTP/1.x `: status code and reason, up to `statusLineEnd`.
    @usableFromInline package var statusStart = 0
    /// Offset of the status line's CR.
    @usableFromInline package var statusLineEnd = 0
    @usableFromInline package var minorVersion: UInt8 = 1
    /// Bytes of the head, the empty line included.
    @usableFromInline package var length = 0
    @usableFromInline package var facts = FieldFacts()

    @inlinable package init() {}

    /// 1xx: another head follows (RFC 9110 §15.2). 101 is final: it ends HTTP on the connection.
    @inlinable package var isInterim: Bool { status < 200 && status != 101 }

    /// The endpoint goes on with WebSocket (RFC 6455 §4.2.2).
    @inlinable package var switchesToWebSocket: Bool {
        status == 101 && facts.namesWebSocket && facts.connectionUpgrades
    }

    /// Whether the endpoint's connection may serve another request, as far as the fields say.
    @inlinable
    package var isPersistent: Bool {
        if facts.closes { return false }
        // What a 204 must not announce (RFC 9110 §8.6) may still follow it.
        if status == 204 && announcesBody { return false }
        return minorVersion >= 1 || facts.keepsAlive
    }

    @inlinable var announcesBody: Bool { facts.isChunked || facts.hasContentLength && facts.contentLength > 0 }

    /// RFC 9112 §6.3: the rules for responses, in their order. After a 2xx to CONNECT comes a tunnel, whatever
    /// the fields say: bytes until the connection ends.
    @inlinable
    package func framing(answering method: Method) -> BodyFraming {
        if method == .head || status < 200 || status == 204 || status == 304 { return .none }
        if method == .connect && status < 300 { return .untilClose }
        if facts.isChunked { return .chunked }
        return facts.hasContentLength ? .length(facts.contentLength) : .untilClose
    }

    /// A 2xx to CONNECT: what follows is not HTTP (RFC 9110 §9.3.6).
    @inlinable
    package func opensTunnel(answering method: Method) -> Bool { method == .connect && 200...299 ~= status }

    /// Parses the head at the front of `bytes` (RFC 9112 §4–§5).
    ///
    /// - Parameter fields: Gets the field lines when the outcome is `.complete`.
    /// - Returns: `.incomplete` until the empty line has arrived, at most until `limits` are exceeded.
    package mutating func parse(
        _ bytes: Span<UInt8>, limits: HeadLimits, fields: inout FieldTable
    ) -> ParseOutcome {
        self = ResponseHead()
        let count = min(bytes.count, limits.headBytesMax)
        // "HTTP/1.1 200" and CRLF, the reason and the space before it left out.
        guard count >= 14 else { return truncated(bytes, count, limits) }
        guard let version = httpVersion(bytes, 0), bytes[8] == 0x20 else { return .failed(.malformedStatusLine) }
        guard version.major == 1, version.minor <= 1 else { return .failed(.unsupportedVersion) }
        minorVersion = version.minor
        statusStart = 9
        for index in 9..<12 {
            let digit = bytes[index] &- 0x30
            guard digit <= 9 else { return .failed(.malformedStatusLine) }
            status = status * 10 + Int(digit)
        }
        guard (100...599).contains(status) else { return .failed(.malformedStatusLine) }
        guard bytes[12] == 0x20 || bytes[12] == 0x0d else { return .failed(.malformedStatusLine) }
        statusLineEnd = scanValue(bytes, 12, count)
        guard statusLineEnd + 1 < count else {
            if statusLineEnd < count, bytes[statusLineEnd] != 0x0d { return .failed(fault(bytes[statusLineEnd])) }
            return bytes.count >= limits.headBytesMax ? .failed(.headTooLarge) : .incomplete
        }
        guard bytes[statusLineEnd] == 0x0d, bytes[statusLineEnd + 1] == 0x0a else {
            return .failed(fault(bytes[statusLineEnd]))
        }
        let outcome = FieldParser.parse(
            bytes, from: statusLineEnd + 2, minorVersion: minorVersion, limits: limits, into: &fields, &facts,
            end: &length)
        // A body behind an interim response would be read as the next response.
        if outcome == .complete && status < 200 && announcesBody { return .failed(.interimWithBody) }
        return outcome
    }

    /// What to make of less than the shortest status line: what no further byte can mend is refused at once.
    private func truncated(_ bytes: Span<UInt8>, _ count: Int, _ limits: HeadLimits) -> ParseOutcome {
        if firstStray(bytes, 0..<count, "HTTP/0.0 ") != nil { return .failed(.malformedStatusLine) }
        if count >= 9, bytes[5] != 0x31 || bytes[7] > 0x31 { return .failed(.unsupportedVersion) }
        if firstStray(bytes, 0..<count, "HTTP/0.0 000") != nil { return .failed(.malformedStatusLine) }
        if count == 13, bytes[12] != 0x20 && bytes[12] != 0x0d { return .failed(.malformedStatusLine) }
        return bytes.count >= limits.headBytesMax ? .failed(.headTooLarge) : .incomplete
    }

    private func fault(_ byte: UInt8) -> HTTP1Error {
        byte == 0x0a || byte == 0x0d ? .bareLineEnd : .malformedStatusLine
    }
}
