import Foundation
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// The API on its Unix socket: HTTP/1.1 by Hummingbird's server; routing and JSON are `APIHandler`'s.
struct APIServer: Sendable {
    private let path: String
    private let handler: APIHandler
    private let logger: Logger

    init(path: String, handler: APIHandler, logger: Logger) {
        self.path = path
        self.handler = handler
        self.logger = logger
    }

    /// Serves until the task is cancelled.
    ///
    /// - Parameter onRunning: Called when the socket takes requests.
    /// - Throws: `StartError`.
    func run(onRunning: @escaping @Sendable () async -> Void) async throws(StartError) {
        let (path, handler) = (path, handler)
        // A request that sends nothing for a minute is given up; operators' tools send theirs at once.
        let channel = HTTP1Channel(
            responder: { request, writer, channel in
                try await APIServer.respond(to: request, writer, on: channel, with: handler)
            }, configuration: .init(idleTimeout: .seconds(60)))
        var quiet = logger
        quiet.logLevel = .critical
        let server = Server(
            childChannelSetup: channel, configuration: ServerConfiguration(address: .unixDomainSocket(path: path)),
            onServerRunning: { _ in
                // The umask of this process has kept others away since the socket was bound.
                chmod(path, 0o660)
                await onRunning()
            }, eventLoopGroup: .singletonMultiThreadedEventLoopGroup, logger: quiet)
        do {
            try await server.run()
        } catch {
            throw StartError("api: cannot listen on \(path): \(error)")
        }
    }

    /// - Throws: `StartError` when a control plane answers at the path, or something that is no socket lies there.
    static func checkUnused(_ path: String) async throws(StartError) {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return }
        guard attributes[.type] as? FileAttributeType == .typeSocket else {
            throw StartError("\(path) exists and is no socket: choose another --socket")
        }
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        guard let channel = try? await bootstrap.connect(unixDomainSocketPath: path).get() else { return }
        try? await channel.close()
        throw StartError("another control plane answers on \(path): stop it, or choose another --socket")
    }

    private static func respond(
        to request: Request, _ writer: consuming ResponseWriter, on channel: any Channel, with handler: APIHandler
    ) async throws {
        var lines: AsyncStream<[UInt8]>?
        var response = tooLarge
        do {
            let body = try await request.body.collect(upTo: APIHandler.bodyBytesMax)
            let whole = APIRequest(
                method: request.method.rawValue, target: request.head.path ?? "",
                body: Array(body.readableBytesView), peer: await peer(of: channel))
            lines = await handler.stream(for: whole)
            if lines == nil { response = await handler.respond(to: whole) }
        } catch is NIOTooManyBytesError {}
        if let lines {
            let fields: HTTPFields = [.contentType: APIHandler.linesType, .cacheControl: "no-store"]
            try await writer.write(
                response: HTTPResponse(status: .ok, headerFields: fields),
                body: ResponseBody(asyncSequence: lines.map { ByteBuffer(bytes: $0) }))
            return
        }
        var fields: HTTPFields = [.contentType: response.contentType, .cacheControl: "no-store"]
        fields[.contentLength] = String(response.body.count)
        if !response.allow.isEmpty { fields[.allow] = response.allow.joined(separator: ", ") }
        let head = HTTPResponse(status: .init(code: response.status), headerFields: fields)
        if request.method == .head {
            try await writer.writeResponse(head)
        } else {
            try await writer.write(response: head, body: ResponseBody(byteBuffer: ByteBuffer(bytes: response.body)))
        }
    }

    private static let tooLarge = APIHandler.error(
        413, "the body is larger than \(APIHandler.bodyBytesMax / 1024 / 1024) MiB")

    /// `struct ucred`, which glibc shows to GNU sources only.
    private struct Credentials {
        var pid: Int32
        var uid: UInt32
        var gid: UInt32
    }

    /// Who is at the other end (`unix(7)`, `SO_PEERCRED`); nil for what is no Unix socket.
    private static func peer(of channel: any Channel) async -> Peer? {
        guard let provider = channel as? any SocketOptionProvider else { return nil }
        let credentials: EventLoopFuture<Credentials> = provider.unsafeGetSocketOption(
            level: .socket, name: .init(rawValue: SO_PEERCRED))
        return try? await credentials.map { Peer(uid: $0.uid, pid: $0.pid) }.get()
    }
}
