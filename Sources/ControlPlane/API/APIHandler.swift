package import Foundation
package import Logging
import SiteFile

/// A request of an operator, whole.
package struct APIRequest: Sendable {
    package var method: String
    /// Path and query as sent.
    package var target: String
    package var body: [UInt8]
    package var peer: Peer?

    package init(method: String, target: String, body: [UInt8] = [], peer: Peer? = nil) {
        self.method = method
        self.target = target
        self.body = body
        self.peer = peer
    }
}

/// The answer, whole.
package struct APIResponse: Equatable, Sendable {
    package var status: Int
    package var contentType: String
    package var body: [UInt8]
    /// `Allow` of a 405.
    package var allow: [String] = []
}

/// Turns requests into calls of the controller, and what it says into JSON.
package struct APIHandler: Sendable {
    /// A site file of 100,000 routes has about 10 MiB; what people write by hand is far below this.
    package static let bodyBytesMax = 4 * 1024 * 1024

    private let controller: Controller
    private let logger: Logger

    package init(controller: Controller, logger: Logger) {
        self.controller = controller
        self.logger = logger
    }

    package func respond(to request: APIRequest) async -> APIResponse {
        let parts = request.target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let query = Query(parts.count == 2 ? parts[1] : "")
        switch APIRoute.match(method: request.method, path: String(parts.first ?? "")) {
        case .none: return APIHandler.error(404, "nothing is at \(parts.first ?? ""): see /openapi.json")
        case .otherMethod(let allowed):
            var response = APIHandler.error(405, "\(request.method) is not for \(parts.first ?? ""): use \(allowed[0])")
            response.allow = allowed
            return response
        case .route(let route, let parameters):
            do {
                return try await perform(route.operation, parameters, query, request)
            } catch {
                return failure(error)
            }
        }
    }

    private func perform(
        _ operation: APIRoute.Operation, _ parameters: [String: String], _ query: Query, _ request: APIRequest
    ) async throws -> APIResponse {
        let node = parameters["node", default: ""]
        let pool = parameters["pool", default: ""]
        let address = parameters["address", default: ""]
        switch operation {
        case .status: return try APIHandler.json(200, await controller.status())
        case .nodes: return try APIHandler.json(200, await controller.nodesDocument())
        case .pools: return try APIHandler.json(200, await controller.poolsDocument())
        case .listeners: return try APIHandler.json(200, await controller.listenersDocument())
        case .routes: return try APIHandler.json(200, await controller.routesDocument())
        case .revisions: return try APIHandler.json(200, await controller.revisionsDocument())
        case .events:
            let lines = try await controller.eventsSoFar(after: try APIHandler.after(query)).map(APIHandler.line)
            return APIResponse(status: 200, contentType: APIHandler.linesType, body: Array(lines.joined()))
        case .metrics:
            let text = await controller.metrics()
            return APIResponse(status: 200, contentType: PrometheusText.contentType, body: Array(text.utf8))
        case .description: return APIResponse(status: 200, contentType: "application/json", body: OpenAPI.document)
        case .apply: return try await apply(query, request)
        case .explain:
            guard let question = try? APIHandler.decoder.decode(ExplainDocument.self, from: Data(request.body)) else {
                throw ControlError.invalid("the body is not {\"method\": \"GET\", \"url\": \"http://host/path\", …}")
            }
            return try APIHandler.json(200, await controller.explain(question))
        case .scale:
            guard let wanted = try? APIHandler.decoder.decode(ScaleDocument.self, from: Data(request.body)) else {
                throw ControlError.invalid("the body is not {\"proxies\": NUMBER}")
            }
            try await controller.scale(to: wanted.proxies, by: request.peer)
            return try APIHandler.json(200, wanted)
        case .drainNode, .resumeNode:
            let drains = operation == .drainNode
            try await controller.setDrained(node: node, drains, by: request.peer)
            return try APIHandler.json(200, DrainDocument(name: node, state: drains ? "draining" : "resumed"))
        case .drainEndpoint, .resumeEndpoint:
            let drains = operation == .drainEndpoint
            try await controller.setDrained(pool: pool, endpoint: address, drains, by: request.peer)
            return try APIHandler.json(
                200, DrainDocument(name: "\(pool)/\(address)", state: drains ? "draining" : "resumed"))
        }
    }

    /// JSON objects, each on a line.
    static let linesType = "application/x-ndjson"

    /// What goes on for as long as both sides want, and isn't answered as a whole.
    ///
    /// - Returns: Lines to send as they come; nil for every other request.
    func stream(for request: APIRequest) async -> AsyncStream<[UInt8]>? {
        let parts = request.target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let query = Query(parts.count == 2 ? parts[1] : "")
        guard request.method == "GET", parts.first == "/v1/events", !["false", "0"].contains(query["follow"]),
            let after = try? APIHandler.after(query)
        else { return nil }
        let events = await controller.followEvents(after: after)
        return AsyncStream { continuation in
            let task = Task {
                // An empty line is a sign of life.
                for await event in events { continuation.yield(event.flatMap { try? APIHandler.line($0) } ?? [0x0a]) }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private static func line(_ event: EventDocument) throws -> [UInt8] { Array(try encoder.encode(event)) + [0x0a] }

    private static func after(_ query: Query) throws(ControlError) -> UInt64 {
        guard let text = query["after"] else { return 0 }
        guard let number = UInt64(text) else { throw .invalid("after is \(text): give the id of an event") }
        return number
    }

    private func apply(_ query: Query, _ request: APIRequest) async throws -> APIResponse {
        let file = query["file"] ?? "site.yaml"
        guard let text = String(validating: request.body, as: UTF8.self) else {
            // The compiler says where the text stops being text.
            _ = try SiteFile.compile(bytes: request.body, file: file, revision: 0)
            throw ControlError.invalid("\(file) is not UTF-8")
        }
        let source = Controller.Source(text: text, file: file)
        let isDryRun: Bool
        switch query["dry_run"] {
        case nil, "false", "0": isDryRun = false
        case "true", "1", "": isDryRun = true
        case let value?: throw ControlError.invalid("dry_run is \(value): give true or false")
        }
        let change =
            isDryRun
            ? try await controller.check(source)
            : try await controller.apply(source, author: request.peer, comment: query["comment"])
        let document = RevisionDocument(
            revision: change.revision, digest: change.digest, warnings: change.warnings.map(DiagnosticDocument.init),
            dryRun: change.isDryRun)
        return try APIHandler.json(isDryRun ? 200 : 201, document)
    }

    // MARK: Answers

    private func failure(_ error: any Error) -> APIResponse {
        switch error {
        case let error as ControlError:
            switch error {
            case .notFound(let message): return APIHandler.error(404, message)
            case .conflict(let message): return APIHandler.error(409, message)
            case .invalid(let message, let diagnostics): return APIHandler.error(422, message, diagnostics)
            case .unavailable(let message): return APIHandler.error(503, message)
            case .failed(let message): return APIHandler.error(500, message)
            }
        case let error as ConfigurationError:
            return APIHandler.error(422, "the site file has errors; nothing was changed", error.diagnostics)
        default:
            logger.error("api: \(error)")
            return APIHandler.error(500, "\(error)")
        }
    }

    static func error(_ status: Int, _ message: String, _ diagnostics: [Diagnostic] = []) -> APIResponse {
        let document = ErrorDocument(
            error: .init(message: message, diagnostics: diagnostics.map(DiagnosticDocument.init)))
        let body = (try? encoder.encode(document)).map(Array.init) ?? []
        return APIResponse(status: status, contentType: "application/json", body: body)
    }

    private static func json(_ status: Int, _ document: some Encodable) throws -> APIResponse {
        APIResponse(status: status, contentType: "application/json", body: Array(try encoder.encode(document)))
    }

    package static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    package static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }
}

/// The query of a request target; the first value of a name counts.
private struct Query {
    private var values: [String: String] = [:]

    init(_ text: Substring) {
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(parts[0]) else { continue }
            let value = parts.count == 2 ? Query.decode(parts[1]) ?? "" : ""
            if values[name] == nil { values[name] = value }
        }
    }

    /// A `+` stands for a space, as forms send it.
    private static func decode(_ text: Substring) -> String? {
        PercentEncoding.decode(Substring(text.map { $0 == "+" ? " " : $0 }))
    }

    subscript(name: String) -> String? { values[name] }
}
