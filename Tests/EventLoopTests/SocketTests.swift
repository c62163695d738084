import EventLoop
import Glibc
import Testing

@Suite("Socket")
struct SocketTests {
    private static let loopback = IPEndpoint("127.0.0.1:0")!

    /// Waits until a socket is ready, with a deadline.
    private func wait(_ socket: CInt, for events: Int32) throws {
        var poll = pollfd(fd: socket, events: Int16(events), revents: 0)
        try #require(Glibc.poll(&poll, 1, 10_000) == 1, "not ready within 10 s")
    }

    private struct Accepted: ~Copyable {
        let socket: OwnedDescriptor
        let peer: IPEndpoint
    }

    private func accept(_ listener: CInt) throws -> Accepted {
        try wait(listener, for: POLLIN)
        guard case .connection(let raw, let peer) = try Socket.accept(on: listener) else {
            throw SocketError(call: "accept4", code: EAGAIN)
        }
        return Accepted(socket: OwnedDescriptor(adopting: raw), peer: peer)
    }

    private func connect(_ address: SocketAddress) throws -> OwnedDescriptor {
        switch try Socket.connect(to: address) {
        case .connected(let socket): return socket
        case .inProgress(let socket):
            try wait(socket.rawValue, for: POLLOUT)
            try #require(Socket.pendingError(socket.rawValue) == 0)
            return socket
        }
    }

