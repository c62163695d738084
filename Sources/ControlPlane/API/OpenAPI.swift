import Foundation

/// `/openapi.json`: OpenAPI 3.1, made from the table of routes and the shapes of the documents.
enum OpenAPI {
    static let document: [UInt8] = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return (try? encoder.encode(description)).map(Array.init) ?? []
    }()

    static var description: JSONValue {
        var paths: [String: JSONValue] = [:]
        for route in APIRoute.all {
            var operations: [String: JSONValue] =
                if case .object(let known)? = paths[route.template] { known } else { [:] }
            operations[route.method.rawValue.lowercased()] = operation(route)
            paths[route.template] = .object(operations)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Sluice control plane", "version": .string(Version.text),
                "description": "HTTP/1.1 and JSON on the control plane's Unix socket.",
            ],
            "servers": [["url": "http://localhost/", "description": "The Unix socket given by --socket"]],
            "paths": .object(paths),
            "components": ["schemas": .object(APISchema.all)],
        ]
    }

    private static func operation(_ route: APIRoute) -> JSONValue {
        var operation: [String: JSONValue] = ["summary": .string(route.summary)]
        operation["operationId"] = .string("\(route.operation)")
        var parameters: [JSONValue] = route.parameterNames.map { name in
            ["name": .string(name), "in": "path", "required": true, "schema": ["type": "string"]]
        }
        if route.operation == .apply {
            parameters += [
                query("dry_run", "boolean", "Only check: nothing is changed"),
                query("comment", "string", "Why, for those who read the revisions"),
                query("file", "string", "What diagnostics call the file"),
            ]
        }
        if route.operation == .events {
            parameters += [
                query("after", "integer", "Only events with a higher id"),
                query("follow", "boolean", "false: end after those kept"),
            ]
        }
        if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
        if let body = requestBody(route.operation) { operation["requestBody"] = body }
        var responses: [String: JSONValue] = [
            "default": content("An error", "application/json", APISchema.reference("Error"))
        ]
        let schema = APISchema.response(to: route.operation)
        switch route.operation {
        case .apply:
            responses["200"] = content("Dry run: it can be applied", "application/json", schema)
            responses["201"] = content("Published", "application/json", schema)
        case .events: responses["200"] = content("Events, one a line", APIHandler.linesType, schema)
        case .metrics: responses["200"] = content("Samples", PrometheusText.contentType, ["type": "string"])
        default: responses["200"] = content("Done", "application/json", schema)
        }
        operation["responses"] = .object(responses)
        return .object(operation)
    }

    private static func query(_ name: String, _ type: String, _ description: String) -> JSONValue {
        [
            "name": .string(name), "in": "query", "description": .string(description),
            "schema": ["type": .string(type)],
        ]
    }

    private static func requestBody(_ operation: APIRoute.Operation) -> JSONValue? {
        switch operation {
        case .apply:
            ["required": true, "content": ["application/yaml": ["schema": ["type": "string"]]]]
        case .scale:
            ["required": true, "content": ["application/json": ["schema": APISchema.reference("Scale")]]]
        case .explain:
            ["required": true, "content": ["application/json": ["schema": APISchema.reference("Explain")]]]
        default: nil
        }
    }

    private static func content(_ description: String, _ type: String, _ schema: JSONValue) -> JSONValue {
        ["description": .string(description), "content": [type: ["schema": schema]]]
    }
}

/// JSON as a value.
indirect enum JSONValue: Encodable, Equatable, Sendable {
    case string(String), number(Int), bool(Bool), array([JSONValue]), object([String: JSONValue])

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .string(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .bool(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(integerLiteral value: Int) { self = .number(value) }
    init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements) { _, last in last })
    }
}
