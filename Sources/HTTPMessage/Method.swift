/// What the proxy must know of a request method (RFC 9110 §9); the bytes themselves are passed on.
@usableFromInline
package enum Method: UInt8, BitwiseCopyable, Sendable {
    case get
    case head
    case post
    case put
    case delete
    case connect
    case options
    case trace
    case patch
    case other

    /// Written out, since what the compiler derives is a call through a witness in other modules.
    @inlinable
    package static func == (left: Method, right: Method) -> Bool {
        switch (left, right) {
        case (.get, .get), (.head, .head), (.post, .post), (.put, .put), (.delete, .delete), (.connect, .connect),
            (.options, .options), (.trace, .trace), (.patch, .patch), (.other, .other):
            true
        default: false
        }
    }

    /// Methods are compared with case.
    package init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self =
            switch bytes.count {
            case 3: unsafe bytes.equals("GET") ? .get : bytes.equals("PUT") ? .put : .other
            case 4: unsafe bytes.equals("POST") ? .post : bytes.equals("HEAD") ? .head : .other
            case 5: unsafe bytes.equals("PATCH") ? .patch : bytes.equals("TRACE") ? .trace : .other
            case 6: unsafe bytes.equals("DELETE") ? .delete : .other
            case 7: unsafe bytes.equals("OPTIONS") ? .options : bytes.equals("CONNECT") ? .connect : .other
            default: .other
            }
    }

    /// RFC 9110 §9.2.2: sending the request twice has the effect of sending it once.
    @inlinable
    package var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .connect, .patch, .other: false
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where unsafe self[index] != text.utf8Start[index] { return false }
        return true
    }
}
