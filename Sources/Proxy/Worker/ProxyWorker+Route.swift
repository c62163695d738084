import HTTP1

/// Which route a request takes.
extension ProxyWorker {
    /// - Parameters:
    ///   - head: A complete head; `fields` holds its lines.
    ///   - received: The bytes that it was parsed from.
    /// - Returns: Index into the site's routes, or `Router.none`.
    func route(_ head: RequestHead, _ received: UnsafePointer<UInt8>, _ router: Router) -> Int32 {
        let host = unsafe received + head.hostStart
        let path = unsafe received + head.originStart
        guard !head.isPathNormal else {
            return unsafe router.route(host: host, head.hostLength, path: path, head.pathLength)
        }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: head.pathLength + 1) { normal in
            let count = unsafe NormalPath.write(path, head.pathLength, to: normal.baseAddress!)
            return unsafe router.route(host: host, head.hostLength, path: normal.baseAddress!, count)
        }
    }
}