    @Test("TCP: listen, connect, accept; each side knows both addresses", arguments: ["127.0.0.1:0", "[::1]:0"])
    func tcp(text: String) throws {
        let listener = try Socket.listen(on: try #require(IPEndpoint(text)), deferAccept: false)
        let address = try #require(Socket.localAddress(listener.rawValue))
        #expect(address.port != 0 && address.host == IPEndpoint(text)?.host)
        #expect(try isWouldBlock(listener.rawValue))
        let client = try connect(.ip(address))
        let accepted = try accept(listener.rawValue)
        let (server, peer) = (accepted.socket.rawValue, accepted.peer)
        #expect(Socket.localAddress(client.rawValue) == peer)
        #expect(Socket.peerAddress(client.rawValue) == address)
        #expect(Socket.localAddress(server) == address)
        #expect(Socket.peerAddress(server) == peer)
        for raw in [client.rawValue, server] {
            #expect(fcntl(raw, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(raw, F_GETFD) & FD_CLOEXEC != 0)
            #expect(noDelay(raw))
        }
    }

    private func isWouldBlock(_ listener: CInt) throws -> Bool {
        if case .wouldBlock = try Socket.accept(on: listener) { return true }
        return false
    }

    private func noDelay(_ socket: CInt) -> Bool {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(socket, CInt(IPPROTO_TCP), TCP_NODELAY, &value, &length) == 0 && value != 0
    }

    @Test("bytes go both ways; nothing there, FIN and RST are outcomes")
    func bytes() throws {
        let listener = try Socket.listen(on: Self.loopback, deferAccept: false)
        let client = try connect(.ip(try #require(Socket.localAddress(listener.rawValue))))
        let accepted = try accept(listener.rawValue)
        let server = accepted.socket.rawValue
        var room = [UInt8](repeating: 0, count: 16)
        #expect(Socket.receive(server, &room, 16) == .wouldBlock)
        #expect(Socket.send(client.rawValue, [1, 2, 3], 3) == .bytes(3))
        try wait(server, for: POLLIN)
        #expect(Socket.receive(server, &room, 16) == .bytes(3))
        #expect(Array(room.prefix(3)) == [1, 2, 3])

        #expect(Socket.send(server, [4, 5], 2, [6], 1) == .bytes(3))
        try wait(client.rawValue, for: POLLIN)
        #expect(Socket.receive(client.rawValue, &room, 16) == .bytes(3))
        #expect(Array(room.prefix(3)) == [4, 5, 6])

        Socket.shutdownWriting(client.rawValue)
        try wait(server, for: POLLIN)
        #expect(Socket.receive(server, &room, 16) == .endOfStream)
        // The other direction is still open.
        #expect(Socket.send(server, [7], 1) == .bytes(1))
        try wait(client.rawValue, for: POLLIN)
        #expect(Socket.receive(client.rawValue, &room, 16) == .bytes(1))

        Socket.setReset(server)
        _ = consume accepted
        try wait(client.rawValue, for: POLLIN)
        #expect(Socket.receive(client.rawValue, &room, 16) == .failed(ECONNRESET))
    }

    @Test("workers listen on one address")
    func reusePort() throws {
        let first = try Socket.listen(on: Self.loopback, deferAccept: false)
        let address = try #require(Socket.localAddress(first.rawValue))
        let second = try Socket.listen(on: address, deferAccept: true)
        #expect(Socket.localAddress(second.rawValue) == address)
    }

    @Test("an address of another's is an error that says which call")
    func taken() throws {
        let plain = try Socket.make(AF_INET, CInt(SOCK_STREAM.rawValue))
        try Socket.bind(plain.rawValue, .ip(Self.loopback))
        let address = try #require(Socket.localAddress(plain.rawValue))
        do {
            _ = try Socket.listen(on: address, deferAccept: false)
            Issue.record("bound twice")
        } catch {
            #expect(error == SocketError(call: "bind", code: EADDRINUSE))
            #expect(error.description == "bind: Address already in use (98)")
        }
        // Nobody listens there.
        switch try? Socket.connect(to: .ip(address)) {
        case .connected: Issue.record("connected to nobody")
        case .inProgress(let socket):
            try wait(socket.rawValue, for: POLLOUT)
            #expect(Socket.pendingError(socket.rawValue) == ECONNREFUSED)
        case nil: break
        }
    }

    @Test("Unix: a stale socket file is replaced; stream and seqpacket", arguments: [SOCK_STREAM, SOCK_SEQPACKET])
    func unix(type: __socket_type) throws {
        let path = "/tmp/sluice-test-\(getpid())-\(type.rawValue).sock"
        defer { unlink(path) }
        _ = try Socket.listen(onPath: path, type: CInt(type.rawValue))
        let listener = try Socket.listen(onPath: path, type: CInt(type.rawValue))
        #expect(try Socket.acceptUnix(on: listener.rawValue) == nil)
        guard case .connected(let client) = try Socket.connect(to: .unix(path), type: CInt(type.rawValue)) else {
            Issue.record("a Unix socket connects at once")
            return
        }
        guard let server = try Socket.acceptUnix(on: listener.rawValue) else {
            Issue.record("nothing to accept")
            return
        }
        #expect(Socket.send(client.rawValue, [9], 1) == .bytes(1))
        var byte: UInt8 = 0
        #expect(Socket.receive(server.rawValue, &byte, 1) == .bytes(1))
        #expect(byte == 9)
    }

    @Test("splice moves bytes through a pipe and keeps count")
    func splice() throws {
        let listener = try Socket.listen(on: Self.loopback, deferAccept: false)
        let client = try connect(.ip(try #require(Socket.localAddress(listener.rawValue))))
        let accepted = try accept(listener.rawValue)
        let server = accepted.socket.rawValue
        var pool = PipePool()
        guard var pipe = pool.take() else {
            Issue.record("no pipe")
            return
        }
        #expect(Socket.splice(from: server, into: &pipe, count: PipePool.pipeBytes) == .wouldBlock)
        #expect(Socket.send(client.rawValue, [1, 2, 3], 3) == .bytes(3))
        try wait(server, for: POLLIN)
        #expect(Socket.splice(from: server, into: &pipe, count: PipePool.pipeBytes) == .bytes(3))
        #expect(pipe.count == 3)
        #expect(Socket.splice(from: &pipe, to: server, more: false) == .bytes(3))
        #expect(pipe.count == 0)
        try wait(client.rawValue, for: POLLIN)
        var room = [UInt8](repeating: 0, count: 4)
        #expect(Socket.receive(client.rawValue, &room, 4) == .bytes(3))
        #expect(room == [1, 2, 3, 0])
        Socket.shutdownWriting(client.rawValue)
        try wait(server, for: POLLIN)
        #expect(Socket.splice(from: server, into: &pipe, count: PipePool.pipeBytes) == .endOfStream)
        pool.give(&pipe)
    }

    @Test("what is looked at stays until it is discarded, and what comes behind it can be looked at")
    func peek() throws {
        let listener = try Socket.listen(on: Self.loopback, deferAccept: false)
        let client = try connect(.ip(try #require(Socket.localAddress(listener.rawValue))))
        let accepted = try accept(listener.rawValue)
        let server = accepted.socket.rawValue
        var room = [UInt8](repeating: 0, count: 4)
        #expect(Socket.receive(server, &room, 4, peeks: true) == .wouldBlock)
        #expect(Socket.send(client.rawValue, [1, 2, 3], 3) == .bytes(3))
        try wait(server, for: POLLIN)
        #expect(Socket.receive(server, &room, 4, peeks: true) == .bytes(3))
        #expect(room == [1, 2, 3, 0])
        #expect(Socket.peek(server, &room, 4, behind: 3) == .wouldBlock)
        #expect(Socket.send(client.rawValue, [4, 5], 2) == .bytes(2))
        while Socket.peek(server, &room, 3, behind: 3) != .bytes(2) {}
        #expect(room.prefix(2) == [4, 5])
        Socket.discard(server, 3)
        #expect(Socket.receive(server, &room, 4) == .bytes(2))
        #expect(room.prefix(2) == [4, 5])
        // Nothing is left: nothing is discarded.
        Socket.discard(server, 3)
        Socket.shutdownWriting(client.rawValue)
        try wait(server, for: POLLIN)
        #expect(Socket.receive(server, &room, 4, peeks: true) == .endOfStream)
    }

    @Test("segments without data are counted on TCP only")
    func acknowledgements() throws {
        let listener = try Socket.listen(on: Self.loopback, deferAccept: false)
        let client = try connect(.ip(try #require(Socket.localAddress(listener.rawValue))))
        let accepted = try accept(listener.rawValue)
        let before = try #require(Socket.acknowledgementsSent(client.rawValue))
        // The SYN and the acknowledgement of its answer.
        #expect(before == 2)
        #expect(Socket.send(client.rawValue, [1], 1) == .bytes(1))
        #expect(Socket.acknowledgementsSent(client.rawValue) == before)
        // FIN carries no data either.
        Socket.shutdownWriting(client.rawValue)
        #expect(Socket.acknowledgementsSent(client.rawValue) == before + 1)
        _ = accepted
        let path = "/tmp/sluice-test-\(getpid())-acknowledgements.sock"
        defer { unlink(path) }
        let unix = try Socket.listen(onPath: path, type: CInt(SOCK_STREAM.rawValue))
        #expect(Socket.acknowledgementsSent(unix.rawValue) == nil)
    }
}
