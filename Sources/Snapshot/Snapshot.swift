package import EventLoop
package import Telemetry

/// One site, checked and compiled: what nodes serve. Immutable once published under its revision.
///
/// Names are resolved: a route's pools and a listener's pool are indices into `pools`.
package struct Snapshot: Equatable, Sendable {
    /// The revision of the site file that this was compiled from; grows by one with each published change.
    package var revision: UInt64
    /// `site`: the site's name.
    package var site: String
    package var forwarder: ForwarderSettings
    package var proxy: ProxySettings
    /// `trust.proxies`: peers whose `X-Forwarded-*` fields are believed.
    package var trustedProxies: [AddressRange]
    /// `trust.forwarded`: endpoints get `Forwarded` (RFC 7239) as well.
    package var statesForwarded: Bool
    /// `errors`
    package var errorPages: [ErrorPage]
    package var limits: Limits
    /// nil: requests are not logged.
    package var accessLog: AccessLogSettings?
    package var listeners: [Listener]
    /// In the order of the site file: the first that matches wins.
    package var routes: [Route]
    package var pools: [Pool]

    package init(
        revision: UInt64, site: String, forwarder: ForwarderSettings = .init(), proxy: ProxySettings = .init(),
        trustedProxies: [AddressRange] = [], limits: Limits = .init(), accessLog: AccessLogSettings? = nil,
        listeners: [Listener] = [], routes: [Route] = [], pools: [Pool] = [], statesForwarded: Bool = false,
        errorPages: [ErrorPage] = []
    ) {
        self.revision = revision
        self.site = site
        self.forwarder = forwarder
        self.proxy = proxy
        self.trustedProxies = trustedProxies
        self.limits = limits
        self.accessLog = accessLog
        self.listeners = listeners
        self.routes = routes
        self.pools = pools
        self.statesForwarded = statesForwarded
        self.errorPages = errorPages
    }
}

/// `forwarder`: how connections are spread over proxy nodes.
package struct ForwarderSettings: Equatable, Sendable {
    /// `forwarder.hash`: what the connection hash covers.
    package enum HashInput: UInt8, Sendable, CaseIterable {
        /// Client address and port, listener address and port.
        case connection = 0
        /// Client address only: one client keeps its node.
        case source = 1
    }
    /// `forwarder.hand_over`: whether accepted sockets go to local nodes as they are.
    package enum HandOver: UInt8, Sendable, CaseIterable {
        /// To local nodes by hand-over, to others by relay.
        case auto = 0
        /// Always relay.
        case never = 1
    }
    /// Event loops, each on its own thread; 1…256.
    package var workers: Int
    package var hash: HashInput
    package var handOver: HandOver

    package init(workers: Int = 1, hash: HashInput = .connection, handOver: HandOver = .auto) {
        self.workers = workers
        self.hash = hash
        self.handOver = handOver
    }
}

/// `proxy`: the proxy nodes that the control plane runs on its host.
package struct ProxySettings: Equatable, Sendable {
    /// Local nodes; 0…256. 0 means remote nodes only.
    package var nodes: Int
    /// Event loops per node; 1…256.
    package var workers: Int

    package init(nodes: Int = 2, workers: Int = 1) {
        self.nodes = nodes
        self.workers = workers
    }
}

/// `limits`: bounds on what one client may use.
package struct Limits: Equatable, Sendable {
    /// `limits.head`: bytes of request line and fields; beyond it 431 (RFC 6585 §5). 1 KiB…60 KiB.
    package var headBytesMax: Int
    /// `limits.headers`: field lines in one head; beyond it 431. 1…250.
    package var fieldCountMax: Int
    /// `limits.connections`: client connections of one node at a time; 1…1,000,000.
    package var connectionCountMax: Int
    /// `limits.timeout.head`: from the first byte of a request (or the connection) to the end of its head; then 408.
    package var headTimeout: Duration
    /// `limits.timeout.body_idle`: without a byte moving in a body, either way.
    package var bodyIdleTimeout: Duration
    /// `limits.timeout.idle`: an idle keep-alive connection, or a relayed one on which nothing moves.
    package var idleTimeout: Duration
    /// `limits.timeout.tunnel`: a connection that has switched protocols, on which nothing moves.
    package var tunnelTimeout: Duration
    /// `limits.timeout.write`: a client that takes no byte of an answer; nil: as `bodyIdleTimeout`.
    package var writeTimeout: Duration?
    /// `limits.connections_per_source`: of one node; nil: no limit.
    package var connectionsPerSourceMax: Int?
    /// `limits.requests_per_connection`; nil: no limit.
    package var requestsPerConnectionMax: Int?

    package init(
        headBytesMax: Int = 32 * 1024, fieldCountMax: Int = 100, connectionCountMax: Int = 100_000,
        headTimeout: Duration = .seconds(10), bodyIdleTimeout: Duration = .seconds(30),
        idleTimeout: Duration = .seconds(60), tunnelTimeout: Duration = .seconds(3600), writeTimeout: Duration? = nil,
        connectionsPerSourceMax: Int? = nil, requestsPerConnectionMax: Int? = nil
    ) {
        self.headBytesMax = headBytesMax
        self.fieldCountMax = fieldCountMax
        self.connectionCountMax = connectionCountMax
        self.headTimeout = headTimeout
        self.bodyIdleTimeout = bodyIdleTimeout
        self.idleTimeout = idleTimeout
        self.tunnelTimeout = tunnelTimeout
        self.writeTimeout = writeTimeout
        self.connectionsPerSourceMax = connectionsPerSourceMax
        self.requestsPerConnectionMax = requestsPerConnectionMax
    }
}

/// An address clients dial, and what is spoken there.
package struct Listener: Equatable, Sendable {
    package enum Application: UInt8, Sendable, CaseIterable {
        case http = 0
        case tcp = 1
    }
    /// The key under `listeners`; its identity across revisions.
    package var name: String
    /// At least one; IP addresses only.
    package var addresses: [IPEndpoint]
    package var application: Application
    /// `to` of a `tcp` listener: index into `Snapshot.pools`; nil for `http`.
    package var pool: Int?

    package init(name: String, addresses: [IPEndpoint], application: Application = .http, pool: Int? = nil) {
        self.name = name
        self.addresses = addresses
        self.application = application
        self.pool = pool
    }
}
