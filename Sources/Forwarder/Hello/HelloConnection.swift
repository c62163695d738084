import EventLoop

/// A client of a `tls-passthrough` listener whose hello isn't whole yet. A plain value, like `WaitingConnection`.
///
///     waiting ──received──▶ reading ──received──▶ (whole: to the endpoint of a pool)
///        │                     │
///        └──── refused ────────┴──▶ closed
///
/// What it has said is kept as it came: the endpoint gets it first, and the next one gets it again when a connect fails.
struct HelloConnection: BitwiseCopyable {
    var origin: WaitingConnection
    /// Held from the first byte on.
    var buffer = Buffer()
    var records = HelloRecords()
    /// When it is refused, monotonic nanoseconds. Bytes that come don't move it.
    let deadline: UInt64

    init(origin: WaitingConnection, deadline: UInt64) {
        self.origin = origin
        self.deadline = deadline
    }
}

/// Why a client of a `tls-passthrough` listener was closed before it had a pool.
enum HelloRefusal: UInt8, CaseIterable, BitwiseCopyable {
    /// Its first bytes are no ClientHello.
    case malformed
    case tooLarge
    /// It wasn't whole within `limits.timeout.head`.
    case timeout
    /// The client left before.
    case closed
    case noName
    case unknownName
    case unknownProtocol
    /// Too many hellos of this worker weren't whole, or no memory was left.
    case full

    /// The word in metrics.
    var name: String {
        switch self {
        case .malformed: "malformed"
        case .tooLarge: "too_large"
        case .timeout: "timeout"
        case .closed: "closed"
        case .noName: "no_name"
        case .unknownName: "unknown_name"
        case .unknownProtocol: "unknown_protocol"
        case .full: "full"
        }
    }

    /// The description of the fatal alert that the client gets (RFC 8446 §6); nil: a client that doesn't speak TLS, or
    /// isn't there, gets none.
    var alert: UInt8? {
        switch self {
        case .malformed, .tooLarge, .timeout, .closed, .full: nil
        // missing_extension (RFC 8446 §9.2), unrecognized_name (RFC 6066 §3), no_application_protocol (RFC 7301 §3.2)
        case .noName: 109
        case .unknownName: 112
        case .unknownProtocol: 120
        }
    }

    /// Words for a log line; nil for what isn't worth one.
    var logged: String? {
        switch self {
        case .malformed: "its first bytes are no ClientHello"
        case .tooLarge: "its ClientHello is larger than \(HelloRecords.messageBytesMax) bytes"
        case .timeout, .closed, .noName, .unknownName, .unknownProtocol, .full: nil
        }
    }
}
