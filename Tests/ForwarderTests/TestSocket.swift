import EventLoop
import Glibc

/// A blocking TCP socket for tests; every call ends within `deadlineSeconds` or fails the test that made it.
final class TestSocket: @unchecked Sendable {
    static let deadlineSeconds = 10
    let descriptor: CInt

    struct Failure: Error, CustomStringConvertible {
        let call: String
        let code: CInt
        var description: String { "\(call): \(String(cString: strerror(code)))" }
    }

    init(adopting descriptor: CInt) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        var time = timeval(tv_sec: Self.deadlineSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    convenience init(connectedTo address: IPEndpoint) throws {
        let raw: CInt
        switch try Socket.connect(to: .ip(address)) {
        case .connected(let socket): raw = socket.release()
        case .inProgress(let socket): raw = socket.release()
        }
        var ready = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
        poll(&ready, 1, CInt(Self.deadlineSeconds * 1000))
        let code = Socket.pendingError(raw)
        guard code == 0 else {
            close(raw)
            throw Failure(call: "connect", code: code)
        }
        self.init(adopting: raw)
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL))
            }
            guard result > 0 else { throw Failure(call: "send", code: errno) }
            sent += result
        }
    }

    /// Up to `count` bytes; empty at end of stream.
    func receive(_ count: Int = 65536) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = recv(descriptor, &bytes, count, 0)
        guard result >= 0 else { throw Failure(call: "recv", code: errno) }
        return Array(bytes[..<result])
    }

    func receive(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let part = try receive(count - bytes.count)
            guard !part.isEmpty else { throw Failure(call: "recv: end of stream", code: 0) }
            bytes += part
        }
        return bytes
    }

    func receiveToEnd() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let part = try receive()
            if part.isEmpty { return bytes }
            bytes += part
        }
    }

    func text(exactly count: Int) throws -> String { String(decoding: try receive(exactly: count), as: UTF8.self) }
    func textToEnd() throws -> String { String(decoding: try receiveToEnd(), as: UTF8.self) }

    func shutdownWriting() { Socket.shutdownWriting(descriptor) }

    /// The next close, at the end of this object's life, sends RST.
    func setReset() { Socket.setReset(descriptor) }

    var localAddress: IPEndpoint? { Socket.localAddress(descriptor) }
}

/// A TCP endpoint on loopback: one thread accepts, each connection gets a thread of its own.
final class TestEndpoint: @unchecked Sendable {
    let address: IPEndpoint
    private let listener: CInt

    init(_ serve: @escaping @Sendable (TestSocket) throws -> Void) throws {
        let socket = try Socket.listen(on: IPEndpoint(v4: 0x7f00_0001, port: 0), deferAccept: false)
        listener = socket.release()
        address = Socket.localAddress(listener)!
        let listener = listener
        Thread.start("endpoint") {
            var ready = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            // The thread closes it: its number must not be another test's socket while it is waited for here.
            defer { close(listener) }
            while poll(&ready, 1, -1) >= 0 {
                let raw = accept(listener, nil, nil)
                if raw < 0 { return }
                let client = TestSocket(adopting: raw)
                Thread.start("connection") { try? serve(client) }
            }
        }
    }

    /// Sends back what it gets, and FIN after FIN.
    static func echo() throws -> TestEndpoint {
        try TestEndpoint { client in
            while true {
                let bytes = try client.receive()
                if bytes.isEmpty { return client.shutdownWriting() }
                try client.send(bytes)
            }
        }
    }

    /// An address on which nobody listens.
    static func refusing() throws -> IPEndpoint {
        let socket = try Socket.make(AF_INET, CInt(SOCK_STREAM.rawValue))
        try Socket.bind(socket.rawValue, .ip(IPEndpoint(v4: 0x7f00_0001, port: 0)))
        return Socket.localAddress(socket.rawValue)!
    }

    deinit { shutdown(listener, CInt(SHUT_RDWR)) }
}
