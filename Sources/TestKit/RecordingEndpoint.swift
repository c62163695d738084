import Synchronization

/// An HTTP/1.1 endpoint that keeps every byte it receives, in the order of its arrival, whatever connection it came on.
///
/// A request for `/answer` gets the bytes that were set by `answer(with:)`; any other is answered with 200.
package final class RecordingEndpoint: Sendable {
    /// What a request for `/answer` gets.
    package struct Answer: Sendable {
        package let bytes: [UInt8]
        /// The endpoint closes the connection afterwards.
        package let closes: Bool
        /// Sent when the gate opens.
        package let rest: (bytes: [UInt8], gate: Gate)?

        package init(_ bytes: [UInt8], closes: Bool = false, rest: (bytes: [UInt8], gate: Gate)? = nil) {
            self.bytes = bytes
            self.closes = closes
            self.rest = rest
        }
    }

    /// `Date` of each answer that is not set by a test.
    package static let date = "Sun, 06 Nov 1994 08:49:37 GMT"

    private struct State {
        var record: [UInt8] = []
        var wholeRequests: [String] = []
        var lastWholeRequests: [String] = []
        var answer = Answer([])
        var open = 0
    }
    private final class Book: Sendable {
        let state = Mutex(State())
    }
    private let book: Book
    private let endpoint: ScriptedEndpoint

    package var address: String { endpoint.address }
    /// Connections accepted since the start.
    package var accepted: Int { endpoint.accepted }
    /// Connections that neither side has ended.
    package var openConnections: Int { book.state.withLock { $0.open } }

    package init() throws {
        let book = Book()
        self.book = book
        endpoint = try ScriptedEndpoint("recording") { connection in
            book.state.withLock { $0.open += 1 }
            defer { book.state.withLock { $0.open -= 1 } }
            let reader = HTTPReader(connection.socket) { bytes in
                book.state.withLock { $0.record.append(contentsOf: bytes) }
            }
            while let head = try reader.head() {
                _ = try reader.body(.ofRequest(head))
                book.state.withLock { $0.wholeRequests.append(head.target) }
                if head.target.hasPrefix("/answer") {
                    let answer = book.state.withLock { $0.answer }
                    try connection.socket.send(answer.bytes)
                    if let (bytes, gate) = answer.rest {
                        try gate.wait()
                        try connection.socket.send(bytes)
                    }
                    if answer.closes { return }
                } else {
                    let body = head.method == "HEAD" ? "" : "ok"
                    try connection.socket.send(
                        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: \(RecordingEndpoint.date)\r\n\r\n\(body)")
                }
            }
        }
    }

    package func answer(with answer: Answer) {
        book.state.withLock { $0.answer = answer }
    }

    /// What has come since the last call.
    package func takeRecord() -> [UInt8] {
        book.state.withLock { state in
            defer {
                state.record = []
                state.lastWholeRequests = state.wholeRequests
                state.wholeRequests = []
            }
            return state.record
        }
    }

    /// Targets of the requests that were whole in what `takeRecord` gave last.
    package var wholeRequests: [String] { book.state.withLock { $0.lastWholeRequests } }

    /// What has come since the last `takeRecord`.
    package var record: [UInt8] { book.state.withLock { $0.record } }

    package func stop() { endpoint.stop() }
}
