package import Balancing
package import EventLoop

/// A named set of endpoints with one balancing policy.
package struct Pool: Equatable, Sendable {
    package enum Balance: UInt8, Sendable, CaseIterable {
        case roundRobin = 0
        case leastRequest = 1

        /// The word in the site file.
        package var name: String {
            switch self {
            case .roundRobin: "round-robin"
            case .leastRequest: "least-request"
            }
        }
    }
    /// The key under `pools`; its identity across revisions.
    package var name: String
    /// At least one; addresses are distinct.
    package var endpoints: [Endpoint]
    package var balance: Balance
    /// nil: endpoints are taken to be up until connecting fails.
    package var health: HealthCheck?
    package var connections: ConnectionLimits
    /// `outlier`; nil: endpoints are not ejected for what they do to requests.
    package var outlier: OutlierSettings?

    package init(
        name: String, endpoints: [Endpoint], balance: Balance = .roundRobin, health: HealthCheck? = nil,
        connections: ConnectionLimits = .init(), outlier: OutlierSettings? = nil
    ) {
        self.name = name
        self.endpoints = endpoints
        self.balance = balance
        self.health = health
        self.connections = connections
        self.outlier = outlier
    }
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

    package init(address: SocketAddress, weight: Int = 1) {
        self.address = address
        self.weight = weight
    }
}
