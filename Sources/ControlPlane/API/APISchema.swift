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
        case .explain: reference("Explanation")
        case .metrics: string
        case .events: reference("Event")
        case .description: ["type": "object"]
        }
    }

    static let all: [String: JSONValue] = [
        "Status": object([
            "site": string, "revision": integer, "digest": string, "uptime_seconds": integer, "version": string,
            "nodes": object(["up": integer, "total": integer]), "control": object(["pid": integer]),
            "names": list(reference("Name")),
            "certificates": list(
                object(
                    [
                        "listener": string, "certificate": string, "expires": integer,
                        "ocsp": object(
                            ["status": oneOf(["good", "revoked", "none"]), "next_update": integer, "failure": string],
                            optional: ["next_update", "failure"]),
                    ], optional: ["ocsp"])),
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
                    "name": string, "balance": string, "queued": integer, "panic": boolean,
                    "endpoints": list(
                        object([
                            "address": string, "weight": integer,
                            "state": oneOf(["up", "draining", "ejected", "down", "unknown"]),
                            "reason": string, "since": ["type": "string", "format": "date-time"],
                            "votes": object(["up": integer, "down": integer]), "ejected_by": list(string),
                            "requests": integer, "active": integer, "failures": integer, "errors": integer,
                            "connections": integer, "ejections": integer,
                            "latency_ms": object([
                                "p50": nullable("number"), "p90": nullable("number"), "p99": nullable("number"),
                            ]),
                        ])),
                ])), "unanswered": list(string),
        ]),
        "Listeners": object([
            "listeners": list(
                object([
                    "name": string, "protocol": oneOf(["http", "https", "tcp", "tls-passthrough"]),
                    "addresses": list(string),
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
                                "alpn": list(string),
                            ], optional: ["path", "alpn"]),
                        "to": list(object(["pool": string, "weight": integer])), "requests": integer,
                        "answer": object(["status": integer, "location": string], optional: ["location"]),
                        "connect": oneOf(["terminate", "forward"]),
                        "mirror": object(["pool": string, "share": number]),
                    ], optional: ["answer", "connect", "mirror"])), "unanswered": list(string),
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
        "Explain": object(
            [
                "method": string, "url": string, "headers": list(field), "listener": string, "client": string,
                "alpn": list(string),
            ], optional: ["headers", "listener", "client", "alpn"]),
        "Explanation": object(
            [
                "revision": integer, "listener": string, "route": string,
                "answer": object(
                    ["status": integer, "reason": string, "location": string], optional: ["reason", "location"]),
                "pools": list(
                    object([
                        "name": string, "balance": string, "share": number,
                        "endpoints": list(
                            object(["address": string, "weight": integer, "state": string, "eligible": boolean])),
                    ])),
                "mirror": object(["pool": string, "share": number]),
                "forwarded": object(["request_line": string, "headers": list(field)]),
                "passed_over": list(
                    object([
                        "route": string,
                        "reasons": list(oneOf(["listener", "host", "path", "method", "header", "query", "alpn"])),
                    ])), "passed_over_more": integer,
                "alert": oneOf(["missing_extension", "unrecognized_name", "no_application_protocol"]),
            ], optional: ["route", "answer", "mirror", "forwarded", "alert"]),
        "Drain": object(["name": string, "state": oneOf(["draining", "resumed"])]),
        "Event": object(
            [
                "id": integer, "time": ["type": "string", "format": "date-time"],
                "kind": oneOf(["endpoint", "ejection", "node", "revision"]), "name": string, "state": string,
                "from": string, "reason": string, "node": string,
                "votes": object(["up": integer, "down": integer]),
            ], optional: ["from", "reason", "node", "votes"]),
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
    private static let number: JSONValue = ["type": "number"]
    private static let field = object(["name": string, "value": string])
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
