import Foundation
import Synchronization

/// Sequential keep-alive GETs on several connections, with every failed request counted exactly.
///
/// A server may close a connection between two requests; a client that had sent nothing, or whose bytes the server's
/// kernel never took, reconnects, and that is no failure. Everything else is one: a reset, a time-out, a short answer,
/// a status other than 200, another body, a refused connect, and a request that was taken (acknowledged by TCP) and
/// then closed without an answer.
package final class KeepAliveLoad: Sendable {
    private let port: UInt16
    private let address: String
    private let request: [UInt8]
    private let expected: String?
    private let requestsPerConnection: Int?
    private let state: Mutex<State>

    private struct State {
        var report = LoadReport()
        var stopping = false
        var running = 0
    }

    /// Starts at once.
    ///
    /// - Parameters:
    ///   - connections: Each is a thread with one request at a time.
    ///   - requestsPerConnection: Reconnect after so many; nil: stay.
    ///   - expecting: The body that each answer must have; any when nil.
    package init(
        _ port: UInt16, at address: String = "127.0.0.1", target: String = "/", host: String = "test.example",
        connections: Int = 8, requestsPerConnection: Int? = nil, expecting: String? = nil
    ) {
        self.port = port
        self.address = address
        self.requestsPerConnection = requestsPerConnection
        request = Array("GET \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8)
        expected = expecting
        state = Mutex(State(running: connections))
        for _ in 0..<connections {
            Thread.detachNewThread { [self] in
                while !isStopping { runConnection() }
                state.withLock { $0.running -= 1 }
            }
        }
    }

    /// The figures so far.
    package var report: LoadReport { state.withLock { $0.report } }

    /// Waits until `count` more requests are completed.
    ///
    /// - Throws: `TestKitError` with the figures when they are not.
    package func progress(by count: Int = 300, within: Duration = .seconds(20)) throws {
        let target = report.completed + count
        do {
            try Eventually.holds("\(count) more completed requests", within: within) { report.completed >= target }
        } catch {
            throw TestKitError("\(error): \(report)")
        }
    }

    /// Finishes the requests under way and answers the figures.
    @discardableResult
    package func stop() throws -> LoadReport {
        state.withLock { $0.stopping = true }
        try Eventually.holds("the load to stop", within: .seconds(30)) { state.withLock { $0.running } == 0 }
        return report
    }

    private var isStopping: Bool { state.withLock { $0.stopping } }

    private func fail(_ reason: String) {
        state.withLock { $0.report.failures[reason, default: 0] += 1 }
        // Without a pause, a refusing port would be dialled thousands of times a second.
        pause(.milliseconds(5))
    }

    private func runConnection() {
        let socket: TCPSocket
        do {
            socket = try TCPSocket(connectingTo: port, at: address)
        } catch {
            return fail("\(error)")
        }
        defer { socket.close() }
        state.withLock { $0.report.connections += 1 }
        let reader = HTTPReader(socket)
        var sent = 0
        let clock = ContinuousClock()
        while !isStopping {
            if let limit = requestsPerConnection, sent >= limit { return }
            if socket.peerHasClosed { return noteCleanClose() }
            let start = clock.now
            do {
                try socket.send(request)
                sent += 1
                // The close crossed with our request: it had arrived before any server could have read that.
                if sent > 1, socket.peerHasClosed { return noteCleanClose() }
                guard let head = try reader.head() else {
                    // The SYN is acknowledged as one byte.
                    let taken = socket.acknowledgedBytes >= 1 + sent * request.count
                    if sent > 1, !taken { return noteCleanClose() }
                    return fail(
                        "closed without an answer to request \(sent == 1 ? "1" : "2 or later") of the connection")
                }
                let body = try reader.body(.ofResponse(head, to: "GET"))
                guard head.status == 200 else { return fail("status \(head.status)") }
                if let expected, body != Data(expected.utf8) { return fail("another body") }
                let elapsed = clock.now - start
                state.withLock {
                    $0.report.completed += 1
                    $0.report.slowest = max($0.report.slowest, elapsed)
                }
                if head["Connection"]?.lowercased() == "close" { return noteCleanClose() }
            } catch {
                return fail("\(error)")
            }
        }
    }

    private func noteCleanClose() {
        state.withLock { $0.report.cleanCloses += 1 }
    }
}
