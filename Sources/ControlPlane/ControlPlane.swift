import Dispatch
import Foundation
import Glibc
import Logging
import SiteFile

/// The process behind `sluice run`: everything wired together, from the state directory to the signals.
package struct ControlPlane: Sendable {
    package struct Options: Sendable {
        /// Where the site file comes from; read at the start and at SIGHUP.
        package enum Site: Sendable {
            case file(String)
            /// Made from the command line; SIGHUP changes nothing.
            case text(String)
            /// The newest stored revision.
            case stored
        }
        package var site: Site
        package var state: String
        package var socket: String

        package init(site: Site, state: String, socket: String) {
            self.site = site
            self.state = state
            self.socket = socket
        }
    }

    private let options: Options
    private let logger: Logger

    package init(_ options: Options) {
        self.options = options
        logger = Logger(label: "control") { _ in LineLog(component: "control") }
    }

    /// Runs until a signal ends it.
    ///
    /// - Returns: When the site was drained and its nodes have ended.
    /// - Throws: `StartError`, `ConfigurationError` or `ControlError` when the site cannot be served.
    package func run() async throws {
        // Nobody but the owner and the group may reach the sockets, from the moment they are bound.
        umask(0o007)
        let signals = Signals([SIGTERM, SIGINT, SIGHUP, SIGUSR1])
        signal(SIGPIPE, SIG_IGN)
        let source = try readSite()
        let state = try StateDirectory(root: options.state)
        try StateDirectory.checkSocketPath(options.socket)
        try state.prepare()
        let lock = try state.takeLock()
        defer { close(lock) }
        try StateDirectory.makeDirectory(
            URL(fileURLWithPath: options.socket).deletingLastPathComponent().path, mode: 0o750)
        try await APIServer.checkUnused(options.socket)
        let launcher = try ProcessLauncher(executable: ProcessLauncher.nodeExecutable(), state: state)
        let store: SQLiteRevisionStore
        do {
            store = try SQLiteRevisionStore(path: state.database)
        } catch {
            throw StartError("cannot open the store \(state.database): \(error)")
        }
        let controller = Controller(store: store, launcher: launcher, logger: logger)
        let links = try await NodeLinkServer(path: state.linkSocket, delegate: controller, logger: logger)
        defer {
            unlink(state.linkSocket)
            unlink(options.socket)
        }
        // The end of the process ends these: it doesn't wait for operators' tools that keep connections open.
        let (running, continuation) = AsyncThrowingStream<Void, any Error>.makeStream()
        Task { await handle(signals, controller) }
        Task {
            let handler = APIHandler(controller: controller, logger: logger)
            do {
                try await APIServer(path: options.socket, handler: handler, logger: logger).run {
                    continuation.yield()
                }
            } catch {
                continuation.finish(throwing: error)
            }
        }
        for try await _ in running { break }
        do {
            let line = try await controller.start(source, author: Peer(uid: getuid(), pid: getpid()))
            LineLog.write("\(line)\n", to: STDOUT_FILENO)
        } catch {
            // A signal before the site was ready is no failure.
            guard await controller.isStoppedByOperator else { throw error }
        }
        await controller.untilStopped()
        await links.close()
    }

    private func handle(_ signals: Signals, _ controller: Controller) async {
        var isStopping = false
        for await number in signals.received {
            switch number {
            case SIGHUP:
                Task { await reload(controller) }
            case SIGUSR1: await controller.reopenLogs()
            case _ where isStopping:
                await controller.stopNow()
            default:
                isStopping = true
                Task { await controller.stop() }
            }
        }
    }

    private func reload(_ controller: Controller) async {
        do {
            guard case .file = options.site, let source = try readSite() else {
                logger.info("SIGHUP: there is no site file to read again")
                return
            }
            await controller.reload(source)
        } catch {
            logger.error("SIGHUP: \(error)")
        }
    }

    private func readSite() throws -> Controller.Source? {
        switch options.site {
        case .stored: return nil
        case .text(let text): return .init(text: text, file: "command line")
        case .file(let path): return try .init(readingFile: path)
        }
    }
}

extension Controller.Source {
    /// - Throws: `StartError` when the file can't be read, `ConfigurationError` when it is no UTF-8.
    package init(readingFile path: String) throws {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw StartError("cannot read \(path): \(String(cString: strerror(errno)))")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            _ = try SiteFile.compile(bytes: Array(data), file: path, revision: 0)
            throw StartError("\(path) is not UTF-8")
        }
        self.init(text: text, file: path)
    }
}

/// Signals as a stream instead of interruptions.
private struct Signals: Sendable {
    let received: AsyncStream<CInt>

    init(_ numbers: [CInt]) {
        let (stream, continuation) = AsyncStream<CInt>.makeStream()
        received = stream
        let sources = numbers.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(number) }
            source.activate()
            return source
        }
        nonisolated(unsafe) let kept = sources
        continuation.onTermination = { _ in for source in kept { source.cancel() } }
    }
}
