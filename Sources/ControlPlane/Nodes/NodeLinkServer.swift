import Logging
import NIOCore
import NIOPosix
package import NodeLink
import Snapshot
import Synchronization

/// One node's connection; frames that are sent in order arrive in order.
package struct NodeConnection: Sendable {
    /// Tells connections of one node apart.
    package let number: UInt64
    fileprivate let channel: any Channel

    package func send(_ frame: Frame) {
        channel.writeAndFlush(ByteBuffer(bytes: frame.encoded()), promise: nil)
    }

    package func close() { channel.close(promise: nil) }
}

/// What a connection to the node link brings, in order: `opened`, frames, `closed`.
package protocol NodeLinkDelegate: Sendable {
    func received(_ frame: Frame, on connection: NodeConnection) async
    func closed(_ connection: NodeConnection) async
}

/// The Unix socket where nodes connect.
///
/// Handlers and one stream of frames per connection, not `NIOAsyncChannel`: that traps when a connection that was
/// just accepted is dropped as the server closes.
struct NodeLinkServer: Sendable {
    private let channel: any Channel
    private let connections: OpenConnections

    /// Binds the socket; a file that a dead process left there is replaced (the caller holds the state's lock).
    ///
    /// - Throws: `StartError`.
    init(path: String, delegate: some NodeLinkDelegate, logger: Logger) async throws(StartError) {
        let connections = OpenConnections()
        self.connections = connections
        do {
            channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .serverChannelOption(.backlog, value: 256)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let node = connections.add(channel)
                        let handler = FrameHandler(node, delegate, logger)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
                .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        } catch {
            throw StartError("node link: cannot listen on \(path): \(error)")
        }
    }

    /// Closes the socket and every connection.
    func close() async {
        try? await channel.close()
        connections.closeAll()
    }
}

/// Connections that are open, each with a number of its own.
private final class OpenConnections: Sendable {
    private struct State {
        var count: UInt64 = 0
        var open: [UInt64: any Channel] = [:]
    }
    private let state = Mutex(State())

    func add(_ channel: any Channel) -> NodeConnection {
        let number = state.withLock { state in
            state.count += 1
            state.open[state.count] = channel
            return state.count
        }
        channel.closeFuture.whenComplete { _ in self.state.withLock { $0.open[number] = nil } }
        return NodeConnection(number: number, channel: channel)
    }

    func closeAll() {
        for channel in state.withLock({ Array($0.open.values) }) { channel.close(promise: nil) }
    }
}

/// Bytes in, frames out to the delegate, one after another; a stream that is no frame stream ends the connection.
private final class FrameHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var assembler = FrameAssembler()
    private let frames: AsyncStream<Frame>.Continuation
    private let logger: Logger

    init(_ node: NodeConnection, _ delegate: some NodeLinkDelegate, _ logger: Logger) {
        let (stream, continuation) = AsyncStream<Frame>.makeStream()
        frames = continuation
        self.logger = logger
        Task {
            for await frame in stream { await delegate.received(frame, on: node) }
            await delegate.closed(node)
        }
    }

    deinit { frames.finish() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        assembler.append(unwrapInboundIn(data).readableBytesView)
        do throws(WireError) {
            while let frame = try assembler.next() { frames.yield(frame) }
        } catch {
            logger.error("node link: a peer is disconnected: it sent \(error)")
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { frames.finish() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("node link: \(error)")
        context.close(promise: nil)
    }
}
