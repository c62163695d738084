import Balancing
import EventLoop
import NodeLink
import Snapshot

/// The connection to the control plane: opened again for ever, with back-off. Bytes here, meaning in `NodeAgent`.
struct ControlLink: ~Copyable {
    /// With so many bytes waiting to be sent no more are queued: a control plane that takes nothing for that long is as
    /// good as gone, and the link is closed and opened anew. Some 100 reports of a site with 1,000 endpoints.
    static let queueBytesMax = 16 * 1024 * 1024

    private final class Connection {
        let socket: OwnedDescriptor
        var assembler = FrameAssembler()
        var output: [UInt8] = []
        /// Bytes of `output` that have been sent.
        var sent = 0

        init(_ socket: consuming OwnedDescriptor) { self.socket = socket }
    }

    /// What reading gave.
    enum Reading {
        case frame(Frame)
        case wouldBlock
        /// Why the connection is of no use any more.
        case lost(String)
    }

    let path: String
    private var connection: Connection?
    /// Tells events of this connection from those of the one before.
    private(set) var generation: UInt32 = 0
    private var backoff = Backoff(min: .milliseconds(50), max: .seconds(1))
    private var random: RandomSource

    init(path: String, seed: UInt64) {
        self.path = path
        random = RandomSource(seed: seed)
    }

    var isOpen: Bool { connection != nil }

    mutating func open(in loop: inout AgentLoop) throws(SocketError) {
        precondition(connection == nil, "the link is open")
        // A Unix socket connects at once or not at all; EINPROGRESS doesn't occur (unix(7)).
        let opened: Connection
        switch try Socket.connect(to: .unix(path)) {
        case .connected(let socket): opened = Connection(socket)
        case .inProgress(let socket): opened = Connection(socket)
        }
        generation = (generation + 1) & 0xff_ffff
        let token = Token(kind: AgentLoop.Source.link.rawValue, slot: 0, generation: generation)
        try loop.poller.add(opened.socket.rawValue, token, .stream)
        connection = opened
    }

    mutating func close() { connection = nil }

    /// How long to wait before the next try, nanoseconds.
    mutating func nextWait() -> UInt64 { backoff.nextNanoseconds(random: &random) }

    /// Queues a frame and sends what the socket takes.
    ///
    /// - Returns: Why the link is of no use any more; nil while it is.
    mutating func send(_ frame: Frame) -> String? {
        guard let connection else { return nil }
        guard connection.output.count - connection.sent <= ControlLink.queueBytesMax else {
            return "the control plane takes nothing"
        }
        connection.output.removeFirst(connection.sent)
        connection.sent = 0
        connection.output.append(contentsOf: frame.encoded())
        return flush()
    }

    /// Sends what waits.
    mutating func flush() -> String? {
        guard let connection else { return nil }
        while connection.sent < connection.output.count {
            let transfer = unsafe connection.output.withUnsafeBufferPointer { bytes in
                unsafe Socket.send(
                    connection.socket.rawValue, bytes.baseAddress! + connection.sent, bytes.count - connection.sent)
            }
            switch transfer {
            case .bytes(let count): connection.sent += count
            case .wouldBlock: return nil
            case .endOfStream: return "closed"
            case .failed(let code): return SocketError(call: "send", code: code).description
            }
        }
        connection.output = []
        connection.sent = 0
        return nil
    }

    /// The next whole frame; call until it is `wouldBlock` or `lost`.
    mutating func next() -> Reading {
        guard let connection else { return .wouldBlock }
        while true {
            do {
                if let frame = try connection.assembler.next() {
                    backoff.reset()
                    return .frame(frame)
                }
            } catch { return .lost("not a frame: \(error)") }
            var transfer = Transfer.wouldBlock
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: ControlLink.readBytesMax) { buffer, count in
                transfer = unsafe Socket.receive(
                    connection.socket.rawValue, buffer.baseAddress!, ControlLink.readBytesMax)
                if case .bytes(let received) = transfer { count = received }
            }
            switch transfer {
            case .bytes: connection.assembler.append(bytes)
            case .wouldBlock: return .wouldBlock
            case .endOfStream: return .lost("closed by the control plane")
            case .failed(let code): return .lost(SocketError(call: "recv", code: code).description)
            }
        }
    }

    /// Of one read.
    private static let readBytesMax = 64 * 1024
}
