/// JSON schemas of the documents.
enum APISchema {
    static func reference(_ name: String) -> JSONValue { ["$ref": .string("#/components/schemas/\(name)")] }

    static func response(to operation: APIRoute.Operation) -> JSONValue {
        switch operation {
        case .status: reference("Status")
        case .nodes: reference("Nodes")
        case .pools: reference("Pools")
        case .listeners: reference("Listeners")
        case .routes: reference("Routes")
        case .revisions: reference("Revisions")
        case .apply: reference("Revision")
        case .drainNode, .resumeNode, .drainEndpoint, .resumeEndpoint: reference("Drain")
        case .scale: reference("Scale")
        case .metrics: string
        case .description: ["type": "object"]
        }
    }

    static let all: [String: JSONValue] = [
        "Status": object([
            "site": string, "revision": integer, "digest": string, "uptime_seconds": integer, "version": string,
            "nodes": object(["up": integer, "total": integer]), "control": object(["pid": integer]),
            "names": list(reference("Name")),
        ]),
        "Name": object(["name": string, "addresses": list(string), "failure": string], optional: ["failure"]),
        "Nodes": object([
            "nodes": list(
                object([
                    "id": string, "role": oneOf(["forwarder", "proxy"]),
                    "state": oneOf(["starting", "up", "draining", "down"]),
                    "pid": nullable("integer"), "revision": integer, "local": boolean, "address": nullable("string"),
                    "connections": nullable("integer"), "requests": nullable("integer"), "restarts": integer,
                    "uptime_seconds": integer,
                ])), "unanswered": list(string),
        ]),
        "Pools": object([
            "pools": list(
                object([
                    "name": string, "balance": string, "queued": integer,
                    "endpoints": list(
                        object([
                            "address": string, "weight": integer,
                            "state": oneOf(["up", "draining", "ejected", "down", "unknown"]),
                            "requests": integer, "active": integer, "failures": integer, "connections": integer,
                        ])),
                ])), "unanswered": list(string),
        ]),
        "Listeners": object([
            "listeners": list(
                object([
                    "name": string, "protocol": oneOf(["http", "tcp"]), "addresses": list(string),
                    "connections": integer, "accepted": integer,
                ])), "unanswered": list(string),
        ]),
        "Routes": object([
            "routes": list(
                object(
                    [
                        "name": string, "listeners": list(string),
                        "match": object(
                            [
                                "host": list(string),
                                "path": ["oneOf": [string, object(["prefix": string]), object(["regex": string])]],
                                "method": list(string), "header": conditions, "query": conditions,
                            ], optional: ["path"]),
                        "to": list(object(["pool": string, "weight": integer])), "requests": integer,
                        "answer": object(["status": integer, "location": string], optional: ["location"]),
                    ], optional: ["answer"])), "unanswered": list(string),
        ]),
        "Revision": object([
            "revision": integer, "digest": string, "warnings": list(reference("Diagnostic")), "dry_run": boolean,
        ]),
        "Revisions": object([
            "revisions": list(
                object(
                    [
                        "revision": integer, "digest": string, "file": string,
                        "time": ["type": "string", "format": "date-time"],
                        "author": object(["uid": integer, "pid": integer]), "comment": string,
                    ], optional: ["author", "comment"]))
        ]),
        "Drain": object(["name": string, "state": oneOf(["draining", "resumed"])]),
        "Scale": object(["proxies": ["type": "integer", "minimum": 0, "maximum": .number(Members.proxiesMax)]]),
        "Diagnostic": object(
            [
                "severity": oneOf(["error", "warning"]), "file": string, "line": integer, "column": integer,
                "message": string, "hint": string,
            ], optional: ["hint"]),
        "Error": object(["error": object(["message": string, "diagnostics": list(reference("Diagnostic"))])]),
    ]

    /// From a name to a value, or to what is asked of it.
    private static let conditions: JSONValue = [
        "type": "object",
        "additionalProperties": [
            "oneOf": [
                string,
                object(
                    ["prefix": string, "regex": string, "present": boolean],
                    optional: ["prefix", "regex", "present"]),
            ]
        ],
    ]
    private static let string: JSONValue = ["type": "string"]
    private static let integer: JSONValue = ["type": "integer"]
    private static let boolean: JSONValue = ["type": "boolean"]
    private static func nullable(_ type: String) -> JSONValue { ["type": [.string(type), "null"]] }
    private static func oneOf(_ values: [String]) -> JSONValue {
        ["type": "string", "enum": .array(values.map(JSONValue.string))]
    }
    private static func list(_ items: JSONValue) -> JSONValue { ["type": "array", "items": items] }
    private static func object(_ properties: [String: JSONValue], optional: Set<String> = []) -> JSONValue {
        let required = properties.keys.filter { !optional.contains($0) }.sorted()
        return [
            "type": "object", "required": .array(required.map(JSONValue.string)), "properties": .object(properties),
        ]
    }
}
