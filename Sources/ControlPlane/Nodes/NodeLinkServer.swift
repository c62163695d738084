import Logging
import NIOCore
import NIOPosix
package import NodeLink
import Snapshot

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
struct NodeLinkServer: Sendable {
    private let channel: NIOAsyncChannel<NIOAsyncChannel<Frame, ByteBuffer>, Never>
    private let logger: Logger

    /// Binds the socket; a file that a dead process left there is replaced (the caller holds the state's lock).
    ///
    /// - Throws: `StartError`.
    init(path: String, logger: Logger) async throws(StartError) {
        self.logger = logger
        do {
            channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .serverChannelOption(.backlog, value: 256)
                .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(FrameDecoder())
                        return try NIOAsyncChannel<Frame, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw StartError("node link: cannot listen on \(path): \(error)")
        }
    }

    /// Serves connections until the task is cancelled.
    func run(_ delegate: some NodeLinkDelegate) async {
        let logger = logger
        await withDiscardingTaskGroup { group in
            var count: UInt64 = 0
            do {
                try await channel.executeThenClose { connections in
                    for try await connection in connections {
                        count += 1
                        let number = count
                        group.addTask { await serve(connection, number: number, delegate, logger) }
                    }
                }
            } catch is CancellationError {
            } catch {
                logger.error("node link: \(error)")
            }
        }
    }

    private func serve(
        _ connection: NIOAsyncChannel<Frame, ByteBuffer>, number: UInt64, _ delegate: some NodeLinkDelegate,
        _ logger: Logger
    ) async {
        let node = NodeConnection(number: number, channel: connection.channel)
        do {
            try await connection.executeThenClose { frames, _ in
                for try await frame in frames { await delegate.received(frame, on: node) }
            }
        } catch is CancellationError {
        } catch let error as WireFault {
            logger.error("node link: a peer is disconnected: it sent \(error.description)")
        } catch {
            logger.debug("node link: \(error)")
        }
        await delegate.closed(node)
    }
}

/// Bytes in, frames out; a stream that is no frame stream ends the connection.
private final class FrameDecoder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Frame

    private var assembler = FrameAssembler()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        assembler.append(unwrapInboundIn(data).readableBytesView)
        do throws(WireError) {
            while let frame = try assembler.next() { context.fireChannelRead(wrapInboundOut(frame)) }
        } catch {
            context.fireErrorCaught(WireFault(description: "\(error)"))
            context.close(promise: nil)
        }
    }
}

private struct WireFault: Error {
    let description: String
}
