/// `redirect` or `respond`: the answer that a route gives itself, without an endpoint.
package struct RouteAnswer: Equatable, Sendable {
    /// 200…599; of a redirect 301, 302, 303, 307 or 308.
    package var status: Int
    /// `Location` of a redirect; nil for `respond`.
    package var location: [ValuePart]?
    /// `Content-Type`; empty for none.
    package var contentType: String
    /// At most `bodyBytesMax`. A redirect has none here: the proxy writes its own line.
    package var body: [UInt8]

    /// Head and body go out in one buffer of 64 KiB; the rest of it is for the head.
    package static let bodyBytesMax = 32 * 1024

    package init(status: Int, location: [ValuePart]? = nil, contentType: String = "", body: [UInt8] = []) {
        self.status = status
        self.location = location
        self.contentType = contentType
        self.body = body
    }
}

/// `errors`: what answers that the proxy makes itself look like. Answers of endpoints stay as they are.
package struct ErrorPage: Equatable, Sendable {
    /// `404`, or a whole class: `5xx` is 500…599.
    package var statuses: ClosedRange<Int>
    package var contentType: String
    /// At most `RouteAnswer.bodyBytesMax`, filled in. `{status}` and `{request_id}` are filled in; other braces are text.
    package var body: [UInt8]

    /// Longest `X-Request-Id` that is kept of a trusted peer.
    package static let requestIDBytesMax = 128

    package init(statuses: ClosedRange<Int>, contentType: String, body: [UInt8]) {
        self.statuses = statuses
        self.contentType = contentType
        self.body = body
    }
}

/// `request.path` and `request.query`: what becomes of a request's target before it goes to the endpoint.
package struct TargetRewrite: Equatable, Sendable {
    package enum Path: Equatable, Sendable {
        /// The path goes on as received.
        case keep
        /// `replace`: this path instead, percent-encoded as it is sent.
        case replace(String)
        /// `strip_prefix`, then `add_prefix`; neither ends with a slash, and either may be empty. The path goes on in
        /// its normal form (RFC 3986 §6.2.2).
        case prefixes(strip: String, add: String)
    }
    /// A parameter to append; the name without escapes.
    package struct Parameter: Equatable, Sendable {
        package var name: String
        package var value: [ValuePart]

        package init(name: String, value: [ValuePart]) {
            self.name = name
            self.value = value
        }
    }
    package var path: Path
    /// `query.set`: replaces every parameter of that name by one.
    package var set: [Parameter]
    /// `query.add`: appends a parameter.
    package var add: [Parameter]
    /// `query.remove`: names without escapes.
    package var remove: [String]

    package init(path: Path = .keep, set: [Parameter] = [], add: [Parameter] = [], remove: [String] = []) {
        self.path = path
        self.set = set
        self.add = add
        self.remove = remove
    }

    package var isEmpty: Bool { path == .keep && self.set.isEmpty && add.isEmpty && remove.isEmpty }
}
