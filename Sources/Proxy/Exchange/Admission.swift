import HTTP1
import HTTPMessage
import Snapshot

/// What is decided of a request by its head alone: its route, or an answer that needs none.
enum Admission {
    enum Decision {
        /// Index into the site's routes.
        case route(Int32)
        case answer(status: Int, persists: Bool)
    }

    /// - Parameters:
    ///   - head: A complete head, parsed from `received`.
    ///   - fields: Its lines.
    ///   - router: Of the listener.
    ///   - routes: Of the site.
    @inline(__always)
    static func decide(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable,
        _ origin: RequestOrigin, _ router: Router, _ routes: UnsafeMutablePointer<CompiledRoute>
    ) -> Decision {
        if unsafe MaxForwards.value(of: head, received, fields) == 0 {
            // The request ends here (RFC 9110 §7.6.2). TRACE would show fields that the client never sent.
            return .answer(status: head.method == .options ? 200 : 405, persists: true)
        }
        // RFC 9110 §7.4: unless a gateway that we trust may have had it on a secured connection.
        if head.isTargetSecure && !origin.isSecure && !origin.isTrusted { return .answer(status: 421, persists: true) }
        let route = unsafe router.route(head, received, fields)
        if head.method == .connect, let status = unsafe refusal(ofConnect: head, route, routes) {
            return .answer(status: status, persists: false)
        }
        return route == Router.none ? .answer(status: 404, persists: true) : .route(route)
    }

    /// - Returns: Status of the answer when a CONNECT goes to no endpoint; nil when it does.
    private static func refusal(
        ofConnect head: RequestHead, _ route: Int32, _ routes: UnsafeMutablePointer<CompiledRoute>
    ) -> Int? {
        guard route != Router.none, unsafe routes[Int(route)].connect != .none else { return 405 }
        // It has no content; what follows its head would be both body and the tunnel's first bytes.
        return head.framing == .none ? nil : 400
    }
}
