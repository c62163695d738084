/// What one field of a JSON access-log line holds. The order here is the order of `fields` when a site names none.
package enum AccessField: UInt8, CaseIterable, Sendable {
    case time = 0
    case clientIP = 1
    case clientPort = 2
    case listener = 3
    case route = 4
    case pool = 5
    case endpoint = 6
    case method = 7
    case host = 8
    case path = 9
    case query = 10
    case version = 11
    case status = 12
    case bytesIn = 13
    case bytesOut = 14
    case duration = 15
    case connectTime = 16
    case ttfb = 17
    case attempts = 18
    case termination = 19
    case requestID = 20
    case userAgent = 21
    case referer = 22
    case forwardedFor = 23
    case request = 24

    /// What a line has when the site names no fields: all but `request`, whose parts are fields, too.
    package static let standard = allCases.filter { $0 != .request }

    /// The member's name, as in `access_log.fields`.
    package var name: StaticString {
        switch self {
        case .time: "time"
        case .clientIP: "client_ip"
        case .clientPort: "client_port"
        case .listener: "listener"
        case .route: "route"
        case .pool: "pool"
        case .endpoint: "endpoint"
        case .method: "method"
        case .host: "host"
        case .path: "path"
        case .query: "query"
        case .version: "version"
        case .status: "status"
        case .bytesIn: "bytes_in"
        case .bytesOut: "bytes_out"
        case .duration: "duration"
        case .connectTime: "connect_time"
        case .ttfb: "ttfb"
        case .attempts: "attempts"
        case .termination: "termination"
        case .requestID: "request_id"
        case .userAgent: "user_agent"
        case .referer: "referer"
        case .forwardedFor: "x_forwarded_for"
        case .request: "request"
        }
    }

    /// For the reference of the site file.
    package var meaning: String {
        switch self {
        case .time: "When the request's first byte came: RFC 3339, UTC, milliseconds."
        case .clientIP:
            "The client's address: of the PROXY header on relayed connections; behind `trust.proxies` as for `{client_ip}`."
        case .clientPort: "The client's port, a number; null when a trusted proxy stated none."
        case .listener: "The listener's name."
        case .route: "The route's name; null when none matched."
        case .pool: "Name of the pool that was tried last; null when the request was meant for none."
        case .endpoint: "Address of the endpoint that was tried last; null when none was."
        case .method: "As received; null when the request line could not be read."
        case .host: "The request's authority as received: of an absolute target, else `Host`."
        case .path: "The target's path as received, not decoded; null when the request line could not be read."
        case .query: "What follows `?`; null without one."
        case .version: "`HTTP/1.1` or `HTTP/1.0`; null when the request line could not be read."
        case .status: "Status of the answer, a number; 499 when the client left before there was one."
        case .bytesIn: "Bytes of the request: head and body, chunk framing included."
        case .bytesOut: "Bytes of the answer that went to the client: heads and body, chunk framing included."
        case .duration: "Seconds from the first byte of the request to the end of the answer, a number."
        case .connectTime:
            "Seconds that the last new connection to an endpoint took; null when a kept one was used or none was made."
        case .ttfb: "Seconds from the first byte of the request to the head of the endpoint's answer; null without one."
        case .attempts: "Connections to endpoints that the request was tried on, a number: 1 without a retry."
        case .termination: "How it ended, one of the words below."
        case .requestID: "`X-Request-Id` as sent to the endpoint."
        case .userAgent: "`User-Agent` of the request."
        case .referer: "`Referer` of the request."
        case .request: "The first line as received, also when it is no request line. Not among the fields by default."
        case .forwardedFor: "`X-Forwarded-For` as received, whether trusted or not."
        }
    }
}

/// How a request ended: the words of the field `termination`.
package enum Termination: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Not said yet: follows from the status when the record is made.
    case unknown = 0
    case done = 1
    case refused = 2
    case clientGone = 3
    case clientTimeout = 4
    case connectFailed = 5
    case connectTimeout = 6
    case endpointReset = 7
    case endpointTimeout = 8
    case endpointMalformed = 9
    case noEndpoint = 10
    case overload = 11
    case tunnelIdle = 12
    case queueFull = 13
    case queueTimeout = 14

    package var name: StaticString {
        switch self {
        case .unknown: "unknown"
        case .done: "done"
        case .refused: "refused"
        case .clientGone: "client_gone"
        case .clientTimeout: "client_timeout"
        case .connectFailed: "connect_failed"
        case .connectTimeout: "connect_timeout"
        case .endpointReset: "endpoint_reset"
        case .endpointTimeout: "endpoint_timeout"
        case .endpointMalformed: "endpoint_malformed"
        case .noEndpoint: "no_endpoint"
        case .overload: "overload"
        case .tunnelIdle: "tunnel_idle"
        case .queueFull: "queue_full"
        case .queueTimeout: "queue_timeout"
        }
    }

    /// For the reference of the site file.
    package var meaning: String {
        switch self {
        case .unknown: "The node has not said why."
        case .done: "The answer was passed on whole."
        case .refused: "The node answered itself: bytes that are no request, no route, a limit."
        case .clientGone: "The client closed or reset its connection."
        case .clientTimeout: "The client took too long to send its request, or to take the answer."
        case .connectFailed: "No connection to an endpoint could be made."
        case .connectTimeout: "Connecting to an endpoint took too long."
        case .endpointReset: "The endpoint closed its connection before the answer was whole."
        case .endpointTimeout: "The endpoint took too long."
        case .endpointMalformed: "The endpoint answered with bytes that are no response."
        case .noEndpoint: "Every endpoint of the pool was down or draining."
        case .tunnelIdle: "Nothing moved for too long after the protocol was switched (WebSocket)."
        case .queueFull: "As many requests as `connections.queue` allows waited for the pool."
        case .queueTimeout: "The request waited too long for a connection of the pool."
        case .overload: "The node had no memory or descriptor left for the request."
        }
    }
}
