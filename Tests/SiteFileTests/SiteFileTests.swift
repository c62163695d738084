import Balancing
import EventLoop
import Snapshot
import Testing

@testable import SiteFile

@Suite("Site file to snapshot")
struct SiteFileTests {
    @Test("the smallest file stands for all defaults")
    func defaults() throws {
        let site = try compile(
            """
            listeners:
              web: {address: "0.0.0.0:8080"}
            routes:
              - to: app
            pools:
              app: {endpoints: ["127.0.0.1:9001", "127.0.0.1:9002"]}
            """, revision: 7)
        let endpoints = ["127.0.0.1:9001", "127.0.0.1:9002"].map { Endpoint(address: SocketAddress($0)!, weight: 1) }
        #expect(site.warnings.isEmpty)
        #expect(
            site.snapshot
                == Snapshot(
                    revision: 7, site: "site",
                    forwarder: ForwarderSettings(workers: 1, hash: .connection, handOver: .auto),
                    proxy: ProxySettings(nodes: 2, workers: 1), trustedProxies: [],
                    limits: Limits(
                        headBytesMax: 32768, fieldCountMax: 100, connectionCountMax: 100_000, headTimeout: .seconds(10),
                        bodyIdleTimeout: .seconds(30), idleTimeout: .seconds(60)),
                    listeners: [Listener(name: "web", addresses: [IPEndpoint("0.0.0.0:8080")!])],
                    routes: [
                        Route(
                            name: "route-1", listeners: [0], targets: [WeightedPool(pool: 0)],
                            connectTimeout: .seconds(2),
                            responseTimeout: .seconds(30))
                    ],
                    pools: [
                        Pool(
                            name: "app", endpoints: endpoints, balance: .peakEWMA, health: nil,
                            connections: ConnectionLimits(
                                countMax: nil, queueCountMax: 1000, queueTimeout: .seconds(5),
                                idleTimeout: .seconds(60), lifetime: nil))
                    ]))
    }

    @Test("every key reaches its field")
    func everyKey() throws {
        let site = try compile(
            """
            site: shop
            forwarder: {workers: 3, hash: source, hand_over: never}
            proxy: {nodes: 0, workers: 4}
            trust: {proxies: [10.0.0.0/8, "2001:db8::/32", 192.0.2.1]}
            listeners:
              web: {address: [":80", "[::]:80", "localhost:81"], protocol: http}
              pg: {address: "0.0.0.0:5432", protocol: tcp, to: db}
              admin: {address: "127.0.0.1:82"}
            limits:
              head: 16KiB
              headers: 50
              connections: 1000
              timeout: {head: 1s, body_idle: 250ms, idle: 5m}
            routes:
              - name: api
                listeners: [admin, web]
                match: {host: [Shop.Example, "*.shop.example", "[2001:DB8::1]"], path: {prefix: /api/}}
                request:
                  set: {X-Env: prod, Host: "api.{host}"}
                  add: {X-Trace: ["{request_id}/{client_ip}", 5]}
                  remove: [Cookie, X-Debug]
                response:
                  set: {Server: "{{sluice}"}
                  add: {X-Empty: ""}
                  remove: X-Powered-By
                to: api
                timeout: {connect: 500ms, response: 1h}
              - {listeners: web, match: {host: other.example, path: /old}, to: db}
            pools:
              db: {endpoints: ["unix:/run/db.sock"]}
              api:
                endpoints: ["10.0.0.1:9000", {address: "[2001:db8::2]:9000", weight: 256}, "App.test:9000"]
                balance: least-request
                health: {path: /healthz, expect: [200, 300-399], interval: 500ms, timeout: 100ms, rise: 1, fall: 5}
                connections: {idle: 10s}
            """
        ).snapshot
        #expect(site.site == "shop")
        #expect(site.forwarder == ForwarderSettings(workers: 3, hash: .source, handOver: .never))
        #expect(site.proxy == ProxySettings(nodes: 0, workers: 4))
        #expect(site.trustedProxies.map(\.description) == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"])
        #expect(
            site.limits
                == Limits(
                    headBytesMax: 16384, fieldCountMax: 50, connectionCountMax: 1000, headTimeout: .seconds(1),
                    bodyIdleTimeout: .milliseconds(250), idleTimeout: .seconds(300)))
    }

    @Test("a listener's limits replace those of the site, key by key")
    func listenerLimits() throws {
        let snapshot = try compile(
            """
            limits: {head: 16KiB, connections: 10, connections_per_source: 5, buffer: 0, timeout: {idle: 5s, write: 6s}}
            listeners:
              web: {address: ":80", limits: {head: 8KiB, connections: 20, buffer: 1MiB, timeout: {idle: 7s}}}
              other: {address: ":81"}
            routes: [{to: app}]
            pools: {app: {endpoints: ["127.0.0.1:9001"]}}
            """
        ).snapshot
        #expect(snapshot.limits.bufferBytesMax == 0)
        #expect(snapshot.listeners[1].limits == ListenerLimits())
        var own = ListenerLimits()
        own.headBytesMax = 8192
        own.connectionCountMax = 20
        own.bufferBytesMax = 1 << 20
        own.idleTimeout = .seconds(7)
        #expect(snapshot.listeners[0].limits == own)
        let limits = snapshot.limits.replaced(by: own)
        #expect(limits.headBytesMax == 8192 && limits.bufferBytesMax == 1 << 20 && limits.idleTimeout == .seconds(7))
        #expect(limits.writeTimeout == .seconds(6) && limits.fieldCountMax == 100)
        #expect(limits.connectionCountMax == 10 && limits.connectionsPerSourceMax == 5, "those are counted apart")
    }

    @Test("listeners keep the order of the file, names are resolved")
    func listeners() throws {
        let snapshot = try compile(
            """
            listeners:
              web: {address: [":80", "[::]:80", "localhost:81"]}
              pg: {address: "127.0.0.1:5432", protocol: tcp, to: db}
            routes: [{to: app}]
            pools:
              app: {endpoints: ["127.0.0.1:9001"]}
              db: {endpoints: ["127.0.0.1:9002"]}
            """
        ).snapshot
        #expect(snapshot.listeners.map(\.name) == ["web", "pg"])
        #expect(snapshot.listeners[0].addresses.map(\.description) == ["0.0.0.0:80", "[::]:80", "127.0.0.1:81"])
        #expect(snapshot.listeners[0].application == .http)
        #expect(snapshot.listeners[0].pool == nil)
        #expect(snapshot.listeners[1].application == .tcp)
        #expect(snapshot.listeners[1].pool == 1)
    }

    @Test("a listener without `listeners` of a route is served when it speaks http")
    func routeListeners() throws {
        let snapshot = try compile(
            """
            listeners:
              pg: {address: ":5432", protocol: tcp, to: app}
              web: {address: ":80"}
              admin: {address: ":81"}
            routes:
              - {listeners: admin, match: {path: /x}, to: app}
              - to: app
            pools: {app: {endpoints: ["127.0.0.1:9001"]}}
            """
        ).snapshot
        #expect(snapshot.routes.map(\.listeners) == [[2], [1, 2]])
        #expect(snapshot.routes.map(\.name) == ["route-1", "route-2"])
    }

    @Test("matches, rules and timeouts of a route")
    func route() throws {
        let route = try compile(
            """
            listeners: {web: {address: ":80"}}
            routes:
              - name: api
                match: {host: [Shop.Example, "*.Shop.example", "[2001:DB8::1]"], path: {prefix: /api/}}
                request:
                  set: {X-Env: prod, Host: "api.{host}"}
                  add: {X-Trace: ["{request_id}/{client_ip}", 5]}
                  remove: [Cookie, X-Debug]
                response:
                  set: {Server: "{{sluice}"}
                  add: {X-Empty: ""}
                  remove: X-Powered-By
                to: api
                timeout: {connect: 500ms, response: 1h}
            pools: {api: {endpoints: ["127.0.0.1:9001"]}}
            """
        ).snapshot.routes[0]
        #expect(route.match.hosts == [.exact("shop.example"), .suffix("shop.example"), .exact("[2001:db8::1]")])
        #expect(route.match.path == .prefix("/api/"))
        #expect(
            route.request
                == HeaderRules(
                    set: [
                        HeaderRule(name: "X-Env", value: [.literal("prod")]),
                        HeaderRule(name: "Host", value: [.literal("api."), .variable(.host)]),
                    ],
                    add: [
                        HeaderRule(
                            name: "X-Trace", value: [.variable(.requestID), .literal("/"), .variable(.clientIP)]),
                        HeaderRule(name: "X-Trace", value: [.literal("5")]),
                    ],
                    remove: ["cookie", "x-debug"]))
        #expect(
            route.response
                == HeaderRules(
                    set: [HeaderRule(name: "Server", value: [.literal("{sluice}")])],
                    add: [HeaderRule(name: "X-Empty", value: [])], remove: ["x-powered-by"]))
        #expect(route.connectTimeout == .milliseconds(500))
        #expect(route.responseTimeout == .seconds(3600))
        #expect(route.targets == [WeightedPool(pool: 0, weight: 1)])
    }

    @Test("endpoints of every kind; a name stands for all its addresses, each with its weight")
    func endpoints() throws {
        let pool = try compile(
            """
            listeners: {web: {address: ":80"}}
            routes: [{match: {path: /old}, to: api}]
            pools:
              api:
                endpoints:
                  - "10.0.0.1:9000"
                  - {address: "[2001:db8::2]:9000", weight: 256}
                  - {address: "App.test:9000", weight: 3}
                  - unix:/run/app.sock
                balance: least-request
                connections: {max: 256, queue: 0, queue_timeout: 250ms, idle: 10s, lifetime: 1h}
            """
        ).snapshot.pools[0]
        #expect(
            pool.endpoints.map { "\($0.address) \($0.weight)" } == [
                "10.0.0.1:9000 1", "[2001:db8::2]:9000 256", "192.0.2.10:9000 3", "192.0.2.11:9000 3",
                "[2001:db8::10]:9000 3", "unix:/run/app.sock 1",
            ])
        #expect(pool.balance == .leastRequest)
        #expect(
            pool.connections
                == ConnectionLimits(
                    countMax: 256, queueCountMax: 0, queueTimeout: .milliseconds(250), idleTimeout: .seconds(10),
                    lifetime: .seconds(3600)))
    }

    @Test(
        "health checks",
        arguments: [
            ("{path: /healthz}", HealthCheck(probe: .http(path: "/healthz", expect: [200...399]))),
            ("{tcp: true}", HealthCheck(probe: .tcp)),
            ("{path: /, tcp: false, expect: 204}", HealthCheck(probe: .http(path: "/", expect: [204...204]))),
            (
                "{path: /h, expect: [200, 300-399], interval: 5s, timeout: 3s, rise: 1, fall: 5}",
                HealthCheck(
                    probe: .http(path: "/h", expect: [200...200, 300...399]), interval: .seconds(5),
                    timeout: .seconds(3),
                    rise: 1, fall: 5)
            ),
            // The default timeout never outlasts a shorter interval.
            ("{grpc: shop.v1.Cart}", HealthCheck(probe: .grpc(service: "shop.v1.Cart"))),
            ("{grpc: \"\", tcp: false}", HealthCheck(probe: .grpc(service: ""))),
            (
                "{tcp: true, interval: 200ms}",
                HealthCheck(probe: .tcp, interval: .milliseconds(200), timeout: .milliseconds(200))
            ),
        ])
    func health(text: String, expected: HealthCheck) throws {
        let snapshot = try compile(
            """
            listeners: {web: {address: ":80"}}
            routes: [{to: app}]
            pools: {app: {endpoints: ["127.0.0.1:9001"], health: \(text)}}
            """
        ).snapshot
        #expect(snapshot.pools[0].health == expected)
    }

    @Test(
        "ranges at their ends",
        arguments: [
            ("limits: {head: 1KiB}", true), ("limits: {head: 1023}", false), ("limits: {head: 60KiB}", true),
            ("limits: {head: 61441}", false), ("limits: {headers: 1}", true), ("limits: {headers: 0}", false),
            ("limits: {headers: 250}", true), ("limits: {headers: 251}", false), ("trust: {proxies: []}", true),
            ("proxy: {nodes: 0}", true),
            ("proxy: {nodes: 256}", true), ("proxy: {nodes: 257}", false), ("forwarder: {workers: 256}", true),
            ("limits: {timeout: {head: 99ms}}", false), ("limits: {timeout: {head: 100ms}}", true),
            ("limits: {timeout: {head: 10m}}", true), ("limits: {timeout: {head: 600001ms}}", false),
            ("limits: {connections: 1000000}", true), ("limits: {connections: 1000001}", false),
            ("limits: {timeout: {idle: 99999999999999999999h}}", false),
            ("limits: {timeout: {idle: 9223372036854775807h}}", false),
        ])
    func ranges(line: String, isAccepted: Bool) {
        let found = diagnostics(of: line + "\n" + BoundsTests.smallest)
        #expect(found.isEmpty == isAccepted, "\(found)")
    }

    @Test("a Unix socket path of 107 bytes is taken, of 108 is not")
    func unixPath() throws {
        for (count, isAccepted) in [(106, true), (107, true), (108, false)] {
            let path = "/" + String(repeating: "s", count: count - 1)
            let found = diagnostics(of: SiteFile.commandLine(listen: [":8080"], to: ["unix:\(path)"]))
            #expect(found.isEmpty == isAccepted, "\(count)")
        }
    }

    @Test("anchors, aliases and merge keys")
    func aliases() throws {
        let routes = try compile(
            """
            listeners: {web: {address: ":80"}}
            routes:
              - {match: {path: /a}, to: app, timeout: &slow {connect: 5s, response: 2m}}
              - {match: {path: /b}, to: app, timeout: *slow}
              - {to: app, timeout: {connect: 1s, <<: *slow}}
            pools: {app: {endpoints: ["127.0.0.1:9001"]}}
            """
        ).snapshot.routes
        #expect(routes.map(\.connectTimeout) == [.seconds(5), .seconds(5), .seconds(1)])
        #expect(routes.map(\.responseTimeout) == [.seconds(120), .seconds(120), .seconds(120)])
    }

    @Test("the text for a command line compiles to one listener and one pool")
    func commandLine() throws {
        let snapshot = try compile(
            SiteFile.commandLine(listen: [":8080", "[::]:8080"], to: ["127.0.0.1:9001", "one.test:80"])
        ).snapshot
        #expect(snapshot.listeners.map { $0.addresses.map(\.description) } == [["0.0.0.0:8080", "[::]:8080"]])
        #expect(
            snapshot.pools.map { $0.endpoints.map(\.address.description) } == [["127.0.0.1:9001", "192.0.2.10:80"]])
        #expect(snapshot.routes.map(\.targets) == [[WeightedPool(pool: 0)]])
    }

    @Test(
        "hostile values of a command line stay values",
        arguments: ["\"]}", "a\nb: c", "\\", "\u{0}\u{7f}", "*x", "é\u{2028}"])
    func commandLineQuoting(value: String) throws {
        let found = diagnostics(of: SiteFile.commandLine(listen: [value], to: ["127.0.0.1:9001"]))
        #expect(found.count == 1)
        #expect(found.first?.location.line == 2, "\(found)")
        #expect(found.first?.message.contains(value.quoted) == true, "\(found)")
    }

    @Test("a name is asked for once")
    func resolverCalls() throws {
        let resolver = CountingResolver()
        _ = try SiteFile.compile(
            text: SiteFile.commandLine(listen: [":80"], to: ["a.test:1", "a.test:2", "A.test:3"]), file: "f",
            revision: 1,
            resolver: resolver)
        #expect(resolver.asked == ["a.test"])
    }

    @Test("this host resolves its own name")
    func systemResolver() throws {
        let addresses = try SystemResolver().addresses(of: "localhost")
        #expect(!addresses.isEmpty)
        #expect(addresses.allSatisfy { ["127.0.0.1", "::1"].contains($0.host) && $0.port == 0 })
        #expect(throws: ResolutionError.self) { try SystemResolver().addresses(of: "not..a..name") }
    }
}

/// Answers every name with one address and remembers the names.
final class CountingResolver: EndpointResolver, @unchecked Sendable {
    private(set) var asked: [String] = []

    func addresses(of name: String) throws(ResolutionError) -> [IPEndpoint] {
        asked.append(name)
        return [IPEndpoint(v4: 0x0a00_0001, port: 0)]
    }
}
