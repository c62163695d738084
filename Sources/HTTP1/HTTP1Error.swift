/// Why the bytes of a peer are no HTTP/1 message that may be passed on. Each has its counter and its word in the log.
@usableFromInline
package enum HTTP1Error: UInt8, Error, CaseIterable, BitwiseCopyable, Sendable {
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
    /// No form of RFC 9112 §3.2, or with bytes or escapes that a URI can't have.
    case malformedTarget
    /// More empty lines before a request line than are passed over.
    case tooManyEmptyLines
    /// A chunk that is none, or a trailer section with a line that is no field.
    case malformedChunk
    /// A trailer field that frames, routes or authorises a message (RFC 9110 §6.5.1).
    case forbiddenTrailer
    /// A 1xx response that says that a body follows (RFC 9110 §8.6, RFC 9112 §6.1).
    case interimWithBody
    case tooManyInterimResponses
    /// 101 where no upgrade was asked for.
    case unaskedSwitch
    /// The connection ended inside a response's head.
    case truncatedHead
    /// A message of HTTP/2 that breaks a rule of RFC 9113 §8.
    case malformedMessage

    /// The status that answers a request with this fault.
    package var status: Int {
        switch self {
        case .headTooLarge, .tooManyFields: 431
        case .targetTooLong: 414
        case .unsupportedVersion: 505
        default: 400
        }
    }

    /// The fault in the words of logs and metrics: lower case and hyphens.
    package var reason: StaticString {
        switch self {
        case .malformedRequestLine: "request-line"
        case .malformedStatusLine: "status-line"
        case .unsupportedVersion: "version"
        case .malformedField: "field"
        case .bareLineEnd: "bare-line-end"
        case .headTooLarge: "head-too-large"
        case .targetTooLong: "request-line-too-long"
        case .tooManyFields: "too-many-fields"
        case .ambiguousLength: "ambiguous-length"
        case .malformedLength: "content-length"
        case .unsupportedTransferCoding: "transfer-encoding"
        case .missingHost: "no-host"
        case .malformedHost: "host"
        case .malformedTarget: "target"
        case .tooManyEmptyLines: "empty-lines"
        case .malformedChunk: "chunk"
        case .forbiddenTrailer: "trailer"
        case .interimWithBody: "interim-with-body"
        case .tooManyInterimResponses: "too-many-interim-responses"
        case .unaskedSwitch: "unasked-switch"
        case .truncatedHead: "truncated-head"
        case .malformedMessage: "http2-message"
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
