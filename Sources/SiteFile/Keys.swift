import EventLoop
import Snapshot
import Telemetry

// Every key of the site file. Defaults are those of the types in `Snapshot`, named here once.

enum SiteKeys {
    static let defaultName = "site"
    static let site = Key("site", .name, default: defaultName, "The site's name, shown by `sluice status`.")
    static let forwarder = Key(
        "forwarder", .section(ForwarderKeys.section), "How connections are spread over proxy nodes.")
    static let proxy = Key(
        "proxy", .section(ProxyKeys.section), "The proxy nodes that the control plane runs on its host.")
    static let trust = Key("trust", .section(TrustKeys.section), "Whose word about the client is believed.")
    static let listeners = Key(
        "listeners", .named(ListenerKeys.section, example: "web: {address: \":8080\"}"), stands: "required",
        "Addresses that clients dial, by name.")
    static let limits = Key("limits", .section(LimitsKeys.section), "Bounds on what clients may use.")
    static let accessLog = Key(
        "access_log", .section(AccessLogKeys.section), stands: "requests are not logged", "One line for each request.")
    static let routes = Key(
        "routes", .list(RouteKeys.section, example: "- to: app"), stands: "none",
        "Rules from requests to pools. The first that matches wins; a request that none matches is answered with an error."
    )
    static let pools = Key(
        "pools", .named(PoolKeys.section, example: "app: {endpoints: [\"127.0.0.1:9001\"]}"), stands: "required",
        "Sets of endpoints, by name.")
    static let section = Section(
        "", "A site file is one YAML document, in UTF-8, of at most 4 MiB.",
        keys: [
            site.declaration, forwarder.declaration, proxy.declaration, trust.declaration, listeners.declaration,
            limits.declaration, accessLog.declaration, routes.declaration, pools.declaration,
        ],
        later: ["control"])
}

enum ForwarderKeys {
    private static let standard = ForwarderSettings()
    static let workers = Key(
        "workers", .integer(1...256), default: standard.workers, "Event loops, each on a thread of its own.")
    static let hash = Key(
        "hash", .word([("connection", .connection), ("source", .source)]), default: standard.hash,
        "What chooses the proxy node: `connection` (addresses and ports of both ends) or `source` (the client's address: one client keeps its node)."
    )
    static let handOver = Key(
        "hand_over", .word([("auto", .auto), ("never", .never)]), default: standard.handOver,
        "`auto`: nodes on the same host get the accepted socket itself, others are reached by relay. `never`: always relay."
    )
    static let section = Section(
        "forwarder", "", keys: [workers.declaration, hash.declaration, handOver.declaration])
}

enum ProxyKeys {
    private static let standard = ProxySettings()
    static let nodes = Key(
        "nodes", .integer(0...256), default: standard.nodes, "Proxy nodes on this host. 0: nodes on other hosts only.")
    static let workers = Key(
        "workers", .integer(1...256), default: standard.workers,
        "Event loops of each node, each on a thread of its own.")
    static let section = Section("proxy", "", keys: [nodes.declaration, workers.declaration], later: ["memory"])
}

enum TrustKeys {
    static let proxies = Key(
        "proxies", .oneOrMore(.addressRange, each: "address block", mayBeEmpty: true), default: [],
        "Peers whose `X-Forwarded-*` and `X-Request-Id` fields are believed; those of others are replaced.")
    static let section = Section("trust", "", keys: [proxies.declaration])
}

enum ListenerKeys {
    static let address = Key(
        "address", .oneOrMore(.listenAddress, each: "address"), stands: "required",
        "Where to listen. `:8080` stands for `0.0.0.0:8080`. A name is resolved when the file is applied.")
    static let `protocol` = Key(
        "protocol", .word([("http", .http), ("tcp", .tcp)], later: ["https", "tls-passthrough"]),
        default: Listener.Application.http, "What is spoken there. A `tcp` listener relays to the pool in `to`.")
    static let to = Key("to", .name, stands: "required for `tcp`", "The pool of a `tcp` listener.")
    static let section = Section(
        "listeners.NAME", "", keys: [address.declaration, `protocol`.declaration, to.declaration],
        later: ["tls", "proxy_protocol"])
}

