import HTTPMessage

/// Finds the parts of a chunked body (RFC 9112 §7.1). A value without a buffer: bytes in, one step out.
///
///     size ──LF──▶ data ──▶ dataEnd ──LF──▶ size … ──size 0──▶ trailer ──empty line──▶ ended
@usableFromInline
package struct ChunkedDecoder: BitwiseCopyable, Sendable {
    /// A chunk size line at most, with its extensions.
    package static let lineBytesMax = 4096
    /// The trailer section at most, with the empty line behind it. What gRPC says of an error stands there, and its libraries
    /// take 8 to 16 KiB.
    package static let trailerBytesMax = 16_384
    /// Hex digits of a chunk size at most: below 2^60 bytes.
    private static let sizeDigitsMax = 15

    @usableFromInline
    enum State: UInt8, BitwiseCopyable, Sendable {
        case size, sizeExtension, sizeLineFeed
        case data, dataReturn, dataLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed, endLineFeed
        case ended, failed
    }
    @usableFromInline var state: State = .size
    @usableFromInline var remaining: UInt64 = 0
    @usableFromInline var digits = 0
    /// Of the line, or of the trailer section, under way.
    @usableFromInline var lineBytes = 0
    @usableFromInline var trailerName = TrailerName()

    @inlinable package init() {}

    package enum Step: Equatable {
        /// The next `count` bytes are data of the body.
        case data(Int)
        /// The next `count` bytes are framing.
        case framing(Int)
        /// The next `count` bytes are a chunk extension: for this hop alone, and not to be passed on (§7.1.1).
        case chunkExtension(Int)
        /// The next `count` bytes are framing, and the body ends with them.
        case end(Int)
        /// No bytes left to look at.
        case more
        /// No chunked body, and so at every later call: see `fault`.
        case malformed
    }

    /// Why the body is malformed.
    @usableFromInline package internal(set) var fault = HTTP1Error.malformedChunk

    package var hasEnded: Bool { state == .ended }

    /// The next byte belongs to the trailer section, or to the empty line that ends it.
    package var isInTrailers: Bool {
        switch state {
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .endLineFeed: true
        default: false
        }
    }

    /// Looks at `bytes` from `start` on; the bytes of a step are done with and must not be given again.
    package mutating func step(_ bytes: Span<UInt8>, from start: Int) -> Step {
        guard state != .ended, start < bytes.count else { return .more }
        if state == .data {
            let count = Int(min(remaining, UInt64(bytes.count - start)))
            remaining -= UInt64(count)
            if remaining == 0 { state = .dataReturn }
            return .data(count)
        }
        var position = start
        if isExtension(bytes[start]) {
            state = .sizeExtension
            while position < bytes.count, bytes[position] != 0x0d {
                guard take(bytes[position]) else {
                    state = .failed
                    return .malformed
                }
                position += 1
            }
            return .chunkExtension(position - start)
        }
        while position < bytes.count {
            if isExtension(bytes[position]) { return .framing(position - start) }
            let before = state
            guard take(bytes[position]) else {
                state = .failed
                return .malformed
            }
            position += 1
            // The trailer section is a step of its own.
            if state == .data || state == .trailerStart && before == .sizeLineFeed { return .framing(position - start) }
            if state == .ended { return .end(position - start) }
        }
        return .framing(position - start)
    }

    /// Whether a byte belongs to the extension of a chunk, which ends before its line's CR.
    private func isExtension(_ byte: UInt8) -> Bool {
        switch state {
        case .size: byte == 0x3b && digits > 0
        case .sizeExtension: byte != 0x0d
        default: false
        }
    }

    /// One byte of framing.
    ///
    /// - Returns: Whether it may stand there.
    private mutating func take(_ byte: UInt8) -> Bool {
        lineBytes += 1
        guard lineBytes <= (isInTrailers ? ChunkedDecoder.trailerBytesMax : ChunkedDecoder.lineBytesMax) else {
            return false
        }
        switch state {
        case .size:
            if let digit = hexDigit(byte) {
                digits += 1
                remaining = remaining << 4 | UInt64(digit)
                return digits <= ChunkedDecoder.sizeDigitsMax
            }
            guard digits > 0, byte == 0x0d else { return false }
            state = .sizeLineFeed
        case .sizeExtension:
            if byte == 0x0d {
                state = .sizeLineFeed
            } else if byte < 0x20 && byte != 0x09 || byte == 0x7f {
                return false
            }
        case .sizeLineFeed:
            guard byte == 0x0a else { return false }
            state = remaining == 0 ? .trailerStart : .data
            lineBytes = 0
            digits = 0
        case .dataReturn:
            guard byte == 0x0d else { return false }
            state = .dataLineFeed
        case .dataLineFeed:
            guard byte == 0x0a else { return false }
            state = .size
            lineBytes = 0
        case .trailerStart:
            if byte == 0x0d {
                state = .endLineFeed
            } else {
                guard HTTPSyntax.isTokenByte(byte) else { return false }
                trailerName = TrailerName()
                trailerName.append(byte)
                state = .trailerName
            }
        case .trailerName:
            guard byte == 0x3a else {
                trailerName.append(byte)
                return HTTPSyntax.isTokenByte(byte)
            }
            guard !trailerName.isForbidden else {
                fault = .forbiddenTrailer
                return false
            }
            state = .trailerValue
        case .trailerValue:
            if byte == 0x0d {
                state = .trailerLineFeed
            } else if byte < 0x20 && byte != 0x09 || byte == 0x7f {
                return false
            }
        case .trailerLineFeed:
            guard byte == 0x0a else { return false }
            state = .trailerStart
        case .endLineFeed:
            guard byte == 0x0a else { return false }
            state = .ended
        case .failed: return false
        case .data, .ended: preconditionFailure("framing byte in \(state)")
        }
        return true
    }
}

/// Value of a hexadecimal digit.
func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}
