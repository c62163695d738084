import EventLoop
import Glibc
import NodeAgent
import Snapshot
import Testing

@testable import Forwarder

@Suite("Listeners")
struct ListenerTests {
    private func site(_ listeners: [(name: String, address: IPEndpoint)], _ endpoint: IPEndpoint) -> Snapshot {
        var site = ForwarderFixture.tcpSite([endpoint])
        site.listeners = listeners.map {
            Listener(name: $0.name, addresses: [$0.address], application: .tcp, pool: 0)
        }
        return site
    }

    @Test(
        "a port that another process listens on, with SO_REUSEPORT or not, is an error that names it",
        arguments: [true, false])
    func addressInUse(reusesPort: Bool) throws {
        let other = try Socket.make(AF_INET, CInt(SOCK_STREAM.rawValue))
        if reusesPort { try Socket.set(other.rawValue, SOL_SOCKET, SO_REUSEPORT, 1) }
        try Socket.bind(other.rawValue, .ip(IPEndpoint(v4: 0x7f00_0001, port: 0)))
        listen(other.rawValue, 1)
        let address = try #require(Socket.localAddress(other.rawValue))
        let forwarder = try ForwarderFixture()
        let error = #expect(throws: RoleError.self) { try forwarder.role.apply(ForwarderFixture.httpSite(address)) }
        #expect(
            error?.message
                == "listener web: cannot bind \(address) (EADDRINUSE): another process listens there; "
                + "'ss -ltnp sport = :\(address.port)' names it")
    }

    @Test("an address of no interface is an error that says so")
    func noSuchAddress() throws {
        let forwarder = try ForwarderFixture()
        let address = try #require(IPEndpoint("192.0.2.1:8080"))
        let error = #expect(throws: RoleError.self) { try forwarder.role.apply(ForwarderFixture.httpSite(address)) }
        #expect(
            error?.message
                == "listener web: cannot bind 192.0.2.1:8080 (EADDRNOTAVAIL): no interface of this host has that address"
        )
    }

    @Test("the hint for a privileged port")
    func privilegedPort() throws {
        let address = try #require(IPEndpoint("0.0.0.0:80"))
        #expect(
            BindFailure.message(listener: "web", address: address, SocketError(call: "bind", code: EACCES))
                == "listener web: cannot bind 0.0.0.0:80 (EACCES): "
                + "run as root, grant CAP_NET_BIND_SERVICE, or use a port above 1023")
    }

    @Test("one listener that can't be bound: nothing changes, the others aren't opened either")
    func allOrNothing() throws {
        let endpoint = try TestEndpoint { try $0.send("old") }
        let (first, second) = try (TestEndpoint.refusing(), TestEndpoint.refusing())
        let taken = try TestEndpoint { _ in }
        let forwarder = try ForwarderFixture()
        try forwarder.role.apply(site([("a", first)], endpoint.address))
        #expect(throws: RoleError.self) {
            try forwarder.role.apply(site([("b", second), ("c", taken.address)], endpoint.address))
        }
        #expect(try forwarder.connect("a").textToEnd() == "old")
        let failure = #expect(throws: TestSocket.Failure.self) { try TestSocket(connectedTo: second) }
        #expect(failure?.code == ECONNREFUSED)
    }

    @Test("a listener that stays keeps its socket; one that goes is closed; one that comes is opened")
    func change() throws {
        let endpoint = try TestEndpoint.echo()
        let (kept, gone, new) = try (TestEndpoint.refusing(), TestEndpoint.refusing(), TestEndpoint.refusing())
        let forwarder = try ForwarderFixture(workers: 2)
        try forwarder.role.apply(site([("kept", kept), ("gone", gone)], endpoint.address))
        let before = try forwarder.connect("kept")
        let leaving = try forwarder.connect("gone")
        try forwarder.role.apply(site([("kept", kept), ("new", new)], endpoint.address))
        // A report is answered after the snapshot is in force.
        _ = try forwarder.report()
        for client in try [before, leaving, forwarder.connect("kept"), forwarder.connect("new")] {
            try client.send("x")
            #expect(try client.text(exactly: 1) == "x")
        }
        let failure = #expect(throws: TestSocket.Failure.self) { try TestSocket(connectedTo: gone) }
        #expect(failure?.code == ECONNREFUSED)
    }
}
