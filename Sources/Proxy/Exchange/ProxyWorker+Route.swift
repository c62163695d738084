import HTTP1

/// Which route a request takes.
extension ProxyWorker {
    /// - Parameters:
    ///   - head: A complete head; `fields` holds its lines.
    ///   - received: The bytes that it was parsed from.
    /// - Returns: Index into the site's routes, or `Router.none`.
    func route(_ head: RequestHead, _ received: UnsafePointer<UInt8>, _ router: Router) -> Int32 {
        unsafe router.route(head, received, fields)
    }
}
