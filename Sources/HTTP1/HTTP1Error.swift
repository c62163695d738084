/// Why the bytes of a peer are no HTTP/1 message that may be passed on. Each has its counter and log word.
package enum HTTP1Error: UInt8, Error, CaseIterable, Sendable {
    case malformedRequestLine
    case malformedStatusLine
    /// Not HTTP/1.0 or HTTP/1.1.
    case unsupportedVersion
    /// A name that is no token, no colon, white space before the colon, a folded line, a control character.
    case malformedField
    /// A line that doesn't end in CRLF.
    case bareLineEnd
    case headTooLarge
    case targetTooLong
    case tooManyFields
    /// Both `Content-Length` and `Transfer-Encoding`, or several `Content-Length` fields.
    case ambiguousLength
    case malformedLength
    /// Anything but one `chunked`, or in HTTP/1.0.
    case unsupportedTransferCoding
    case missingHost
    case malformedHost
    case malformedTarget
    case malformedChunk

    /// The status that answers a request with this fault.
    package var status: Int {
        switch self {
        case .headTooLarge, .tooManyFields: 431
        case .targetTooLong: 414
        case .unsupportedVersion: 505
        default: 400
        }
    }
}

/// What a parser made of the bytes so far.
package enum ParseOutcome: Equatable {
    case complete
    case incomplete
    case failed(HTTP1Error)
}

/// Bounds on one head.
package struct HeadLimits: BitwiseCopyable, Sendable {
    /// Request line or status line with all fields, the empty line included.
    package var headBytesMax: Int
    package var fieldCountMax: Int

    package init(headBytesMax: Int, fieldCountMax: Int) {
        precondition(headBytesMax < 65_536 && fieldCountMax <= 256, "offsets are 16 bits wide")
        self.headBytesMax = headBytesMax
        self.fieldCountMax = fieldCountMax
    }
}
