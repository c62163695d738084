package import Balancing
package import EventLoop

/// A named set of endpoints with one balancing policy.
package struct Pool: Equatable, Sendable {
    package typealias Balance = BalancePolicy
    /// The key under `pools`; its identity across revisions.
    package var name: String
    /// At least one; addresses are distinct.
    package var endpoints: [Endpoint]
    package var balance: Balance
    /// `panic`: fewer endpoints up than this share of all, percent, and requests are spread over all; 0…100, 0 for never.
    package var panicPercent = 50
    /// `subset`: endpoints that one node uses; 1…65,535, nil for all.
    package var subsetCount: Int?
    /// `hash.by`; of use with `balance: hash` only.
    package var hashKey = HashKey.clientIP
    /// nil: requests of one client go to any endpoint.
    package var sticky: SessionCookie?
    /// `health.slow_start`: from coming back, or being new, to the whole share of the requests; zero for at once.
    package var slowStart = Duration.zero
    /// nil: endpoints are taken to be up until connecting fails.
    package var health: HealthCheck?
    package var connections: ConnectionLimits
    /// `protocol`: what its endpoints are spoken to in.
    package var endpointProtocol = EndpointProtocol.http1
    package var requests: RequestLimits
    /// nil: endpoints are spoken to in the clear.
    package var tls: EndpointTLS?
    /// `outlier`; nil: endpoints are not ejected for what they do to requests.
    package var outlier: OutlierSettings?

    package init(
        name: String, endpoints: [Endpoint], balance: Balance = .peakEWMA, health: HealthCheck? = nil,
        connections: ConnectionLimits = .init(), requests: RequestLimits = .init(), tls: EndpointTLS? = nil,
        outlier: OutlierSettings? = nil
    ) {
        self.name = name
        self.tls = tls
        self.endpoints = endpoints
        self.balance = balance
        self.health = health
        self.connections = connections
        self.outlier = outlier
        self.requests = requests
    }
}

extension Pool {
    /// How requests are spread over it.
    package var rules: BalanceRules {
        BalanceRules(
            policy: balance, panicPercent: UInt8(clamping: panicPercent), subsetCount: subsetCount,
            slowStartNanoseconds: UInt64(max(0, slowStart.wholeNanoseconds)))
    }
}

/// What endpoints are spoken to in.
package enum EndpointProtocol: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case http1 = 0
    /// Without TLS by prior knowledge (RFC 9113 §3.3), with TLS by ALPN, which the endpoint must answer.
    case http2 = 1
    /// With TLS alone: what ALPN chooses.
    case auto = 2
}

/// `connections`: what a proxy node may have open to the endpoints of a pool.
package struct ConnectionLimits: Equatable, Sendable {
    /// `max`: connections of one node to one endpoint; 1…1,000,000, nil for no bound.
    package var countMax: Int?
    /// `queue`: requests of one node that wait while every endpoint of the pool is full; 0…1,000,000. One more is answered with 503 at once.
    package var queueCountMax: Int
    /// `queue_timeout`: how long a request waits in the queue; then 503.
    package var queueTimeout: Duration
    /// `idle`: how long an unused connection to an endpoint is kept.
    package var idleTimeout: Duration
    /// `lifetime`: a connection that is older serves no further request; nil for no bound.
    package var lifetime: Duration?
    /// `streams`: requests under way on one connection of HTTP/2; 1…10,000.
    package var streamCountMax = 100

    package init(
        countMax: Int? = nil, queueCountMax: Int = 1000, queueTimeout: Duration = .seconds(5),
        idleTimeout: Duration = .seconds(60), lifetime: Duration? = nil
    ) {
        self.countMax = countMax
        self.queueCountMax = queueCountMax
        self.queueTimeout = queueTimeout
        self.idleTimeout = idleTimeout
        self.lifetime = lifetime
    }
}

/// One address of a pool.
package struct Endpoint: Equatable, Sendable {
    package var address: SocketAddress
    /// Share of the traffic against the pool's other endpoints; 1…256.
    package var weight: Int
    /// `backup`: takes requests only when too few others are up.
    package var isBackup: Bool
    /// `zone`: where it stands; nodes of the same zone prefer it.
    package var zone: String?

    package init(address: SocketAddress, weight: Int = 1, isBackup: Bool = false, zone: String? = nil) {
        self.address = address
        self.weight = weight
        self.isBackup = isBackup
        self.zone = zone
    }
}
