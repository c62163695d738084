package import EventLoop
import HTTP1
import HTTPMessage
import Pattern
package import Snapshot

/// What a request would meet at one listener of a site, found with the tables and the parser that workers use.
///
/// For whoever asks, not for requests: it compiles the tables anew.
@safe
package struct Explainer {
    /// A request in parts, as a client would send them.
    package struct Request: Sendable {
        package var method: String
        package var target: String
        package var fields: [(name: String, value: String)]
        package var client: IPEndpoint

        package init(
            method: String, target: String, fields: [(name: String, value: String)],
            client: IPEndpoint = IPEndpoint(v4: 0x7f00_0001, port: 0)
        ) {
            self.method = method
            self.target = target
            self.fields = fields
            self.client = client
        }

        var head: [UInt8] {
            let lines = ["\(method) \(target) HTTP/1.1"] + fields.map { "\($0.name): \($0.value)" }
            return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        }
    }

    package enum Outcome: Equatable, Sendable {
        /// No request that is read at all; the reason in the words of logs and metrics.
        case refused(status: Int, reason: String)
        /// An answer of the proxy before any route has a say.
        case answered(status: Int)
        /// Index into the snapshot's routes.
        case routed(Int)
    }

    /// What a route asks that the request hasn't.
    package enum Reason: String, Sendable, CaseIterable {
        case listener, host, path, method, header, query
    }

    private let snapshot: Snapshot
    private let listener: Int
    private let arena: Arena
    private let router: Router
    private let routes: UnsafeMutablePointer<CompiledRoute>

    /// - Parameter listener: Index of an `http` listener.
    /// - Throws: `PatternError` for a snapshot that no compiler of site files made.
    package init(_ snapshot: Snapshot, listener: Int) throws {
        self.snapshot = snapshot
        self.listener = listener
        let arena = Arena()
        self.arena = arena
        let matches = try CompiledMatches(snapshot.routes, arena: arena)
        router = Router(snapshot.routes, matches, listener: listener, arena: arena)
        unsafe routes = arena.make(snapshot.routes.map { CompiledRoute($0, mirror: nil, arena: arena) })
    }

    package func outcome(of request: Request) -> Outcome {
        unsafe read(request) { head, received, fields in
            let origin = unsafe origin(of: request, head, received, fields)
            switch unsafe Admission.decide(head, received, fields, origin, router, routes) {
            case .answer(let status, _): return .answered(status: status)
            case .route(let route): return .routed(Int(route))
            }
        }
    }

    /// What an endpoint of the route's pool gets; nil for a request that none gets.
    package func forwarded(_ request: Request) -> String? {
        var text: String?
        _ = unsafe read(request) { head, received, fields in
            let origin = unsafe origin(of: request, head, received, fields)
            guard case .route(let index) = unsafe Admission.decide(head, received, fields, origin, router, routes)
            else { return .answered(status: 0) }
            let route = unsafe routes[Int(index)]
            guard unsafe route.answer == nil && route.connect != .terminate else { return .answered(status: 0) }
            let facts = unsafe RequestFacts(
                peer: request.client, endpoint: nil, origin: origin, id: RequestID(),
                maxForwards: MaxForwards.value(of: head, received, fields).map { $0 - 1 }, route: route.name,
                listener: arena.make(snapshot.listeners[listener].name), statesForwarded: snapshot.statesForwarded)
            var writer = HeadWriter()
            unsafe RequestComposer.write(head, received, fields, route.request, route.rewrite, facts, into: &writer)
            unsafe text = String(
                decoding: UnsafeBufferPointer(start: writer.bytes, count: writer.count), as: UTF8.self)
            return .routed(Int(index))
        }
        return text
    }

    /// Where a redirect leads.
    package func location(_ request: Request) -> String? {
        var text: String?
        _ = unsafe read(request) { head, received, fields in
            let origin = unsafe origin(of: request, head, received, fields)
            guard case .route(let index) = unsafe Admission.decide(head, received, fields, origin, router, routes),
                let answer = unsafe routes[Int(index)].answer, unsafe answer.pointee.location.count > 0
            else { return .answered(status: 0) }
            let view = unsafe RequestView(
                head, received, origin, id: RequestID(), route: routes[Int(index)].name,
                listener: arena.make(snapshot.listeners[listener].name))
            var writer = HeadWriter()
            unsafe LocationWriter.write(answer.pointee.location, view, into: &writer)
            unsafe text = String(
                decoding: UnsafeBufferPointer(start: writer.bytes, count: writer.count), as: UTF8.self)
            return .routed(Int(index))
        }
        return text
    }

    /// Why a route doesn't take the request: each part of its `match` is asked alone. Empty when it does.
    package func reasons(against index: Int, _ request: Request) throws -> [Reason] {
        let route = snapshot.routes[index]
        guard route.listeners.contains(listener) else { return [.listener] }
        var reasons: [Reason] = []
        for (reason, match) in Explainer.parts(of: route.match) {
            let part = Route(name: "", listeners: [0], match: match)
            let arena = Arena()
            let matches = try CompiledMatches([part], arena: arena)
            let router = Router([part], matches, listener: 0, arena: arena)
            let outcome = unsafe read(request) { head, received, fields in
                let found = unsafe router.route(head, received, fields)
                return found == Router.none ? .answered(status: 404) : .routed(0)
            }
            if outcome != .routed(0) { reasons.append(reason) }
        }
        return reasons
    }

    private static func parts(of match: RouteMatch) -> [(Reason, RouteMatch)] {
        var parts: [(Reason, RouteMatch)] = []
        if !match.hosts.isEmpty { parts.append((.host, RouteMatch(hosts: match.hosts))) }
        if match.path != nil { parts.append((.path, RouteMatch(path: match.path))) }
        if !match.methods.isEmpty { parts.append((.method, RouteMatch(methods: match.methods))) }
        if !match.header.isEmpty { parts.append((.header, RouteMatch(header: match.header))) }
        if !match.query.isEmpty { parts.append((.query, RouteMatch(query: match.query))) }
        return parts
    }

    private func origin(
        of request: Request, _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable
    ) -> RequestOrigin {
        let trusted = snapshot.trustedProxies
        guard trusted.contains(where: { $0.contains(request.client) }) else {
            return RequestOrigin(client: request.client)
        }
        let bytes = unsafe Span(_unsafeStart: received, count: head.length)
        return RequestOrigin(peer: request.client, bytes, fields) { address in
            trusted.contains { $0.contains(address) }
        }
    }

    private func read(
        _ request: Request,
        _ use: (RequestHead, UnsafePointer<UInt8>, borrowing FieldTable) -> Outcome
    ) -> Outcome {
        let limits = snapshot.limits.replaced(by: snapshot.listeners[listener].limits)
        var fields = FieldTable()
        return unsafe request.head.withUnsafeBufferPointer { bytes in
            var head = RequestHead()
            let outcome = unsafe head.parse(
                Span(_unsafeElements: bytes),
                limits: HeadLimits(headBytesMax: limits.headBytesMax, fieldCountMax: limits.fieldCountMax),
                fields: &fields)
            switch outcome {
            case .complete: return unsafe use(head, bytes.baseAddress!, fields)
            case .incomplete: return .refused(status: 400, reason: "incomplete")
            case .failed(let error): return .refused(status: error.status, reason: "\(error.reason)")
            }
        }
    }
}
