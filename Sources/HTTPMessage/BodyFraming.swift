/// How the length of a message body is known (RFC 9112 §6).
@usableFromInline
package enum BodyFraming: Equatable, BitwiseCopyable, Sendable {
    case none
    /// `Content-Length`; may be 0.
    case length(UInt64)
    /// `Transfer-Encoding: chunked`.
    case chunked
    /// A response that ends when the endpoint closes the connection.
    case untilClose

    /// Written out, since what the compiler derives is a call through a witness in other modules.
    @inlinable
    package static func == (left: BodyFraming, right: BodyFraming) -> Bool {
        switch (left, right) {
        case (.none, .none), (.chunked, .chunked), (.untilClose, .untilClose): true
        case (.length(let one), .length(let other)): one == other
        default: false
        }
    }
}
