/// One operation of the API. The table of these is what requests are matched with and what `/openapi.json` says.
struct APIRoute: Sendable {
    enum Operation: Sendable {
        case status, nodes, pools, listeners, routes, metrics, revisions, apply, explain, events
        case drainNode, resumeNode, drainEndpoint, resumeEndpoint, scale, description
    }
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
    }

    let method: Method
    /// `{name}` stands for one segment.
    let template: String
    let operation: Operation
    let summary: String
    private let segments: [Substring]

    init(_ method: Method, _ template: String, _ operation: Operation, _ summary: String) {
        self.method = method
        self.template = template
        self.operation = operation
        self.summary = summary
        segments = template.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    }

    static let all: [APIRoute] = [
        .init(.get, "/v1/status", .status, "The site, its revision and whether its nodes are up"),
        .init(.get, "/v1/nodes", .nodes, "Forwarder and proxy nodes with their figures"),
        .init(.get, "/v1/pools", .pools, "Pools with the state of their endpoints"),
        .init(.get, "/v1/listeners", .listeners, "Listeners with their connections"),
        .init(.get, "/v1/routes", .routes, "Routes in the order in which they are matched"),
        .init(.get, "/v1/revisions", .revisions, "Published revisions, the newest first"),
        .init(.post, "/v1/revisions", .apply, "Publish a site file as the next revision, or only check it"),
        .init(.post, "/v1/nodes/{node}/drain", .drainNode, "Send no new connections to a proxy node"),
        .init(.post, "/v1/nodes/{node}/resume", .resumeNode, "Send connections to a drained proxy node again"),
        .init(
            .post, "/v1/pools/{pool}/endpoints/{address}/drain", .drainEndpoint, "Send no new requests to an endpoint"),
        .init(
            .post, "/v1/pools/{pool}/endpoints/{address}/resume", .resumeEndpoint,
            "Send requests to a drained endpoint again"),
        .init(.put, "/v1/scale", .scale, "Set the number of local proxy nodes"),
        .init(
            .post, "/v1/explain", .explain,
            "What a request would meet: listener, route, pool and endpoints, and why not other routes"),
        .init(.get, "/v1/events", .events, "What changes: a JSON object a line, those kept first, then as they come"),
        .init(.get, "/metrics", .metrics, "Figures in the Prometheus text format"),
        .init(.get, "/openapi.json", .description, "This description"),
    ]

    /// What a request path stands for.
    enum Match: Sendable {
        case route(APIRoute, parameters: [String: String])
        /// The path exists, with these methods.
        case otherMethod(allowed: [String])
        case none
    }

    /// - Parameter path: Without the query; segments are percent-encoded.
    static func match(method: String, path: String) -> Match {
        var allowed: [String] = []
        for route in all {
            guard let parameters = route.parameters(in: path) else { continue }
            if route.method.rawValue == method || (method == "HEAD" && route.method == .get) {
                return .route(route, parameters: parameters)
            }
            allowed.append(route.method.rawValue)
            if route.method == .get { allowed.append("HEAD") }
        }
        return allowed.isEmpty ? .none : .otherMethod(allowed: allowed)
    }

    private func parameters(in path: String) -> [String: String]? {
        guard path.hasPrefix("/") else { return nil }
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (segment, part) in zip(segments, parts) {
            if segment.hasPrefix("{") {
                guard let value = PercentEncoding.decode(part), !value.isEmpty else { return nil }
                parameters[String(segment.dropFirst().dropLast())] = value
            } else if segment != part {
                return nil
            }
        }
        return parameters
    }

    /// Names of the `{…}` segments, in order.
    var parameterNames: [String] {
        segments.filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
    }
}

/// RFC 3986 §2.1.
package enum PercentEncoding {
    /// - Returns: nil for a bad escape or bytes that are no UTF-8.
    static func decode(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Escapes everything but the unreserved characters.
    package static func encode(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
                out.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                out += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return out
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
