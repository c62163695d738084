package import Foundation
import Synchronization

/// A request as an endpoint received it.
package struct ReceivedRequest: Sendable {
    package let head: HTTPHead
    package let body: Data
    /// Which of the endpoint's connections it came on, from 0.
    package let connection: Int

    package var text: String { String(decoding: body, as: UTF8.self) }
}

/// The bytes that answer a request.
package struct EndpointAnswer: Sendable {
    package let bytes: Data
    package let closes: Bool

    /// Bytes exactly as given.
    package static func raw(_ text: String, closes: Bool = false) -> EndpointAnswer {
        EndpointAnswer(bytes: Data(text.utf8), closes: closes)
    }

    /// A response with `Content-Length`.
    package static func response(_ body: String = "", status: String = "200 OK", fields: [String] = [])
        -> EndpointAnswer
    {
        let lines = ["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + fields
        return raw(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    /// A response whose body is no text.
    package static func response(_ body: Data, fields: [String] = []) -> EndpointAnswer {
        let head = ["HTTP/1.1 200 OK", "Content-Length: \(body.count)"] + fields
        return EndpointAnswer(bytes: Data((head.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body, closes: false)
    }

    /// A chunked response, one chunk for each piece.
    package static func chunked(_ pieces: [String]) -> EndpointAnswer {
        let chunks = pieces.map { "\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n" }.joined()
        return raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)0\r\n\r\n")
    }
}

/// An HTTP/1.1 endpoint that keeps every request and answers as a closure says.
package final class HTTPEndpoint: Sendable {
    package let endpoint: ScriptedEndpoint
    private let log: RequestLog

    package var name: String { endpoint.name }
    package var port: UInt16 { endpoint.port }
    package var address: String { endpoint.address }
    package var accepted: Int { endpoint.accepted }
    /// Every complete request, in the order received.
    package var requests: [ReceivedRequest] { log.requests.withLock { $0 } }

    /// - Parameter answer: Runs on the connection's thread; an error closes the connection. By default 200 and the name.
    package init(
        _ name: String, host: String = "127.0.0.1", port: UInt16? = nil,
        answer: (@Sendable (ReceivedRequest) throws -> EndpointAnswer)? = nil
    ) throws {
        let log = RequestLog()
        self.log = log
        endpoint = try ScriptedEndpoint(name, host: host, port: port) { connection in
            let reader = HTTPReader(connection.socket, observe: connection.note)
            while let head = try reader.head() {
                if head["Expect"]?.lowercased() == "100-continue" {
                    try connection.socket.send("HTTP/1.1 100 Continue\r\n\r\n")
                }
                let body = try reader.body(.ofRequest(head))
                let request = ReceivedRequest(head: head, body: body, connection: connection.index)
                log.requests.withLock { $0.append(request) }
                let reply = try answer?(request) ?? .response(name)
                try connection.socket.send(reply.bytes)
                if reply.closes { return }
            }
        }
    }

    /// Requests for a target.
    package func requests(for target: String) -> [ReceivedRequest] {
        requests.filter { $0.head.target == target }
    }

    package func stop() { endpoint.stop() }
}

private final class RequestLog: Sendable {
    let requests = Mutex<[ReceivedRequest]>([])
}
