import HTTP1
import HTTPMessage

extension Router {
    /// The route of a request as it was received.
    ///
    /// - Parameters:
    ///   - head: A complete head, parsed from `received`.
    ///   - fields: Its lines.
    /// - Returns: Index into the snapshot's routes, or `none`.
    func route(_ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable) -> Int32 {
        let host = unsafe received + head.hostStart
        let path = unsafe received + head.originStart
        let request = unsafe RoutedRequest(
            received: received, method: head.method, methodCount: head.methodLength, fields: fields.lines, path: path,
            pathCount: head.pathLength, query: path + min(head.pathLength + 1, head.originLength),
            queryCount: max(head.originLength - head.pathLength - 1, 0))
        var questions = unsafe ConditionQuestions(conditions: conditions, request: request)
        guard !head.isPathNormal else {
            return unsafe route(host: host, head.hostLength, path: path, head.pathLength, &questions)
        }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: head.pathLength + 1) { normal in
            let normalPath = normal.baseAddress!
            let length = unsafe NormalPath.write(path, head.pathLength, to: normalPath)
            let count = unsafe NormalPath.mergeSlashes(normalPath, length)
            unsafe questions.request.path = unsafe UnsafePointer(normalPath)
            questions.request.pathCount = count
            return unsafe route(host: host, head.hostLength, path: normalPath, count, &questions)
        }
    }
}
