import Balancing
import EventLoop
import NodeLink
import Snapshot
import TLS
import Telemetry

enum Samples {
    /// Every field differs from its default, every case of an enum occurs.
    static let snapshot = Snapshot(
        revision: 42, site: "shöp",
        forwarder: ForwarderSettings(workers: 3, hash: .source, handOver: .never, balance: .load),
        proxy: ProxySettings(
            nodes: 4, workers: 2, memoryBytesMax: 1 << 40, zone: "east", drainTimeout: .seconds(60),
            leaveTimeout: .milliseconds(1500)),
        trustedProxies: [AddressRange("10.0.0.0/8")!, AddressRange("2001:db8::/32")!, AddressRange("0.0.0.0/0")!],
        limits: Limits(
            headBytesMax: 16384, fieldCountMax: 50, connectionCountMax: 1000, bufferBytesMax: 4096,
            headTimeout: .seconds(5),
            bodyIdleTimeout: .milliseconds(250), idleTimeout: .seconds(3600),
            tunnelTimeout: .seconds(7), writeTimeout: .seconds(8), connectionsPerSourceMax: 20,
            requestsPerConnectionMax: 1000,
            overload: OverloadLimits(delay: .milliseconds(20), memoryPercent: 75, retryAfter: .seconds(30))),
        accessLog: AccessLogSettings(
            target: .file("/var/log/sluice/access.log"), format: .combined, fields: [.path, .status, .time],
            fileBytesMax: 1 << 40, keptFiles: 7),
        listeners: [
            Listener(name: "web", addresses: [IPEndpoint("0.0.0.0:80")!, IPEndpoint("[::]:80")!]),
            Listener(
                name: "db", addresses: [IPEndpoint("[2001:db8::1]:5432")!], application: .tcp, pool: 1,
                limits: listenerLimits),
            Listener(
                name: "secure", addresses: [IPEndpoint("0.0.0.0:443")!],
                tls: ListenerTLS(
                    certificates: [
                        ServerCertificate(
                            name: "a.pem", chain: [0x2d, 0x2d], key: [0x2d], notAfter: 1_900_000_000,
                            ocspResponse: [0x30]),
                        ServerCertificate(name: "b.pem", chain: [], key: [], notAfter: -1),
                    ], minimum: .tls13, protocols: [.http2, .http11],
                    clientAuthentication: ClientAuthentication(authorities: [0x2d], mode: .require),
                    keyLog: "/tmp/keys")),
        ],
        routes: [
            Route(
                name: "api", listeners: [0],
                match: RouteMatch(
                    hosts: [.exact("shop.example"), .suffix("shop.example")], path: .prefix("/api/"),
                    methods: ["GET", "PURGE"],
                    header: [ValueCondition("x-beta", .exact("1")), ValueCondition("cookie", .regex("s=.*"))],
                    query: [
                        ValueCondition("v", .prefix("2")), ValueCondition("debug", .absent),
                        ValueCondition("ü", .present),
                    ]),
                request: HeaderRules(
                    set: [HeaderRule(name: "Host", value: [.literal("a."), .variable(.host)])],
                    add: [
                        HeaderRule(
                            name: "X-Trace", value: Variable.allCases.map { .variable($0) } + [.field("user-agent")])
                    ],
                    remove: ["cookie"]),
                response: HeaderRules(add: [HeaderRule(name: "X-Empty", value: [])]),
                targets: [WeightedPool(pool: 0, weight: 95), WeightedPool(pool: 1, weight: 5)],
                rewrite: TargetRewrite(
                    path: .prefixes(strip: "/api", add: "/v2"), set: [.init(name: "v", value: [.literal("2")])],
                    add: [.init(name: "from", value: [.variable(.host)])], remove: ["debug"]),
                connectTimeout: .milliseconds(500), responseTimeout: .seconds(120), requestTimeout: .seconds(300),
                errorPages: [ErrorPage(statuses: 404...404, contentType: "text/plain", body: [0x67, 0xff])],
                retry: RetryPolicy(
                    attemptsMax: 5, conditions: [.reset, .status(400), .status(599), .connectFailure],
                    perTryTimeout: .milliseconds(750), budgetPercent: 100),
                hedge: HedgePolicy(after: .time(.milliseconds(30))), isShed: false),
            Route(
                name: "old", listeners: [0], match: RouteMatch(path: .exact("/old")),
                answer: RouteAnswer(status: 301, location: [.literal("/new"), .variable(.path)])),
            Route(
                name: "numbers", listeners: [0], match: RouteMatch(path: .regex("/[0-9]+")),
                targets: [WeightedPool(pool: 0)],
                mirror: Route.Mirror(pool: 1, share: 125, bodyBytesMax: 4096, countMax: 7)),
            Route(
                name: "ping", listeners: [0], match: RouteMatch(path: .exact("/ping")),
                answer: RouteAnswer(status: 200, contentType: "text/plain", body: [0x70])),
            Route(
                name: "new", listeners: [0], match: RouteMatch(path: .exact("/x")), targets: [WeightedPool(pool: 0)],
                rewrite: TargetRewrite(path: .replace("/y"))),
            Route(
                name: "tunnels", listeners: [0], match: RouteMatch(methods: ["CONNECT"]),
                targets: [WeightedPool(pool: 1)], connect: .terminate),
            Route(
                name: "proxies", listeners: [0], match: RouteMatch(methods: ["CONNECT"]),
                targets: [WeightedPool(pool: 1)], connect: .forward),
            Route(
                name: "rest", listeners: [0], targets: [WeightedPool(pool: 1)],
                hedge: HedgePolicy(after: .percentile(99))),
        ],
        pools: [
            spread(
                Pool(
                    name: "app",
                    endpoints: [
                        Endpoint(address: SocketAddress("10.0.0.1:9000")!, weight: 256),
                        Endpoint(address: SocketAddress("[2001:db8::2]:9000")!, isBackup: true),
                        Endpoint(address: .unix("/run/app.sock"), zone: "west"),
                    ],
                    balance: .leastRequest,
                    health: HealthCheck(
                        probe: .http(
                            HTTPProbe(
                                method: "OPTIONS", path: "/healthz",
                                fields: [.init(name: "Host", value: "a.example"), .init(name: "X-Empty", value: "")],
                                expect: [200...299, 404...404], body: "gut: jä")), interval: .seconds(5),
                        timeout: .milliseconds(100), rise: 1, fall: 5, fastInterval: .milliseconds(300)),
                    connections: ConnectionLimits(
                        countMax: 256, queueCountMax: 10, queueTimeout: .milliseconds(750), idleTimeout: .seconds(4),
                        lifetime: .seconds(3600)),
                    requests: RequestLimits(countMax: 500, adaptive: .init(countMin: 8, tolerancePercent: 200)),
                    outlier: OutlierSettings(
                        consecutiveErrors: 7, interval: .seconds(3), ejection: .seconds(4), ejectionMax: .seconds(50),
                        ejectedPercentMax: 40,
                        failurePercentage: .init(threshold: 60, endpointsMin: 2, requestsMin: 30),
                        successRate: .init(deviationsThousandths: 1500, endpointsMin: 4, requestsMin: 20)))),
            Pool(
                name: "db", endpoints: [Endpoint(address: SocketAddress("10.0.0.3:5432")!)],
                health: HealthCheck(probe: .tcp), requests: RequestLimits(countMax: 1_000_000),
                tls: EndpointTLS(
                    verification: .authorities([0x2d]), serverName: "db.internal",
                    certificate: ServerCertificate(name: "c.pem", chain: [1], key: [2], notAfter: 3))),
            Pool(
                name: "calls", endpoints: [Endpoint(address: SocketAddress("10.0.0.4:50051")!)],
                health: HealthCheck(probe: .grpc(service: "shop.v1.Cart"))),
        ], statesForwarded: true,
        errorPages: [ErrorPage(statuses: 500...599, contentType: "text/html", body: Array("<h1>{status}</h1>".utf8))])

