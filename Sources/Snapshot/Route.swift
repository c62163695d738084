/// A rule from a request to a pool, or to an answer of the proxy's own.
package struct Route: Equatable, Sendable {
    /// `connect`: what becomes of a CONNECT request (RFC 9110 §9.3.6).
    package enum Connect: UInt8, BitwiseCopyable, Sendable, CaseIterable {
        /// It is answered with 405.
        case none = 0
        /// The node answers it, and passes bytes between client and endpoint.
        case terminate = 1
        /// The endpoint, a proxy itself, gets the request.
        case forward = 2

        /// The word in the site file.
        package var name: String {
            switch self {
            case .none: "none"
            case .terminate: "terminate"
            case .forward: "forward"
            }
        }
    }
    /// `name`, or `route-N` (from 1, by position) when the site file gives none; its identity across revisions.
    package var name: String
    /// Indices into `Snapshot.listeners` of the listeners that it serves: all of them `http`, or all `tls-passthrough`;
    /// never empty.
    package var listeners: [Int]
    package var match: RouteMatch
    package var request: HeaderRules
    package var response: HeaderRules
    /// `to`: at least one, or none when `answer` is there.
    package var targets: [WeightedPool]
    /// `redirect` or `respond`: no endpoint is asked.
    package var answer: RouteAnswer?
    /// `request.path` and `request.query`.
    package var rewrite: TargetRewrite
    /// `timeout.connect`: to an endpoint.
    package var connectTimeout: Duration
    /// `timeout.response`: from the end of the request to the head of the response; then 504.
    package var responseTimeout: Duration
    /// `timeout.request`: from the end of the request's head to the end of the response; nil for no bound.
    package var requestTimeout: Duration?
    /// `errors`: before those of the site.
    package var errorPages: [ErrorPage]
    package var retry: RetryPolicy
    /// `mirror`: copies of requests.
    package struct Mirror: Equatable, Sendable {
        /// Index into `Snapshot.pools`.
        package var pool: Int
        /// `share`: of 10,000 requests; 1…10,000.
        package var share: Int
        /// `body`: bytes of a body that is copied, chunk framing included; 0…1 MiB.
        package var bodyBytesMax: Int
        /// `in_flight`: copies of one node that are under way; 1…10,000.
        package var countMax: Int

        package init(pool: Int, share: Int = 10_000, bodyBytesMax: Int = 64 * 1024, countMax: Int = 100) {
            self.pool = pool
            self.share = share
            self.bodyBytesMax = bodyBytesMax
            self.countMax = countMax
        }
    }
    /// Of a route that goes to pools; nil for no copies.
    package var mirror: Mirror?
    package var hedge: HedgePolicy?
    /// `shed`: its requests are turned away when a node is over its limits.
    package var isShed: Bool
    /// Only of a route that takes CONNECT alone, and goes to pools.
    package var connect: Connect

    package init(
        name: String, listeners: [Int], match: RouteMatch = .init(), request: HeaderRules = .init(),
        response: HeaderRules = .init(), targets: [WeightedPool] = [], answer: RouteAnswer? = nil,
        rewrite: TargetRewrite = .init(), connectTimeout: Duration = .seconds(2),
        responseTimeout: Duration = .seconds(30), requestTimeout: Duration? = nil, errorPages: [ErrorPage] = [],
        retry: RetryPolicy = .init(), hedge: HedgePolicy? = nil, isShed: Bool = true, connect: Connect = .none,
        mirror: Mirror? = nil
    ) {
        self.name = name
        self.listeners = listeners
        self.match = match
        self.request = request
        self.response = response
        self.targets = targets
        self.answer = answer
        self.rewrite = rewrite
        self.connectTimeout = connectTimeout
        self.responseTimeout = responseTimeout
        self.requestTimeout = requestTimeout
        self.errorPages = errorPages
        self.retry = retry
        self.hedge = hedge
        self.isShed = isShed
        self.connect = connect
        self.mirror = mirror
    }
}

/// A pool and its share of a route's requests.
package struct WeightedPool: Equatable, Sendable {
    /// Index into `Snapshot.pools`.
    package var pool: Int
    /// 1…65,535.
    package var weight: Int

    package init(pool: Int, weight: Int = 1) {
        self.pool = pool
        self.weight = weight
    }
}

/// Changes to the fields of a message: `remove` first, then `set`, then `add`.
package struct HeaderRules: Equatable, Sendable {
    /// Replaces every line of that name by one.
    package var set: [HeaderRule]
    /// Appends a line.
    package var add: [HeaderRule]
    /// Field names in lower case.
    package var remove: [String]

    package init(set: [HeaderRule] = [], add: [HeaderRule] = [], remove: [String] = []) {
        self.set = set
        self.add = add
        self.remove = remove
    }

    package var isEmpty: Bool { self.set.isEmpty && add.isEmpty && remove.isEmpty }
}

package struct HeaderRule: Equatable, Sendable {
    /// As written in the site file: that is how it is sent.
    package var name: String
    package var value: [ValuePart]

    package init(name: String, value: [ValuePart]) {
        self.name = name
        self.value = value
    }
}

/// A piece of a field value in a rule.
package enum ValuePart: Equatable, Sendable {
    case literal(String)
    case variable(Variable)
    /// `{header.NAME}`: the request's field of that name (in lower case); several lines are one list.
    case field(String)
}

/// `{name}` in a rule's value. What it says of the request is as the client sent it, before any rule.
package enum Variable: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    /// `{client_ip}`: the client's address without its port; what a trusted proxy says it is.
    case clientIP = 0
    /// `{host}`: the request's `Host`, as sent.
    case host = 1
    /// `{request_id}`: the request's `X-Request-Id`.
    case requestID = 2
    /// `{client_port}`: the client's port; 0 when a trusted proxy doesn't tell it.
    case clientPort = 3
    /// `{hostname}`: the request's `Host` without its port.
    case hostname = 4
    /// `{path}`: as sent, with its escapes.
    case path = 5
    /// `{query}`: as sent, without the question mark.
    case query = 6
    case method = 7
    /// `{scheme}`: `http`, or what a trusted proxy says.
    case scheme = 8
    /// `{route}` and `{listener}`: their names.
    case route = 9
    case listener = 10
    /// `{status}`: the response's; only in rules for responses.
    case status = 11
    /// Of the connection that the client's request came by: `1.3`, `TLS_AES_128_GCM_SHA256`, the host of SNI. Empty in the clear.
    case tlsVersion = 12
    case tlsCipher = 13
    case tlsServerName = 14
    /// The subject of the client's certificate by RFC 4514; empty without one.
    case tlsClientSubject = 15

    /// The word between the braces.
    package var name: String {
        switch self {
        case .clientIP: "client_ip"
        case .host: "host"
        case .requestID: "request_id"
        case .clientPort: "client_port"
        case .hostname: "hostname"
        case .path: "path"
        case .query: "query"
        case .method: "method"
        case .scheme: "scheme"
        case .route: "route"
        case .listener: "listener"
        case .status: "status"
        case .tlsVersion: "tls_version"
        case .tlsCipher: "tls_cipher"
        case .tlsServerName: "tls_server_name"
        case .tlsClientSubject: "tls_client_subject"
        }
    }

    /// Whether it is known before there is a response.
    package var isOfRequest: Bool { self != .status }
}
