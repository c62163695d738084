import Balancing
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
    static let errors = Key(
        "errors", .shaped("a map from statuses to pages", nested: ErrorPageKeys.section), stands: "a line of text",
        "Pages of answers that the proxy makes itself, as in `errors: {404: {body: gone}, 5xx: {file: errors/5xx.html}}`."
    )
    static let section = Section(
        "", "A site file is one YAML document, in UTF-8, of at most 4 MiB.",
        keys: [
            site.declaration, forwarder.declaration, proxy.declaration, trust.declaration, listeners.declaration,
            limits.declaration, accessLog.declaration, routes.declaration, pools.declaration, errors.declaration,
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
    static let balance = Key(
        "balance", .word([("even", .even), ("load", .load)]), default: standard.balance,
        "Shares of the proxy nodes: `even`, or by `load`: every 5 s the share of a node whose CPU is busier than the mean shrinks by up to 5 %, and that of an idler one grows."
    )
    static let section = Section(
        "forwarder", "",
        keys: [workers.declaration, hash.declaration, handOver.declaration, balance.declaration])
}

enum ProxyKeys {
    private static let standard = ProxySettings()
    static let nodes = Key(
        "nodes", .integer(0...256), default: standard.nodes, "Proxy nodes on this host. 0: nodes on other hosts only.")
    static let workers = Key(
        "workers", .integer(1...256), default: standard.workers,
        "Event loops of each node, each on a thread of its own.")
    static let memory = Key(
        "memory", .size(16 * 1024 * 1024...1 << 40), stands: "`1GiB` for each event loop",
        "What one node has for messages on their way, in blocks of 64 KiB, shared out evenly to its event loops; see `limits.overload`. Without a block left connections are closed."
    )
    static let drainTimeout = Key(
        "drain_timeout", .duration(.milliseconds(100) ... .seconds(24 * 3600)), default: standard.drainTimeout,
        "How long connections may outlive a change of the configuration: those of a node that is drained, and of a listener that has left the site. Then they are closed."
    )
    static let leaveTimeout = Key(
        "leave_timeout", .duration(.milliseconds(100) ... .seconds(24 * 3600)), default: standard.leaveTimeout,
        "The same when a node leaves: fewer nodes are wanted, or the site is stopped.")
    static let section = Section(
        "proxy", "",
        keys: [
            nodes.declaration, workers.declaration, memory.declaration, BalanceKeys.nodeZone.declaration,
            drainTimeout.declaration, leaveTimeout.declaration,
        ])
}

enum TrustKeys {
    static let proxies = Key(
        "proxies", .oneOrMore(.addressRange, each: "address block", mayBeEmpty: true), default: [],
        "Peers whose `X-Forwarded-*` and `X-Request-Id` fields are believed; those of others are replaced. `X-Forwarded-For` of a trusted peer is appended to; its `X-Forwarded-Proto`, `X-Forwarded-Host`, `X-Real-IP` and `X-Request-Id` are kept when they are stated once and of the right form. The client (`{client_ip}`, `X-Real-IP`) is then the rightmost address of `X-Forwarded-For` that is not in these blocks."
    )
    static let forwarded = Key(
        "forwarded", .truth, default: false,
        "Endpoints get `Forwarded` (RFC 7239) as well: `for`, `proto`, `host` and `by`, appended to that of a trusted peer. Without it that of a trusted peer is passed on as it is; that of others never is."
    )
    static let section = Section("trust", "", keys: [proxies.declaration, forwarded.declaration])
}

enum ListenerKeys {
    static let address = Key(
        "address", .oneOrMore(.listenAddress, each: "address"), stands: "required",
        "Where to listen. `:8080` stands for `0.0.0.0:8080`. A name is resolved when the file is applied.")
    static let `protocol` = Key(
        "protocol", .word([("http", .http), ("https", .https), ("tcp", .tcp), ("tls-passthrough", .tlsPassthrough)]),
        default: WrittenProtocol.http,
        "What is spoken there. `https` is HTTP inside of TLS, with the certificates in `tls`. A `tcp` listener relays to the pool in `to`. A `tls-passthrough` listener reads the client's first message of TLS, and relays to the pool that a route has for its server name (`match.host`) and its protocols (`match.alpn`), or to the one in `to`; nothing is decrypted. A client that no pool is found for gets the alert `unrecognized_name`, `missing_extension` (it names no host) or `no_application_protocol`."
    )
    static let to = Key(
        "to", .name, stands: "required for `tcp`",
        "The pool of a `tcp` listener; of a `tls-passthrough` listener the one for what none of its routes takes.")
    static let limits = Key(
        "limits", .section(ListenerLimitsKeys.section), stands: "those of the site",
        "Bounds for this listener's clients, instead of those of the site.")
    static let section = Section(
        "listeners.NAME", "",
        keys: [address.declaration, `protocol`.declaration, to.declaration, tls.declaration, limits.declaration],
        later: ["proxy_protocol"])
    static let tls = Key("tls", .section(TLSKeys.section), stands: "required for `https`", "How TLS is spoken there.")
}

enum RouteKeys {
    private static let standard = Route(name: "", listeners: [], targets: [])
    static let name = Key(
        "name", .name, stands: "`route-N`, by position from 1", "Shown in metrics and by `sluice routes`; unique.")
    static let listeners = Key(
        "listeners", .oneOrMore(.name, each: "listener"), stands: "every http listener",
        "The listeners that the route serves: http and https ones, or `tls-passthrough` ones. A route of these has `match` with `host` and `alpn`, and `to`; nothing else."
    )
    static let match = Key(
        "match", .section(MatchKeys.section), stands: "every request",
        "What a request must look like; all of it must hold.")
    static let request = Key(
        "request", .section(RequestKeys.section), "Changes to the fields of the request before it goes to the endpoint."
    )
    static let response = Key(
        "response", .section(ResponseKeys.section),
        "Changes to the fields of the response before it goes to the client.")
    static let to = Key(
        "to",
        .shaped(
            "a pool's name, or a list such as [{pool: api, weight: 95}, {pool: next, weight: 5}]",
            nested: TargetKeys.section),
        stands: "required, or `redirect` or `respond`",
        "The pool that answers, or several that share the route's requests by weight. A pool whose endpoints are all down, draining or failing leaves its share to the others."
    )
    static let redirect = Key(
        "redirect", .section(RedirectKeys.section), stands: "none", "Answers with another place instead of `to`.")
    static let respond = Key(
        "respond", .section(RespondKeys.section), stands: "none", "Answers with a fixed text instead of `to`.")
    static let connect = Key(
        "connect", .word([("terminate", Route.Connect.terminate), ("forward", .forward)]),
        stands: "CONNECT is answered with 405",
        "Allows CONNECT, on a route that takes it alone (`match: {method: CONNECT}`). `terminate`: the node connects to an endpoint of `to`, answers 200 and passes bytes both ways. `forward`: the endpoint, a proxy itself, gets the request. The request's target chooses the route (`match.host`) and never where the tunnel leads. `limits.timeout.tunnel` bounds a tunnel on which nothing moves."
    )
    static let mirror = Key(
        "mirror", .section(MirrorKeys.section), stands: "none", "Copies of requests for another pool.")
    static let errors = Key(
        "errors", .shaped("a map from statuses to pages", nested: nil), stands: "those of the site",
        "Pages of answers that the proxy makes itself for this route: see `errors.STATUS`.")
    static let timeout = Key("timeout", .section(RouteTimeoutKeys.section), "How long the endpoint may take.")
    static let hedge = Key(
        "hedge", .section(HedgeKeys.section), stands: "none", "A second request when the first one takes its time.")
    static let shed = Key(
        "shed", .truth, default: standard.isShed,
        "Whether requests are turned away when a node is over its limits (`limits.overload`). `false` for health checks."
    )
    static let retry = Key("retry", .section(RetryKeys.section), "Which failed requests go to another endpoint.")
    static let section = Section(
        "routes[]", "",
        keys: [
            name.declaration, listeners.declaration, match.declaration, request.declaration, response.declaration,
            to.declaration, redirect.declaration, respond.declaration, connect.declaration,
            mirror.declaration, timeout.declaration, retry.declaration, hedge.declaration, shed.declaration,
            errors.declaration,
        ],
        later: ["cache", "compress", "auth", "limit", "waf"])
}

enum RequestKeys {
    static let path = Key(
        "path", .section(PathRewriteKeys.section), stands: "as received", "Changes to the path.")
    static let query = Key(
        "query", .section(QueryRewriteKeys.section), stands: "as received", "Changes to the query.")
    static let section = Section(
        "routes[].request", HeaderKeys.summary,
        keys: HeaderKeys.declarations + [path.declaration, query.declaration])
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
        "`remove` is done first, then `set`, then `add`. Values may hold `{client_ip}`, `{client_port}`, `{host}`, `{hostname}` (without the port), `{path}`, `{query}`, `{method}`, `{scheme}`, `{request_id}`, `{route}`, `{listener}`, `{tls_version}`, `{tls_cipher}`, `{tls_server_name}`, `{tls_client_subject}` (empty in the clear), `{header.NAME}` (of the request) and, in responses, `{status}`: of the request as it was received; `{{` stands for a brace. Fields that frame the message (`Content-Length`, `Transfer-Encoding`, `Connection`, …) are refused."
}

enum RouteTimeoutKeys {
    private static let standard = Route(name: "", listeners: [], targets: [])
    static let connect = Key(
        "connect", .duration(.milliseconds(10) ... .seconds(300)), default: standard.connectTimeout,
        "For a connection to one endpoint.")
    static let response = Key(
        "response", .duration(.milliseconds(10) ... .seconds(24 * 3600)), default: standard.responseTimeout,
        "From the end of the request to the head of the response; then 504.")
    static let request = Key(
        "request", .duration(.milliseconds(10) ... .seconds(24 * 3600)), stands: "no bound",
        "From the end of the request's head to the end of the response, attempts included: then 504, or the connection is cut when the response has begun. A switch to another protocol (WebSocket) ends it."
    )
    static let section = Section(
        "routes[].timeout", "", keys: [connect.declaration, response.declaration, request.declaration])
}

enum PoolKeys {
    private static let standard = Pool(name: "", endpoints: [])
    static let endpoints = Key(
        "endpoints",
        .shaped(
            "a list of addresses or of maps such as {address: \"10.0.0.1:9000\", weight: 2}",
            nested: EndpointKeys.section),
        stands: "required",
        "Where the pool's traffic goes. Each address of a name is an endpoint; see `resolve`."
    )
    static let resolveStandard = Duration.seconds(30)
    static let resolve = Key(
        "resolve", .duration(.milliseconds(100) ... .seconds(24 * 3600)), default: resolveStandard,
        "How often the control plane resolves the names among the endpoints again. Changed addresses go to the nodes without a new revision; a name that doesn't resolve keeps those it had."
    )
    static let balance = Key(
        "balance",
        .word(Pool.Balance.allCases.map { ($0.name, $0) }),
        default: standard.balance, BalanceKeys.summary)
    static let health = Key(
        "health", .section(HealthKeys.section), stands: "no probes: endpoints are taken to be up",
        "How endpoints are probed.")
    static let connections = Key(
        "connections", .section(ConnectionsKeys.section), "Connections to the endpoints.")
    static let `protocol` = Key(
        "protocol", .word([("http1", EndpointProtocol.http1), ("http2", .http2), ("auto", .auto)]),
        default: standard.endpointProtocol,
        "What the endpoints are spoken to in: `http1` (HTTP/1.1), or `http2`, which gRPC needs. In the clear `http2` begins at once (prior knowledge); inside of TLS an endpoint that doesn't choose `h2` by ALPN counts as one that can't be connected to. `auto`, with `tls` only: offers both and speaks what the endpoint chooses."
    )
    static let tls = Key(
        "tls", .section(EndpointTLSKeys.section), stands: "endpoints are spoken to in the clear",
        "TLS to the endpoints, 1.2 or 1.3. Their certificates are verified, also without a key here: `tls: {}`.")
    static let requests = Key(
        "requests", .section(RequestLimitKeys.section), stands: "no limit", "Requests under way at a time.")
    static let outlier = Key(
        "outlier", .section(OutlierKeys.section), stands: "endpoints are not ejected",
        "When endpoints that fail requests are ejected.")
    static let section = Section(
        "pools.NAME", "",
        keys: [
            endpoints.declaration, resolve.declaration, balance.declaration, health.declaration,
            outlier.declaration, connections.declaration, requests.declaration, BalanceKeys.panic.declaration,
            BalanceKeys.subset.declaration, BalanceKeys.hash.declaration, BalanceKeys.sticky.declaration,
            `protocol`.declaration, tls.declaration,
        ],
        later: ["discover"])
}

enum EndpointKeys {
    static let address = Key(
        "address", .endpointAddress, stands: "required", "IP address and port, name and port, or Unix socket.")
    static let weight = Key(
        "weight", .integer(1...256), default: Endpoint(address: .unix("")).weight,
        "Share of the traffic against the pool's other endpoints.")
    static let section = Section(
        "pools.NAME.endpoints[]", "An endpoint is its address, or a map:",
        keys: [address.declaration, weight.declaration, BalanceKeys.backup.declaration, BalanceKeys.zone.declaration])
}

enum ConnectionsKeys {
    private static let standard = ConnectionLimits()
    static let max = Key(
        "max", .integer(1...1_000_000), stands: "no bound",
        "Connections that one proxy node has open to one endpoint at a time, idle ones included. Requests of http listeners only: relayed connections of `tcp` listeners and health checks are not counted. With `protocol: http2` or `auto` the bound is shared out to the node's event loops (`proxy.workers`), at least one connection for each."
    )
    static let queue = Key(
        "queue", .integer(0...1_000_000), default: standard.queueCountMax,
        "Requests that wait at one node, first come first served, while every endpoint of the pool has `max` connections in use. One more is answered with 503 at once."
    )
    static let queueTimeout = Key(
        "queue_timeout", .duration(.milliseconds(10) ... .seconds(300)), default: standard.queueTimeout,
        "How long a request waits in the queue; then 503.")
    static let idle = Key(
        "idle", .duration(.milliseconds(100) ... .seconds(3600)), default: standard.idleTimeout,
        "How long an unused connection to an endpoint is kept.")
    static let lifetime = Key(
        "lifetime", .duration(.milliseconds(100) ... .seconds(168 * 3600)), stands: "no bound",
        "A connection serves no further request when it is older than this, less up to a tenth by chance.")
    static let streams = Key(
        "streams", .integer(1...10_000), default: standard.streamCountMax,
        "Requests under way at a time on one connection of HTTP/2; no more than the endpoint allows (SETTINGS_MAX_CONCURRENT_STREAMS). Another connection is opened when all are full."
    )
    static let section = Section(
        "pools.NAME.connections", "",
        keys: [
            max.declaration, queue.declaration, queueTimeout.declaration, idle.declaration, lifetime.declaration,
            streams.declaration,
        ])
}