enum LimitsKeys {
    private static let standard = Limits()
    static let head = Key(
        "head", .size(1024...60 * 1024), default: standard.headBytesMax,
        "Bytes of a request's first line and fields; more is answered with 431.")
    static let headers = Key(
        "headers", .integer(1...250), default: standard.fieldCountMax,
        "Field lines in one head; more is answered with 431.")
    static let connections = Key(
        "connections", .integer(1...1_000_000), default: standard.connectionCountMax,
        "Client connections that one node has open at a time.")
    static let connectionsPerSource = Key(
        "connections_per_source", .integer(1...1_000_000), stands: "no limit",
        "Client connections that one source (an IPv4 address, or 64 bits of an IPv6 address) has open at one node; one more is answered with 429 and closed. Peers in `trust.proxies` are not counted."
    )
    static let requestsPerConnection = Key(
        "requests_per_connection", .integer(1...1_000_000_000), stands: "no limit",
        "Requests on one connection; the answer to the last one closes it.")
    static let timeout = Key("timeout", .section(LimitsTimeoutKeys.section), "How long clients may take.")
    static let section = Section(
        "limits", "",
        keys: [
            head.declaration, headers.declaration, connections.declaration, connectionsPerSource.declaration,
            requestsPerConnection.declaration, timeout.declaration,
        ])
}

enum LimitsTimeoutKeys {
    private static let standard = Limits()
    static let head = Key(
        "head", .duration(.milliseconds(100) ... .seconds(600)), default: standard.headTimeout,
        "From the first byte of a request to the end of its head; then 408.")
    static let bodyIdle = Key(
        "body_idle", .duration(.milliseconds(100) ... .seconds(3600)), default: standard.bodyIdleTimeout,
        "Without a byte moving in a body, either way.")
    static let write = Key(
        "write", .duration(.milliseconds(100) ... .seconds(3600)), stands: "as `body_idle`",
        "While an answer waits for a client that takes no byte of it; then the connection is reset.")
    static let idle = Key(
        "idle", .duration(.milliseconds(100) ... .seconds(168 * 3600)), default: standard.idleTimeout,
        "A keep-alive connection between requests, or a relayed connection on which nothing moves.")
    static let tunnel = Key(
        "tunnel", .duration(.milliseconds(100) ... .seconds(168 * 3600)), default: standard.tunnelTimeout,
        "A connection that has switched protocols (WebSocket), on which nothing moves.")
    static let section = Section(
        "limits.timeout", "",
        keys: [
            head.declaration, bodyIdle.declaration, write.declaration, idle.declaration, tunnel.declaration,
        ])
}

enum RouteKeys {
    private static let standard = Route(name: "", listeners: [], targets: [])
    static let name = Key(
        "name", .name, stands: "`route-N`, by position from 1", "Shown in metrics and by `sluice routes`; unique.")
    static let listeners = Key(
        "listeners", .oneOrMore(.name, each: "listener"), stands: "every http listener",
        "The listeners that the route serves.")
    static let match = Key(
        "match", .section(MatchKeys.section), stands: "every request",
        "What a request must look like; all of it must hold.")
    static let request = Key(
        "request", .section(RequestKeys.section), "Changes to the fields of the request before it goes to the endpoint."
    )
    static let response = Key(
        "response", .section(ResponseKeys.section),
        "Changes to the fields of the response before it goes to the client.")
    static let to = Key("to", .name, stands: "required", "The pool that answers.")
    static let timeout = Key("timeout", .section(RouteTimeoutKeys.section), "How long the endpoint may take.")
    static let section = Section(
        "routes[]", "",
        keys: [
            name.declaration, listeners.declaration, match.declaration, request.declaration, response.declaration,
            to.declaration, timeout.declaration,
        ],
        later: ["retry", "cache", "compress", "auth", "limit", "waf", "redirect", "respond"])
}

enum MatchKeys {
    static let host = Key(
        "host", .oneOrMore(.hostPattern, each: "host"), stands: "every host",
        "The request's host without its port. `*.shop.example` stands for one or more labels before `shop.example`.")
    static let path = Key(
        "path", .shaped("a path such as \"/old\", or {prefix: /api/}"), stands: "every path",
        "The whole path, byte for byte and without the query, or `{prefix: …}`: the path begins with these bytes (so `/api` covers `/apis` too)."
    )
    static let section = Section(
        "routes[].match", "", keys: [host.declaration, path.declaration], later: ["method", "header", "query"])
}

enum PathKeys {
    static let prefix = Key("prefix", .path, stands: "required", "The bytes that the path begins with.")
    static let section = Section("routes[].match.path", "", keys: [prefix.declaration])
}

enum RequestKeys {
    static let section = Section(
        "routes[].request", HeaderKeys.summary, keys: HeaderKeys.declarations, later: ["path"])
}

enum ResponseKeys {
    static let section = Section("routes[].response", HeaderKeys.summary, keys: HeaderKeys.declarations)
}

