import HTTP1
import HTTPMessage
import Snapshot

@testable import Proxy

/// Compiled routes of one listener, and requests given to them as bytes.
final class RoutedSite {
    let matches: CompiledMatches
    let router: Router
    private let arena = Arena()

    init(_ routes: [Route]) throws {
        matches = try CompiledMatches(routes, arena: arena)
        router = Router(routes, matches, listener: 0, arena: arena)
    }

    /// - Parameters:
    ///   - lines: Field lines without their line ends.
    /// - Returns: Index of the route, or `Router.none`.
    func route(
        _ method: String = "GET", _ target: String, host: String = "test.example", _ lines: [String] = []
    ) throws -> Int32 {
        let text = (["\(method) \(target) HTTP/1.1", "Host: \(host)"] + lines + ["", ""]).joined(separator: "\r\n")
        return try parse(text) { head, received, fields in
            router.route(head, received, fields)
        }
    }

    /// The same, and how many names and paths were compared, how many routes asked.
    func steps(_ method: String = "GET", _ target: String, host: String) throws -> (route: Int32, steps: Int) {
        try parse("\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n") { head, received, fields in
            let request = RoutedRequest(
                received: received, method: head.method, methodCount: head.methodLength, fields: fields.lines,
                path: received + head.originStart, pathCount: head.pathLength, query: received, queryCount: 0)
            var questions = CountedQuestions(conditions: matches.conditions, request: request)
            let route = router.route(
                host: received + head.hostStart, head.hostLength, path: request.path, request.pathCount, &questions)
            return (route, questions.count)
        }
    }

    private func parse<Result>(
        _ text: String, _ body: (RequestHead, UnsafePointer<UInt8>, borrowing FieldTable) -> Result
    ) throws -> Result {
        let bytes = [UInt8](text.utf8)
        var head = RequestHead()
        var fields = FieldTable()
        let limits = HeadLimits(headBytesMax: 60 * 1024, fieldCountMax: 250)
        guard case .complete = head.parse(bytes.span, limits: limits, fields: &fields) else {
            throw NotARequest(text: text)
        }
        return bytes.withUnsafeBufferPointer { body(head, $0.baseAddress!, fields) }
    }

    struct NotARequest: Error {
        let text: String
    }
}

/// Answers as the data path does, and counts.
private struct CountedQuestions: RouteQuestions {
    let conditions: UnsafeMutablePointer<RouteConditions>
    let request: RoutedRequest
    var count = 0

    mutating func holds(_ route: Int32) -> Bool {
        count += 1
        return conditions[Int(route)].hold(for: request)
    }
    mutating func compared() { count += 1 }
}

/// A route of listener 0 to pool 0.
func route(_ match: RouteMatch) -> Route {
    Route(name: "r", listeners: [0], match: match, targets: [WeightedPool(pool: 0)])
}
