import Balancing
import EventLoop
import Glibc
import NodeAgent
import Snapshot
import Testing

@testable import Forwarder

@Suite("tls-passthrough listeners: the hello, and what becomes of it")
struct PassthroughTests {
    /// Sends back its name and whatever comes.
    private static func echo(_ name: String) throws -> TestEndpoint {
        try TestEndpoint { client in
            try client.send(name)
            while case let bytes = try client.receive(), !bytes.isEmpty { try client.send(bytes) }
        }
    }

    /// A listener `pt`: `a.example` to pool `a`, `*.b.example` with h2 to pool `b`.
    private static func site(
        a: [IPEndpoint], b: [IPEndpoint], limits: Limits = Limits(), standard: Int? = nil
    ) -> Snapshot {
        Snapshot(
            revision: 1, site: "test", limits: limits,
            listeners: [
                Listener(
                    name: "pt", addresses: [IPEndpoint(v4: 0x7f00_0001, port: 0)], application: .tlsPassthrough,
                    pool: standard)
            ],
            routes: [
                Route(
                    name: "to-a", listeners: [0], match: RouteMatch(hosts: [.exact("a.example")]),
                    targets: [WeightedPool(pool: 0)]),
                Route(
                    name: "to-b", listeners: [0],
                    match: RouteMatch(hosts: [.suffix("b.example")], protocols: ["h2"]),
                    targets: [WeightedPool(pool: 1)]),
            ],
            pools: [
                Pool(name: "a", endpoints: a.map { Endpoint(address: .ip($0)) }, balance: .roundRobin),
                Pool(name: "b", endpoints: b.map { Endpoint(address: .ip($0)) }, balance: .roundRobin),
            ])
    }

    private func reads(_ client: TestSocket, _ name: String, _ bytes: [UInt8]) throws {
        #expect(try client.text(exactly: name.utf8.count) == name)
        #expect(try client.receive(exactly: bytes.count) == bytes)
    }

    private static func refused(_ reason: String) -> String {
        "sluice_passthrough_refused_total{listener=pt,reason=\(reason)}"
    }

    private static let waiting = "sluice_connections{role=forwarder,listener=pt,state=hello}"

    @Test("name and protocols choose the pool; the endpoint gets every byte, then the two talk")
    func placed() throws {
        let (a, b) = (try Self.echo("a"), try Self.echo("b"))
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(Self.site(a: [a.address], b: [b.address]))
        let cases: [(String, [UInt8])] = [
            ("a", HelloBytes.hello("A.Example.")), ("b", HelloBytes.hello("x.b.example", ["http/1.1", "h2"])),
            ("a", HelloBytes.hello("a.example", of: 3)),
            // What comes with the hello, such as early data, goes with it.
            ("b", HelloBytes.hello("y.x.b.example", ["h2"]) + [UInt8](repeating: 0x17, count: 40_000)),
        ]
        for (name, bytes) in cases {
            let client = try forwarder.connect("pt")
            try client.send(bytes)
            try reads(client, name, bytes)
            for round in 0..<20 {
                try client.send("message \(round)")
                #expect(try client.text(exactly: "message \(round)".utf8.count) == "message \(round)")
            }
            client.shutdownWriting()
            #expect(try client.receiveToEnd().isEmpty)
        }
        try forwarder.waitForReport("all of it is counted, and over") { report in
            report["sluice_passthrough_connections_total{listener=pt,route=to-a}"] == 2
                && report["sluice_passthrough_connections_total{listener=pt,route=to-b}"] == 2
                && report["sluice_node_connections"] == 0 && report[Self.waiting] == 0
                && report["sluice_bytes_total{direction=in}"] == report["sluice_bytes_total{direction=out}"]! - 4
        }
    }