enum HeaderKeys {
    static let set = Key(
        "set", .shaped("a map from field names to values"), stands: "none", "Replaces every line of that name by one.")
    static let add = Key(
        "add", .shaped("a map from field names to values or lists of values"), stands: "none",
        "Appends a line for each value.")
    static let remove = Key(
        "remove", .oneOrMore(.scalar("a field name", parse: { $0 }), each: "field name", mayBeEmpty: true), default: [],
        "Drops every line of that name.")
    static let declarations = [set.declaration, add.declaration, remove.declaration]
    static let summary =
        "`remove` is done first, then `set`, then `add`. Values may hold `{client_ip}`, `{host}` and `{request_id}`; `{{` stands for a brace. Fields that frame the message (`Content-Length`, `Transfer-Encoding`, `Connection`, …) are refused."
}

enum RouteTimeoutKeys {
    private static let standard = Route(name: "", listeners: [], targets: [])
    static let connect = Key(
        "connect", .duration(.milliseconds(10) ... .seconds(300)), default: standard.connectTimeout,
        "For a connection to one endpoint.")
    static let response = Key(
        "response", .duration(.milliseconds(10) ... .seconds(24 * 3600)), default: standard.responseTimeout,
        "From the end of the request to the head of the response; then 504.")
    static let section = Section(
        "routes[].timeout", "", keys: [connect.declaration, response.declaration], later: ["request"])
}

enum PoolKeys {
    private static let standard = Pool(name: "", endpoints: [])
    static let endpoints = Key(
        "endpoints",
        .shaped(
            "a list of addresses or of maps such as {address: \"10.0.0.1:9000\", weight: 2}",
            nested: EndpointKeys.section),
        stands: "required",
        "Where the pool's traffic goes. A name is resolved when the file is applied; each of its addresses is an endpoint."
    )
    static let balance = Key(
        "balance",
        .word(Pool.Balance.allCases.map { ($0.name, $0) }, later: ["peak-ewma", "hash", "random"]),
        default: standard.balance,
        "How an endpoint is chosen: in turn by weight, or the one with the fewest requests under way for its weight.")
    static let health = Key(
        "health", .section(HealthKeys.section), stands: "no probes: endpoints are taken to be up",
        "How endpoints are probed.")
    static let connections = Key(
        "connections", .section(ConnectionsKeys.section), "Connections to the endpoints.")
    static let section = Section(
        "pools.NAME", "",
        keys: [endpoints.declaration, balance.declaration, health.declaration, connections.declaration],
        later: ["hash", "sticky", "outlier", "protocol", "tls", "discover"])
}

enum EndpointKeys {
    static let address = Key(
        "address", .endpointAddress, stands: "required", "IP address and port, name and port, or Unix socket.")
    static let weight = Key(
        "weight", .integer(1...256), default: Endpoint(address: .unix("")).weight,
        "Share of the traffic against the pool's other endpoints.")
    static let section = Section(
        "pools.NAME.endpoints[]", "An endpoint is its address, or a map:",
        keys: [address.declaration, weight.declaration], later: ["backup"])
}

enum HealthKeys {
    private static let standard = HealthCheck(probe: .tcp)
    static let path = Key(
        "path", .path, stands: "required, or `tcp`", "Probe with `GET` of this path over HTTP/1.1.")
    static let expect = Key(
        "expect", .oneOrMore(.statusRange, each: "status"), default: [200...399],
        "Statuses that pass, of a probe with `path`.")
    static let tcp = Key("tcp", .truth, default: false, "Probe by connecting only.")
    static let interval = Key(
        "interval", .duration(.milliseconds(100) ... .seconds(3600)), default: standard.interval,
        "From the start of one probe to the start of the next.")
    static let timeout = Key(
        "timeout", .duration(.milliseconds(10) ... .seconds(300)),
        stands: "`\(Form<Duration>.render(standard.timeout))`, or `interval` where that is shorter",
        "For one probe, connecting included; at most `interval`.")
    static let rise = Key(
        "rise", .integer(1...100), default: standard.rise,
        "Probes passed in a row until an endpoint that is down is up.")
    static let fall = Key(
        "fall", .integer(1...100), default: standard.fall,
        "Probes failed in a row until an endpoint that is up is down.")
    static let section = Section(
        "pools.NAME.health", "",
        keys: [
            path.declaration, expect.declaration, tcp.declaration, interval.declaration, timeout.declaration,
            rise.declaration, fall.declaration,
        ],
        later: ["grpc", "slow_start"])
}

enum ConnectionsKeys {
    static let idle = Key(
        "idle", .duration(.milliseconds(100) ... .seconds(3600)),
        default: Pool(name: "", endpoints: []).idleTimeout, "How long an unused connection to an endpoint is kept.")
    static let section = Section("pools.NAME.connections", "", keys: [idle.declaration], later: ["max", "queue"])
}
