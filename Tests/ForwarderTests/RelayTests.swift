import Balancing
import EventLoop
import Glibc
import NodeAgent
import NodeLink
import Snapshot
import Testing

@testable import Forwarder

@Suite("Relay to the endpoints of a tcp listener")
struct RelayTests {
    @Test("bytes go both ways, as they come")
    func echo() throws {
        let endpoint = try TestEndpoint.echo()
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([endpoint.address]))
        let client = try forwarder.connect("pg")
        for round in 0..<100 {
            let text = "message \(round)\n"
            try client.send(text)
            #expect(try client.text(exactly: text.utf8.count) == text)
        }
        let report = try forwarder.report()
        #expect(report["sluice_connections{role=forwarder,listener=pg,state=open}"] == 1)
        #expect(report["sluice_connections_accepted_total{role=forwarder,listener=pg}"] == 1)
        #expect(report["sluice_endpoint_active{pool=db,endpoint=\(endpoint.address)}"] == 1)
        #expect(report["sluice_bytes_total{direction=in}"] == report["sluice_bytes_total{direction=out}"])
        #expect(report["sluice_node_connections"] == 1)
    }

    @Test("a server that speaks first is heard at once")
    func serverFirst() throws {
        let endpoint = try TestEndpoint { try $0.send("220 ready\r\n") }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([endpoint.address]))
        #expect(try forwarder.connect("pg").textToEnd() == "220 ready\r\n")
    }

    @Test("the client's FIN reaches the endpoint, which may still answer")
    func halfCloseOfClient() throws {
        let endpoint = try TestEndpoint { client in
            let request = try client.textToEnd()
            try client.send("got \(request)")
        }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([endpoint.address]))
        let client = try forwarder.connect("pg")
        try client.send("everything")
        client.shutdownWriting()
        #expect(try client.textToEnd() == "got everything")
        try forwarder.waitForReport("the connection ends") { $0["sluice_node_connections"] == 0 }
    }

    @Test("the endpoint's FIN reaches the client, which may still send")
    func halfCloseOfServer() throws {
        let received = Mailbox<String>()
        let endpoint = try TestEndpoint { client in
            try client.send("bye")
            client.shutdownWriting()
            received.post(try client.textToEnd())
        }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([endpoint.address]))
        let client = try forwarder.connect("pg")
        #expect(try client.textToEnd() == "bye")
        try client.send("late")
        client.shutdownWriting()
        var ready = pollfd(fd: received.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&ready, 1, CInt(TestSocket.deadlineSeconds * 1000))
        #expect(received.takeAll() == ["late"])
        try forwarder.waitForReport("the connection ends") { $0["sluice_node_connections"] == 0 }
    }

    @Test("the endpoint's reset reaches the client")
    func resetByServer() throws {
        let endpoint = try TestEndpoint { client in
            _ = try client.receive(exactly: 4)
            client.setReset()
        }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([endpoint.address]))
        let client = try forwarder.connect("pg")
        try client.send("ping")
        let failure = #expect(throws: TestSocket.Failure.self) { try client.receiveToEnd() }
        #expect(failure?.code == ECONNRESET)
    }

    @Test("the client's reset reaches the endpoint")
    func resetByClient() throws {
        let codes = Mailbox<CInt>()
        let endpoint = try TestEndpoint { client in
            try client.send("hello")
            do {
                _ = try client.receiveToEnd()
                codes.post(0)
            } catch let failure as TestSocket.Failure {
                codes.post(failure.code)
            }
        }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([endpoint.address]))
        do {
            let client = try forwarder.connect("pg")
            _ = try client.receive(exactly: 5)
            client.setReset()
        }
        var ready = pollfd(fd: codes.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&ready, 1, CInt(TestSocket.deadlineSeconds * 1000))
        #expect(codes.takeAll() == [ECONNRESET])
    }

    @Test("an endpoint that refuses: the next one, and no client notices")
    func refused() throws {
        let dead = try TestEndpoint.refusing()
        let endpoint = try TestEndpoint.echo()
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([dead, endpoint.address]))
        for _ in 0..<10 {
            let client = try forwarder.connect("pg")
            try client.send("x")
            #expect(try client.text(exactly: 1) == "x")
        }
        let report = try forwarder.report()
        let failures = try #require(report["sluice_endpoint_failures_total{pool=db,endpoint=\(dead)}"])
        // Out for a second after each failure, so not tried with every connection.
        #expect(failures >= 1 && failures < 10)
        #expect(report["sluice_endpoint_requests_total{pool=db,endpoint=\(endpoint.address),code=connect}"] == 10)
    }

    @Test("no endpoint at all: the client is reset, and it is counted")
    func noEndpoint() throws {
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([try TestEndpoint.refusing()]))
        let failure = #expect(throws: TestSocket.Failure.self) { try forwarder.connect("pg").receiveToEnd() }
        #expect(failure?.code == ECONNRESET)
        try forwarder.waitForReport("counted") { $0["sluice_forwarder_refused_total{reason=no_endpoint}"] == 1 }
    }

    @Test("endpoints that are down or draining get nothing", arguments: [Pool.Balance.roundRobin, .leastRequest])
    func downAndDraining(balance: Pool.Balance) throws {
        let servers = try ["a", "b", "c"].map { name in try TestEndpoint { try $0.send(name) } }
        let forwarder = try ForwarderFixture()
        var site = ForwarderFixture.tcpSite(servers.map(\.address), balance: balance)
        site.pools[0].health = HealthCheck(probe: .tcp)
        try forwarder.role.apply(site)
        forwarder.role.setHealth(of: .init(pool: "db", address: .ip(servers[0].address)), isUp: false)
        try forwarder.apply(
            nodes: [], endpoints: [.init(pool: "db", address: .ip(servers[1].address), state: .draining)], version: 1)
        for _ in 0..<6 { #expect(try forwarder.connect("pg").textToEnd() == "c") }
        forwarder.role.setHealth(of: .init(pool: "db", address: .ip(servers[0].address)), isUp: true)
        _ = try forwarder.report()
        var seen: Set<String> = []
        for _ in 0..<40 { seen.insert(try forwarder.connect("pg").textToEnd()) }
        #expect(seen == ["a", "c"])
    }

    @Test("32 MiB each way at once arrive as they were sent, to a reader that is slow to start")
    func bulk() throws {
        let byteCount = 32 * 1024 * 1024
        // The stream repeats a pattern whose length is prime: a piece lost, doubled or moved doesn't fit.
        let pattern = (0..<65521).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 8) }
        @Sendable func sendAll(_ socket: TestSocket) throws {
            var rest = byteCount
            while rest > 0 {
                let part = min(rest, pattern.count)
                try socket.send(part == pattern.count ? pattern : Array(pattern[..<part]))
                rest -= part
            }
            socket.shutdownWriting()
        }
        /// The number of bytes up to FIN, or to the first that is wrong.
        @Sendable func readAll(_ socket: TestSocket) throws -> Int {
            var count = 0
            while true {
                let bytes = try socket.receive(256 * 1024)
                if bytes.isEmpty { return count }
                var checked = 0
                while checked < bytes.count {
                    let start = count % pattern.count
                    let part = min(bytes.count - checked, pattern.count - start)
                    let isSame = bytes.withUnsafeBytes { received in
                        pattern.withUnsafeBytes {
                            memcmp(received.baseAddress! + checked, $0.baseAddress! + start, part) == 0
                        }
                    }
                    guard isSame else { return count }
                    count += part
                    checked += part
                }
            }
        }
        let results = Mailbox<Int>()
        let endpoint = try TestEndpoint { client in
            Thread.start("sender") { try? sendAll(client) }
            results.post(try readAll(client))
        }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([endpoint.address]))
        let client = try forwarder.connect("pg")
        // Nothing is read until all has been sent, as far as it goes: the download meets a full socket.
        Thread.start("client sender") { try? sendAll(client) }
        try forwarder.waitForReport("the upload is under way") { $0["sluice_bytes_total{direction=in}"]! > 1_000_000 }
        #expect(try readAll(client) == byteCount)
        var ready = pollfd(fd: results.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&ready, 1, CInt(TestSocket.deadlineSeconds * 1000))
        #expect(results.takeAll() == [byteCount])
        try forwarder.waitForReport("the connection ends") { report in
            report["sluice_node_connections"] == 0
                && report["sluice_bytes_total{direction=in}"] == Double(byteCount)
                && report["sluice_bytes_total{direction=out}"] == Double(byteCount)
        }
    }

    @Test("a relayed connection on which nothing moves is closed, and not before its time")
    func idleTimeout() throws {
        let endpoint = try TestEndpoint.echo()
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(
            ForwarderFixture.tcpSite([endpoint.address], limits: Limits(idleTimeout: .milliseconds(200))))
        let start = Clock.monotonicNanoseconds()
        let client = try forwarder.connect("pg")
        #expect(try client.receiveToEnd().isEmpty)
        #expect(Clock.monotonicNanoseconds() - start >= 200_000_000)
        try forwarder.waitForReport("the connection ends") { $0["sluice_node_connections"] == 0 }
    }

    @Test("at limits.connections no more are accepted until one ends")
    func connectionLimit() throws {
        let endpoint = try TestEndpoint.echo()
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(
            ForwarderFixture.tcpSite([endpoint.address], limits: Limits(connectionCountMax: 2)))
        var clients = try (0..<3).map { _ in try forwarder.connect("pg") }
        for client in clients { try client.send("x") }
        for client in clients[..<2] { #expect(try client.text(exactly: 1) == "x") }
        let report = try forwarder.report()
        #expect(report["sluice_connections{role=forwarder,listener=pg,state=open}"] == 2)
        #expect(try #require(report["sluice_forwarder_pauses_total{reason=limit}"]) >= 1)
        let third = clients.removeLast()
        clients.removeAll()
        #expect(try third.text(exactly: 1) == "x")
    }

    @Test("a listener's own limits.connections and timeout.idle: another listener is as the site says")
    func listenerLimits() throws {
        let endpoint = try TestEndpoint.echo()
        let forwarder = try ForwarderFixture()
        var snapshot = ForwarderFixture.tcpSite(
            [endpoint.address], limits: Limits(connectionCountMax: 4, idleTimeout: .seconds(60)))
        snapshot.listeners.append(
            Listener(name: "own", addresses: [IPEndpoint(v4: 0x7f00_0001, port: 0)], application: .tcp, pool: 0))
        snapshot.listeners[1].limits.connectionCountMax = 1
        try forwarder.role.apply(snapshot)
        var own = try (0..<2).map { _ in try forwarder.connect("own") }
        let other = try (0..<2).map { _ in try forwarder.connect("pg") }
        for client in own + other { try client.send("x") }
        for client in [own[0]] + other { #expect(try client.text(exactly: 1) == "x") }
        try forwarder.waitForReport("the second one waits") { report in
            report["sluice_connections{role=forwarder,listener=own,state=open}"] == 1
                && report["sluice_forwarder_pauses_total{reason=limit}"]! >= 1
        }
        // A bound that is raised holds at once, and counts those that were there before.
        snapshot.listeners[1].limits.connectionCountMax = 2
        snapshot.listeners[1].limits.idleTimeout = .milliseconds(200)
        try forwarder.role.apply(snapshot)
        #expect(try own[1].text(exactly: 1) == "x")
        let third = try forwarder.connect("own")
        try third.send("y")
        // They end after their listener's time without a byte, and make room.
        #expect(try own[1].receiveToEnd().isEmpty)
        #expect(try third.text(exactly: 1) == "y")
        own.removeAll()
        try other[0].send("z")
        #expect(try other[0].text(exactly: 1) == "z")
    }

    @Test("an endpoint that doesn't answer the connect within 2 s: the next one")
    func connectTimeout() throws {
        // A listener whose queue is full drops every further SYN.
        let full = try Socket.make(AF_INET, CInt(SOCK_STREAM.rawValue))
        try Socket.bind(full.rawValue, .ip(IPEndpoint(v4: 0x7f00_0001, port: 0)))
        listen(full.rawValue, 0)
        let address = try #require(Socket.localAddress(full.rawValue))
        let filler = try TestSocket(connectedTo: address)
        let endpoint = try TestEndpoint.echo()
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(ForwarderFixture.tcpSite([address, endpoint.address]))
        let start = Clock.monotonicNanoseconds()
        // Turns begin anywhere: of two clients one meets the full queue first.
        for client in try (0..<2).map({ _ in try forwarder.connect("pg") }) {
            try client.send("kept")
            #expect(try client.text(exactly: 4) == "kept")
        }
        #expect(Clock.monotonicNanoseconds() - start >= ForwarderLimits.connectNanoseconds)
        let report = try forwarder.report()
        #expect(report["sluice_endpoint_failures_total{pool=db,endpoint=\(address)}"] == 1)
        _ = filler
    }

    @Test("with no descriptor left the listener rests instead of spinning, and nobody in its queue is lost")
    func noDescriptors() async {
        // In a process of its own: the limit holds for all threads.
        await #expect(processExitsWith: .success) {
            let endpoint = try TestEndpoint.echo()
            let forwarder = try ForwarderFixture()
            try forwarder.role.apply(ForwarderFixture.tcpSite([endpoint.address]))
            let address = try #require(forwarder.role.boundAddress(ofListener: "pg"))
            let spare = try (0..<4).map { _ in try Socket.make(AF_INET, CInt(SOCK_STREAM.rawValue)).release() }
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var fillers: [CInt] = []
            while case let filler = dup(0), filler >= 0 { fillers.append(filler) }
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = address.port.bigEndian
            target.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            let clients = spare.map { descriptor in
                withUnsafePointer(to: &target) { pointer in
                    _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                return TestSocket(adopting: descriptor)
            }
            try forwarder.waitForReport("the listener rests") {
                $0["sluice_forwarder_pauses_total{reason=descriptors}"]! >= 1
            }
            for filler in fillers { close(filler) }
            for client in clients {
                try client.send("x")
                let answer = try client.text(exactly: 1)
                precondition(answer == "x")
            }
            // Once per 100 ms, not once per turn.
            let pauses = try forwarder.report()["sluice_forwarder_pauses_total{reason=descriptors}"]
            precondition(pauses! < 50)
        }
    }
}