    @Test("a hello that comes byte by byte, in records of many sizes", arguments: [16 * 1024, 11, 1])
    func slow(recordBytes: Int) throws {
        let a = try Self.echo("a")
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(Self.site(a: [a.address], b: []))
        let bytes = HelloBytes.hello("a.example", ["h2"], of: recordBytes)
        let client = try forwarder.connect("pt")
        var one: CInt = 1
        setsockopt(client.descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
        for (index, byte) in bytes.enumerated() {
            try client.send([byte])
            if index == bytes.count / 2 {
                try forwarder.waitForReport("it waits") { $0[Self.waiting] == 1 && $0["sluice_node_connections"] == 1 }
            }
        }
        try reads(client, "a", bytes)
        #expect(try forwarder.report()[Self.waiting] == 0)
    }

    @Test(
        "a client that no route takes gets the alert that says why, and is counted",
        arguments: [
            ("unknown_name", 112, HelloBytes.hello("c.example", ["h2"])), ("no_name", 109, HelloBytes.hello(nil)),
            ("unknown_protocol", 120, HelloBytes.hello("x.b.example", ["http/1.1"])),
        ] as [(String, UInt8, [UInt8])])
    func refused(reason: String, alert: UInt8, bytes: [UInt8]) throws {
        let a = try Self.echo("a")
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(Self.site(a: [a.address], b: [a.address]))
        for _ in 0..<3 {
            let client = try forwarder.connect("pt")
            try client.send(bytes)
            #expect(try client.receiveToEnd() == [21, 3, 3, 0, 2, 2, alert])
        }
        try forwarder.waitForReport("counted, and over") {
            $0[Self.refused(reason)] == 3 && $0["sluice_node_connections"] == 0
        }
    }

    @Test(
        "what is no hello is closed without a word, and counted",
        arguments: [
            ("malformed", Array("GET / HTTP/1.1\r\n\r\n".utf8)), ("malformed", [0x16, 3, 1, 0, 4, 2, 0, 0, 0]),
            ("too_large", [0x16, 3, 1, 0, 4, 1, 0, 0x40, 0]),
            ("closed", Array(HelloBytes.hello("a.example").prefix(9))),
            ("closed", []),
        ] as [(String, [UInt8])])
    func foreign(reason: String, bytes: [UInt8]) throws {
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(Self.site(a: [try TestEndpoint.refusing()], b: []))
        let client = try forwarder.connect("pt")
        try client.send(bytes)
        if reason == "closed" { client.shutdownWriting() }
        #expect(try client.receiveToEnd().isEmpty)
        try forwarder.waitForReport("counted, and over") {
            $0[Self.refused(reason)] == 1 && $0["sluice_node_connections"] == 0
        }
    }

    @Test("a hello has limits.timeout.head, however its bytes come", arguments: [false, true])
    func timeout(isDripping: Bool) throws {
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(
            Self.site(a: [try TestEndpoint.refusing()], b: [], limits: Limits(headTimeout: .milliseconds(300))))
        let start = Clock.monotonicNanoseconds()
        let client = try forwarder.connect("pt")
        // Its end never comes: the client goes on for as long as it may.
        let bytes = HelloBytes.hello("a.example", of: 1)
        var index = 0
        var ready = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
        while index < bytes.count - 1 && poll(&ready, 1, isDripping ? 3 : 10_000) == 0 {
            try? client.send([bytes[index]])
            index += 1
        }
        #expect(isDripping ? index > 10 && index < bytes.count - 1 : index == 0)
        #expect(Clock.monotonicNanoseconds() - start >= 300_000_000)
        try forwarder.waitForReport("counted, and over") {
            $0[Self.refused("timeout")] == 1 && $0[Self.waiting] == 0 && $0["sluice_node_connections"] == 0
        }
    }

    @Test("an endpoint that refuses: the next one gets the whole hello")
    func nextEndpoint() throws {
        let a = try Self.echo("a")
        let forwarder = try ForwarderFixture()
        let refusing = try (0..<3).map { _ in try TestEndpoint.refusing() }
        try forwarder.role.apply(Self.site(a: refusing + [a.address], b: []))
        for _ in 0..<8 {
            let client = try forwarder.connect("pt")
            let bytes = HelloBytes.hello("a.example", of: 100)
            try client.send(bytes)
            try reads(client, "a", bytes)
        }
    }

    @Test("with no endpoint left the client is reset, and its buffer given back")
    func noEndpoint() throws {
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(Self.site(a: [try TestEndpoint.refusing()], b: []))
        for name in ["a.example", "x.b.example"] {
            let client = try forwarder.connect("pt")
            try client.send(HelloBytes.hello(name, ["h2"]))
            let failure = #expect(throws: TestSocket.Failure.self) { try client.receiveToEnd() }
            #expect(failure?.code == ECONNRESET)
        }
        try forwarder.waitForReport("counted") {
            $0["sluice_forwarder_refused_total{reason=no_endpoint}"] == 2 && $0["sluice_node_connections"] == 0
        }
    }

    @Test("the listener's own `to` takes clients without a name")
    func standard() throws {
        let (a, b) = (try Self.echo("a"), try Self.echo("b"))
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(Self.site(a: [a.address], b: [b.address], standard: 1))
        let client = try forwarder.connect("pt")
        let bytes = HelloBytes.hello(nil)
        try client.send(bytes)
        try reads(client, "b", bytes)
        #expect(try forwarder.report()["sluice_passthrough_connections_total{listener=pt,route=}"] == 1)
    }

    @Test("a pool without a usable endpoint leaves its share to the other one")
    func weights() throws {
        let (a, b) = (try Self.echo("a"), try Self.echo("b"))
        var site = Self.site(a: [a.address], b: [b.address])
        site.routes[0].targets = [WeightedPool(pool: 0, weight: 1), WeightedPool(pool: 1, weight: 1)]
        for index in 0...1 { site.pools[index].health = HealthCheck(probe: .tcp) }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(site)
        func names() throws -> Set<String> {
            var names: Set<String> = []
            for _ in 0..<40 {
                let client = try forwarder.connect("pt")
                try client.send(HelloBytes.hello("a.example"))
                names.insert(try client.text(exactly: 1))
            }
            return names
        }
        #expect(try names() == ["a", "b"])
        forwarder.role.setHealth(of: .init(pool: "a", address: .ip(a.address)), isUp: false)
        #expect(try names() == ["b"])
    }

    @Test(
        "a client that waits counts among limits.connections, and goes by the site that is in force when its hello ends"
    )
    func limitsAndChanges() throws {
        let (a, b) = (try Self.echo("a"), try Self.echo("b"))
        let forwarder = try ForwarderFixture()
        var site = Self.site(a: [a.address], b: [b.address], limits: Limits(connectionCountMax: 1))
        try forwarder.role.apply(site)
        let bytes = HelloBytes.hello("a.example")
        let slow = try forwarder.connect("pt")
        try slow.send(Array(bytes.prefix(20)))
        try forwarder.waitForReport("it waits") { $0[Self.waiting] == 1 }
        let other = try forwarder.connect("pt")
        try other.send(bytes)
        try forwarder.waitForReport("the other isn't accepted") {
            $0["sluice_forwarder_pauses_total{reason=limit}"]! >= 1
                && $0["sluice_connections_accepted_total{role=forwarder,listener=pt}"] == 1
        }
        site.routes[0].targets = [WeightedPool(pool: 1)]
        site.limits.connectionCountMax = 2
        try forwarder.role.apply(site)
        try reads(other, "b", bytes)
        try slow.send(Array(bytes.dropFirst(20)))
        try reads(slow, "b", bytes)
    }

    @Test("a listener that leaves closes, and a forwarder that stops closes those that wait")
    func stop() throws {
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(Self.site(a: [try TestEndpoint.refusing()], b: []))
        let client = try forwarder.connect("pt")
        try client.send([0x16])
        try forwarder.waitForReport("it waits") { $0[Self.waiting] == 1 }
        try forwarder.role.apply(Snapshot(revision: 2, site: "test"))
        try forwarder.waitForReport("it still waits") { $0[Self.waiting] == 1 }
        // It can end its hello, and nobody is there for it.
        try client.send(Array(HelloBytes.hello("a.example").dropFirst()))
        #expect(throws: TestSocket.Failure.self) { try client.receiveToEnd() }
        try forwarder.waitForReport("over") { $0["sluice_node_connections"] == 0 }
    }

    @Test("an alert and a word in the metrics for each reason, each word once")
    func reasons() {
        #expect(Set(HelloRefusal.allCases.map(\.name)).count == HelloRefusal.allCases.count)
        for reason in HelloRefusal.allCases {
            let says = reason.alert != nil
            #expect(says == [.noName, .unknownName, .unknownProtocol].contains(reason))
            #expect(!(says && reason.logged != nil))
        }
    }
}
