import Foundation
import Logging
import SiteFile
import Testing

@testable import ControlPlane

/// A control plane over fake nodes: real store, real link socket, real API socket.
final class ControlBench: Sendable {
    static let site = """
        site: shop
        proxy: {nodes: 2}
        listeners:
          web: {address: "127.0.0.1:8080"}
        routes:
          - to: app
        pools:
          app: {endpoints: ["127.0.0.1:9001", "127.0.0.1:9002"]}

        """
    static let changedSite = site.replacingOccurrences(of: "9002", with: "9003")

    let directory: TestDirectory
    let nodes: FakeNodes
    let store: SQLiteRevisionStore
    let controller: Controller
    private let owner: NodesOwner
    private let links: NodeLinkServer

    /// - Parameter former: The control plane whose state and nodes this one takes over.
    init(
        after former: ControlBench? = nil, resolver: any EndpointResolver = SystemResolver(),
        responders: any OCSPAsking = OCSPClient()
    ) async throws {
        directory = try former?.directory ?? TestDirectory()
        let state = try StateDirectory(root: directory.root)
        try state.prepare()
        owner = former?.owner ?? NodesOwner(FakeNodes(linkSocket: state.linkSocket))
        nodes = owner.nodes
        store = try former?.store ?? SQLiteRevisionStore(path: state.database)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        var timing = Controller.Timing()
        timing.report = .milliseconds(200)
        timing.apply = .seconds(5)
        timing.stapleRetry = .seconds(1)
        timing.firstStaple = .milliseconds(50)
        timing.renewedStaple = .milliseconds(50)
        timing.load = .milliseconds(20)
        let controller = Controller(
            store: store, launcher: nodes, resolver: resolver, responders: responders, timing: timing, logger: logger)
        self.controller = controller
        links = try await NodeLinkServer(path: state.linkSocket, delegate: controller, logger: logger)
        let server = APIServer(
            path: directory.path("api.sock"), handler: APIHandler(controller: controller, logger: logger),
            logger: logger)
        let (running, continuation) = AsyncStream<Void>.makeStream()
        // It ends with the process, as in `ControlPlane`.
        Task {
            do { try await server.run { continuation.yield() } } catch { Issue.record(error) }
            continuation.finish()
        }
        for await _ in running { break }
    }

    /// As SIGKILL does: the sockets close, the nodes stay.
    func kill() async {
        await links.close()
    }

    /// - Returns: The `ready:` line.
    func start(_ text: String? = site) async throws -> String {
        try await controller.start(text.map { .init(text: $0, file: "site.yaml") }, author: Peer(uid: 1, pid: 2))
    }

    static func started() async throws -> ControlBench {
        let bench = try await ControlBench()
        _ = try await bench.start()
        return bench
    }

    func apply(_ text: String) async throws -> AppliedChange {
        try await controller.apply(.init(text: text, file: "site.yaml"), author: nil, comment: "test")
    }

    /// One request over the API's socket.
    func request(_ method: String, _ target: String, body: [UInt8] = []) async throws -> (
        status: Int, head: String, body: String
    ) {
        let path = directory.path("api.sock")
        let socket = try UnixSocket(connectingTo: path)
        let head =
            "\(method) \(target) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(body.count)\r\n\r\n"
        let bytes = await socket.exchange(Array(head.utf8) + body)
        let text = String(decoding: bytes, as: UTF8.self)
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return (status, String(parts.first ?? ""), parts.count == 2 ? String(parts[1]) : "")
    }

    /// The answer's JSON object.
    func json(_ method: String, _ target: String, body: String = "") async throws -> (
        status: Int, object: [String: Any]
    ) {
        let answer = try await request(method, target, body: Array(body.utf8))
        let object = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any]
        return (answer.status, object ?? [:])
    }
}

/// Ends the nodes when no bench uses them any more.
private final class NodesOwner: Sendable {
    let nodes: FakeNodes

    init(_ nodes: FakeNodes) { self.nodes = nodes }

    deinit {
        for id in nodes.runningIDs { nodes.node(id)?.end(.signalled(SIGKILL)) }
    }
}
