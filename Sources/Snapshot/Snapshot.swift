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

extension Snapshot {
    /// Whether a route places connections of `tls-passthrough` listeners, and not requests.
    package func isPassthrough(_ route: Route) -> Bool {
        route.listeners.contains { listeners[$0].application == .tlsPassthrough }
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
    /// `forwarder.balance`: what the nodes' shares of the connections follow.
    package enum Balance: UInt8, Sendable, CaseIterable {
        case even = 0
        /// How busy each node is.
        case load = 1
    }
    /// Event loops, each on its own thread; 1…256.
    package var workers: Int
    package var hash: HashInput
    package var handOver: HandOver
    package var balance: Balance

    package init(
        workers: Int = 1, hash: HashInput = .connection, handOver: HandOver = .auto, balance: Balance = .even
    ) {
        self.balance = balance
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
    /// `memory`: of one node for messages on their way, in bytes; nil for 1 GiB each worker.
    package var memoryBytesMax: Int?
    /// Where the nodes on the control plane's host stand.
    package var zone: String?
    /// `drain_timeout`: how long connections may outlive the configuration that they came in by: those of a node that an
    /// operator drains, and of listeners that have left the site.
    package var drainTimeout: Duration
    /// `leave_timeout`: the same for a node that leaves or is stopped.
    package var leaveTimeout: Duration

    package init(
        nodes: Int = 2, workers: Int = 1, memoryBytesMax: Int? = nil, zone: String? = nil,
        drainTimeout: Duration = .seconds(300), leaveTimeout: Duration = .seconds(30)
    ) {
        self.nodes = nodes
        self.workers = workers
        self.memoryBytesMax = memoryBytesMax
        self.zone = zone
        self.drainTimeout = drainTimeout
        self.leaveTimeout = leaveTimeout
    }
}

/// An address clients dial, and what is spoken there.
package struct Listener: Equatable, Sendable {
    package enum Application: UInt8, Sendable, CaseIterable {
        case http = 0
        case tcp = 1
        /// TLS that is passed on as it comes; its first message says where to.
        case tlsPassthrough = 2
    }
    /// The key under `listeners`; its identity across revisions.
    package var name: String
    /// At least one; IP addresses only.
    package var addresses: [IPEndpoint]
    package var application: Application
    /// `to` of a `tcp` listener, or of a `tls-passthrough` one for what none of its routes takes: index into
    /// `Snapshot.pools`; nil for `http`.
    package var pool: Int?
    /// `tls` of an `https` listener, which is an `http` one inside; nil: clients speak in the clear.
    package var tls: ListenerTLS?

    /// `limits`: what differs from those of the site.
    package var limits: ListenerLimits

    package init(
        name: String, addresses: [IPEndpoint], application: Application = .http, pool: Int? = nil,
        tls: ListenerTLS? = nil, limits: ListenerLimits = .init()
    ) {
        self.name = name
        self.addresses = addresses
        self.application = application
        self.pool = pool
        self.tls = tls
        self.limits = limits
    }
}