    private static func spread(_ pool: Pool) -> Pool {
        var pool = pool
        pool.panicPercent = 100
        pool.subsetCount = 20
        pool.hashKey = .cookie("id")
        pool.sticky = SessionCookie(name: "node", lifetime: .seconds(3600), isSecure: true, key: "secret")
        pool.slowStart = .seconds(30)
        return pool
    }

    static let listenerLimits: ListenerLimits = {
        var limits = ListenerLimits()
        limits.headBytesMax = 2048
        limits.fieldCountMax = 7
        limits.connectionCountMax = 8
        limits.bufferBytesMax = 0
        limits.headTimeout = .seconds(9)
        limits.bodyIdleTimeout = .seconds(10)
        limits.idleTimeout = .seconds(11)
        limits.tunnelTimeout = .seconds(12)
        limits.writeTimeout = .seconds(13)
        limits.connectionsPerSourceMax = 14
        limits.requestsPerConnectionMax = 15
        return limits
    }()

    static let hello = Hello(
        role: .proxy, id: "proxy-1", pid: 4711, workers: 2, reach: .handOver(prefix: "/run/sluice/proxy-1", workers: 2),
        revision: 42, digest: 0xfeed_beef_0123_4567, draining: true, uptimeSeconds: 86_400, votes: votes)

