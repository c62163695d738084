/// Where a client's connection, or a stream, stands with early data (RFC 8446 §2.3).
///
///     possible ──bytes──▶ reading ──the end of early data──▶ ended ──the client's Finished──▶ none
///        └── no early data ──▶ none
enum EarlyData: UInt8, BitwiseCopyable {
    /// The handshake is complete, or goes on without early data.
    case none
    /// The listener takes it; what the client begins with isn't known yet.
    case possible
    /// Requests are served before the handshake is complete.
    case reading
    /// The same, but no more of them come.
    case ended
}

/// Early data of one worker's clients.
struct EarlyDataCounts {
    /// Requests that went on before the handshake was complete.
    var served: UInt64 = 0
    /// Requests that waited for the handshake.
    var waited: UInt64 = 0
    /// Connections whose early data was not taken: clients send it again.
    var rejected: UInt64 = 0
}
