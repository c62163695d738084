package import Foundation
import Synchronization

/// One connection that a `ScriptedEndpoint` accepted.
package final class ScriptedConnection: Sendable {
    package let socket: TCPSocket
    /// 0 for the first connection that the endpoint accepted.
    package let index: Int
    private let log: Mutex<Data>

    init(_ socket: TCPSocket, index: Int) {
        self.socket = socket
        self.index = index
        log = Mutex(Data())
    }

    /// Every byte noted so far.
    var received: Data { log.withLock { $0 } }

    package func note(_ bytes: UnsafeRawBufferPointer) {
        log.withLock { $0.append(contentsOf: bytes) }
    }

    /// Receives some bytes and notes them; empty at the end of the stream.
    package func receive() throws -> [UInt8] {
        let bytes = try socket.receive()
        bytes.withUnsafeBytes(note)
        return bytes
    }
}

/// A TCP server on threads that does what a test tells it, byte by byte.
///
/// It records the bytes it received, so that a test can say what never reached an endpoint.
package final class ScriptedEndpoint: Sendable {
    package let name: String
    package let host: String
    package let port: UInt16
    /// `127.0.0.1:port`, as a site file names it.
    package var address: String { "\(host):\(port)" }

    private struct State {
        var connections: [ScriptedConnection] = []
        var failures: [String] = []
        var isStopped = false
    }
    private let listener: TCPSocket
    private let state: Mutex<State>

    /// Listens on a loopback address and runs `serve` for each connection on a thread of its own; the connection is
    /// closed when `serve` returns or throws.
    ///
    /// - Throws: `SystemCallError` when the port cannot be bound.
    package init(
        _ name: String = "scripted", host: String = "127.0.0.1", port: UInt16? = nil,
        serve: @escaping @Sendable (ScriptedConnection) throws -> Void
    ) throws {
        self.name = name
        self.host = host
        self.port = try port ?? Ports.unused()
        state = Mutex(State())
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemCallError(call: "socket", errno: errno) }
        listener = TCPSocket(adopting: descriptor, timeout: .zero)
        var yes: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        guard withSocketAddress(host, self.port, { bind(descriptor, $0, $1) }) == 0,
            listen(descriptor, 1024) == 0
        else { throw SystemCallError(call: "listen on \(self.port)", errno: errno) }
        let listener = listener
        Thread.detachNewThread { [weak self] in
            // Only this thread closes it: a number closed under `accept` could be another socket's next.
            defer { listener.close() }
            while true {
                let accepted = GNUCalls.accept(descriptor)
                if accepted < 0 {
                    if errno == EINTR || errno == ECONNABORTED { continue }
                    return  // `stop` has shut the listener down
                }
                guard let connection = self?.register(accepted) else { return }
                Thread.detachNewThread { [weak self] in
                    do {
                        try serve(connection)
                    } catch {
                        self?.state.withLock { $0.failures.append("\(error)") }
                    }
                    connection.socket.close()
                }
            }
        }
    }

    deinit { stop() }

    private func register(_ descriptor: CInt) -> ScriptedConnection? {
        state.withLock { state in
            let socket = TCPSocket(adopting: descriptor, timeout: .seconds(60))
            guard !state.isStopped else { return nil }
            let connection = ScriptedConnection(socket, index: state.connections.count)
            state.connections.append(connection)
            return connection
        }
    }

    /// Connections accepted since the start.
    package var accepted: Int { state.withLock { $0.connections.count } }

    /// What each connection has received, in the order they were accepted.
    package var received: [Data] { state.withLock { $0.connections }.map(\.received) }

    /// Everything received on every connection, as text.
    package var receivedText: String { received.map { String(decoding: $0, as: UTF8.self) }.joined() }

    /// Why scripts ended early.
    package var failures: [String] { state.withLock { $0.failures } }

    /// Closes the listener and every connection.
    package func stop() {
        let connections = state.withLock { state in
            state.isStopped = true
            return state.connections
        }
        listener.shutdownBoth()
        for connection in connections { connection.socket.shutdownBoth() }
    }
}

/// Something that one thread opens and others wait at.
package final class Gate: Sendable {
    private let isOpen = Mutex(false)

    package init() {}

    package func open() {
        isOpen.withLock { $0 = true }
    }

    /// - Throws: `TestKitError` when nobody opens it in time.
    package func wait(within: Duration = .seconds(30)) throws {
        try Eventually.holds("the gate to open", within: within, every: .milliseconds(2)) { isOpen.withLock { $0 } }
    }
}