    static let votes = [
        EndpointVote(pool: "app", address: SocketAddress("10.0.0.1:9000")!, verdict: .down, reason: "status 503"),
        EndpointVote(pool: "app", address: .unix("/run/app.sock"), verdict: .up, ejection: "success-rate"),
        EndpointVote(pool: "db", address: SocketAddress("10.0.0.3:5432")!, verdict: .unknown),
    ]

    static let membership = Membership(
        version: 9,
        nodes: [
            NodeMember(id: "proxy-1", reach: .handOver(prefix: "/run/p", workers: 1), draining: true, weight: 256),
            NodeMember(id: "far", reach: .relay(IPEndpoint("[2001:db8::9]:7000")!)),
        ],
        endpoints: [
            EndpointMember(pool: "app", address: .unix("/run/app.sock"), state: .draining),
            EndpointMember(pool: "app", address: SocketAddress("10.0.0.1:9000")!, state: .down),
        ],
        ticketKeys: TicketKeys(bytes: (0..<240).map { UInt8($0) }))

    static let report = Report(samples: [
        Sample("sluice_requests_total", [.init("route", "api"), .init("code", "200")], 1e15),
        Sample("sluice_node_connections", [], -0.0), Sample("sluice_bytes_total", [], .infinity),
    ])

    /// Every kind of frame, and of the values in it.
    static let frames: [Frame] = [
        .hello(hello),
        .hello(
            Hello(
                role: .forwarder, id: "forwarder", pid: 1, workers: 1, reach: nil, revision: 0, digest: 0,
                draining: false,
                uptimeSeconds: 0)),
        .hello(
            Hello(
                role: .proxy, id: "far", pid: 2, workers: 1, reach: .relay(IPEndpoint("10.0.0.9:7000")!), revision: 1,
                digest: 2, draining: false, uptimeSeconds: 3)),
        .applied(revision: .max, digest: .max), .rejected(revision: 3, message: "cannot bind 0.0.0.0:80 (EACCES)"),
        .membershipApplied(version: 9), .report(id: 5, report), .report(id: 6, Report()), .drained,
        .votes(votes), .votes([]),
        .snapshot(snapshot.encoded()), .snapshot([]), .membership(membership), .membership(Membership(version: 0)),
        .reportRequest(id: 7), .drain(deadline: .seconds(30)), .drain(deadline: .zero), .resume,
        .stop(deadline: .milliseconds(1500)), .reopenLog,
    ]
}

/// SplitMix64: the same numbers for the same seed on every host.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// The bytes with one to four of them changed, removed, repeated, or replaced by a run of 0xff.
    mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &self) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &self)
            switch Int.random(in: 0..<4, using: &self) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &self)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(bytes[index], at: index)
            default:
                for place in index..<min(index + 4, bytes.count) { bytes[place] = 0xff }
            }
        }
        return bytes
    }
}
