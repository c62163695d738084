package import Foundation

/// A response as a client read it.
package struct HTTPResponse: Sendable {
    package let head: HTTPHead
    package let body: Data

    package var status: Int { head.status }
    package var text: String { String(decoding: body, as: UTF8.self) }
}

/// A client connection over which a test sends bytes of its own choice.
package final class HTTPConnection {
    package let socket: TCPSocket
    private let reader: HTTPReader

    package init(to port: UInt16, at address: String = "127.0.0.1", timeout: Duration = .seconds(10)) throws {
        socket = try TCPSocket(connectingTo: port, at: address, timeout: timeout)
        reader = HTTPReader(socket)
    }

    /// Sends a request without a body and reads its response.
    package func request(
        _ method: String, _ target: String, host: String = "test.example", fields: [String] = []
    ) throws -> HTTPResponse {
        let lines = ["\(method) \(target) HTTP/1.1", "Host: \(host)"] + fields
        return try exchange(lines.joined(separator: "\r\n") + "\r\n\r\n", method: method)
    }

    /// Sends a GET and reads its response.
    package func request(
        _ target: String, host: String = "test.example", fields: [String] = []
    ) throws -> HTTPResponse {
        try request("GET", target, host: host, fields: fields)
    }

    /// Sends `bytes` as they are and reads one response.
    package func exchange(_ bytes: String, method: String = "GET") throws -> HTTPResponse {
        try socket.send(bytes)
        return try response(to: method)
    }

    /// Reads one response (interim 1xx ones included).
    ///
    /// - Throws: `TestKitError` when the connection closes without one.
    package func response(to method: String = "GET") throws -> HTTPResponse {
        guard let head = try reader.head() else { throw TestKitError("the connection closed without a response") }
        return HTTPResponse(head: head, body: try reader.body(.ofResponse(head, to: method)))
    }

    /// The head of a response whose body is read otherwise.
    package func responseHead() throws -> HTTPHead {
        guard let head = try reader.head() else { throw TestKitError("the connection closed without a response") }
        return head
    }

    /// Takes what was received beyond the last head; answers how many bytes that were.
    package func takeBufferedBytes() -> Int { reader.takeBuffered() }

    /// True when something has arrived that was not yet read. Does not wait.
    package var hasInput: Bool { socket.hasInput }

    /// True when the peer ends the stream, by FIN or RST, before it sends another byte.
    ///
    /// - Throws: `SystemCallError` with `EAGAIN` when it stays open and silent to the socket's time limit.
    package func isClosedByPeer() throws -> Bool {
        do {
            return try reader.head() == nil
        } catch let error as SystemCallError where error.errno == ECONNRESET {
            return true
        }
    }
}
