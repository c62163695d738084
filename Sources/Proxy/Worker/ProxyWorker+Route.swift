import HTTP1
import HTTPMessage

/// Which route a request takes.
extension ProxyWorker {
    /// - Parameters:
    ///   - head: A complete head; `fields` holds its lines.
    ///   - received: The bytes that it was parsed from.
    /// - Returns: Index into the site's routes, or `Router.none`.
    func route(_ head: RequestHead, _ received: UnsafePointer<UInt8>, _ router: Router) -> Int32 {
        let host = unsafe received + head.hostStart
        let path = unsafe received + head.originStart
        let request = unsafe RoutedRequest(
            received: received, method: head.method, methodCount: head.methodLength, fields: fields.lines, path: path,
            pathCount: head.pathLength, query: path + min(head.pathLength + 1, head.originLength),
            queryCount: max(head.originLength - head.pathLength - 1, 0))
        var questions = unsafe ConditionQuestions(conditions: router.conditions, request: request)
        guard !head.isPathNormal else {
            return unsafe router.route(
                host: host, head.hostLength, path: path, head.pathLength, &questions)
        }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: head.pathLength + 1) { normal in
            let count = unsafe NormalPath.write(path, head.pathLength, to: normal.baseAddress!)
            unsafe questions.request.path = UnsafePointer(normal.baseAddress!)
            questions.request.pathCount = count
            return unsafe router.route(host: host, head.hostLength, path: normal.baseAddress!, count, &questions)
        }
    }
}
