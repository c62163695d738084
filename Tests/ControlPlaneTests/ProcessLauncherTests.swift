import Foundation
import NodeLink
import Synchronization
import Testing

@testable import ControlPlane

/// Collects how processes ended.
private final class Exits: Sendable {
    private let reasons = Mutex<[ExitReason]>([])
    var all: [ExitReason] { reasons.withLock { $0 } }
    func add(_ reason: ExitReason) { reasons.withLock { $0.append(reason) } }
}

@Suite("Local nodes as processes", .timeLimit(.minutes(1)))
struct ProcessLauncherTests {
    private let directory: TestDirectory
    private let state: StateDirectory

    init() throws {
        directory = try TestDirectory()
        state = try StateDirectory(root: directory.path("state"))
        try state.prepare()
    }

    /// A node that is this script; its arguments are the real ones.
    private func launcher(_ script: String) throws -> ProcessLauncher {
        let path = directory.path("sluice-node")
        try "#!/bin/sh\n\(script)\n".write(toFile: path, atomically: true, encoding: .utf8)
        chmod(path, 0o755)
        return try ProcessLauncher(executable: path, state: state)
    }

    private static let waits = "while :; do sleep 1; done"

    @Test("the command line is the one that nodes take")
    func arguments() {
        #expect(
            ProcessLauncher.arguments(id: "proxy-2", role: .proxy, workers: 3, relays: false, state: state) == [
                "proxy", "--id", "proxy-2", "--state", "\(state.root)", "--link",
                "\(state.root)/run/link.sock", "--workers", "3",
            ])
        let relaying = ProcessLauncher.arguments(id: "proxy-2", role: .proxy, workers: 3, relays: true, state: state)
        #expect(relaying.suffix(4) == ["--address", "127.0.0.1:0", "--forwarders", "127.0.0.1/32"])
    }

    @Test("a node has a session of its own, its pid in a file, and three descriptors")
    func launches() async throws {
        let exits = Exits()
        // Not closed on exec, as some descriptors of libraries aren't.
        let leaking = open("/dev/null", O_RDONLY)
        defer { close(leaking) }
        let script =
            "ls /proc/$$/fd > \(directory.path("fds")).new; mv \(directory.path("fds")).new \(directory.path("fds"))"
        let process = try launcher("\(script)\n\(ProcessLauncherTests.waits)").launch(
            id: "proxy-1", role: .proxy, workers: 1, relays: false, onExit: exits.add)
        defer { process.signal(SIGKILL) }
        #expect(getsid(process.pid) == process.pid)
        #expect(try String(contentsOfFile: state.pidFile("proxy-1"), encoding: .utf8) == "\(process.pid)\n")
        try await eventually("the node has looked at its descriptors") {
            FileManager.default.fileExists(atPath: directory.path("fds"))
        }
        let names = try String(contentsOfFile: directory.path("fds"), encoding: .utf8).split(separator: "\n")
        // A shell keeps its script open, at 10 or above.
        #expect(names.compactMap { Int($0) }.filter { $0 < 10 }.sorted() == [0, 1, 2])
        #expect(!names.contains("\(leaking)") || leaking >= 10)
    }

    @Test(
        "the end of a node is told with its reason",
        arguments: [("exit 7", ExitReason.exited(7)), ("kill -9 $$", .signalled(9))])
    func tellsTheEnd(script: String, reason: ExitReason) async throws {
        let exits = Exits()
        _ = try launcher(script).launch(id: "proxy-1", role: .proxy, workers: 1, relays: false, onExit: exits.add)
        try await eventually("the end is told") { exits.all == [reason] }
    }

    @Test("a running node is adopted by its pid file, its id and its state; another process is not")
    func adopts() async throws {
        let exits = Exits()
        let launcher = try launcher(ProcessLauncherTests.waits)
        let process = try launcher.launch(id: "proxy-1", role: .proxy, workers: 1, relays: false) { _ in }
        #expect(launcher.knownIDs() == ["proxy-1"])
        let adopted = try #require(launcher.adopt(id: "proxy-1", onExit: exits.add))
        #expect(adopted.pid == process.pid)

        try state.prepareNode("proxy-2")
        for other in ["\(process.pid)", "\(getpid())", "1", "0", "-1", "x", ""] {
            try other.write(toFile: state.pidFile("proxy-2"), atomically: true, encoding: .utf8)
            #expect(launcher.adopt(id: "proxy-2", onExit: exits.add) == nil, "pid file: \(other)")
        }
        adopted.signal(SIGKILL)
        try await eventually("the end is told") { exits.all.count == 1 }
        adopted.signal(SIGKILL)  // goes nowhere: the number may be another process's by now
    }

    @Test("a missing executable is named")
    func missing() {
        let error = #expect(throws: StartError.self) {
            _ = try ProcessLauncher(executable: "/nowhere/sluice-node", state: state)
        }
        #expect(error?.description.contains("/nowhere/sluice-node") == true)
    }

    @Test("figures of a process whose name holds spaces and parentheses")
    func processFigures() throws {
        let stat = "12 (a ) b) S 1 12 12 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1000 123456 25 18446744073709551615"
        let figures = try #require(ProcessFigures(stat: stat, ticksPerSecond: 100, pageBytes: 4096))
        #expect(figures.cpuSeconds == 3)
        #expect(figures.residentBytes == 25 * 4096)
        #expect(ProcessFigures(pid: getpid()) != nil)
        #expect(ProcessFigures(stat: "12 (a", ticksPerSecond: 100, pageBytes: 4096) == nil)
    }
}
