/// How the length of a message body is known (RFC 9112 §6).
package enum BodyFraming: Equatable, BitwiseCopyable, Sendable {
    case none
    /// `Content-Length`; may be 0.
    case length(UInt64)
    /// `Transfer-Encoding: chunked`.
    case chunked
    /// A response that ends when the endpoint closes the connection.
    case untilClose
}
