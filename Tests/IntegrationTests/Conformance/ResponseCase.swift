import Foundation
import TestKit
import Testing

/// Bytes of an endpoint that must not reach a client.
struct RefusedResponse: CustomTestStringConvertible {
    let answer: RecordingEndpoint.Answer

    init(_ text: String, closes: Bool = false) {
        answer = RecordingEndpoint.Answer(ConformanceSite.octets(text), closes: closes)
    }

    var testDescription: String { ConformanceSite.text(answer.bytes.prefix(160)).debugDescription }

    static func fields(_ fields: [String]) -> [RefusedResponse] {
        fields.map { RefusedResponse("HTTP/1.1 200 OK\r\n\($0)\r\n\r\nhello") }
    }

    static func lines(_ lines: [String]) -> [RefusedResponse] {
        lines.map { RefusedResponse("\($0)\r\nContent-Length: 5\r\n\r\nhello") }
    }

    /// The client gets 502 of our making and keeps its connection; the one to the endpoint is closed, and the next
    /// request has its own answer.
    func check() throws {
        let site = try ConformanceSite.current()
        site.endpoint.answer(with: answer)
        site.expectEmptyRecord()
        let client = try TCPSocket(connectingTo: site.port)
        let reader = HTTPReader(client)
        try client.send("GET /answer HTTP/1.1\r\nHost: a\r\n\r\n")
        let head = try #require(try reader.head())
        let body = String(decoding: try reader.body(.ofResponse(head, to: "GET")), as: UTF8.self)
        #expect(head.status == 502 && head["X-Request-Id"] != nil, "\(head)")
        #expect(body == "502 Bad Gateway\n", "\(body)")
        #expect(head["Set-Cookie"] == nil && !head.raw.contains("127.0.0.1"), "\(head)")
        try Eventually.holds("the end of the endpoint's connection", every: .milliseconds(1)) {
            site.endpoint.openConnections == 0
        }
        // A response is never reason enough to send a request again.
        let request = ConformanceSite.forwarded(["GET /answer HTTP/1.1", "Host: a"])
        #expect(try site.recordAfterProbe(on: client, reader) == request)
    }
}

/// Bytes of an endpoint that are passed on, and how the client gets them.
struct AcceptedResponse: CustomTestStringConvertible {
    let answer: RecordingEndpoint.Answer
    /// What follows on the client's connection until the answer to the next request, or to its end.
    let received: String
    let request: String
    /// The client's connection ends with the response.
    let closes: Bool
    /// The endpoint's connection serves no other request.
    let endsEndpoint: Bool

    init(
        _ text: String, received: String, request: String = "GET /answer HTTP/1.1\r\nHost: a\r\n\r\n",
        closes: Bool = false, endpointCloses: Bool = false, endsEndpoint: Bool = false
    ) {
        answer = RecordingEndpoint.Answer(ConformanceSite.octets(text), closes: endpointCloses)
        self.received = received
        self.request = request
        self.closes = closes
        self.endsEndpoint = endsEndpoint || endpointCloses
    }

    var testDescription: String { ConformanceSite.text(answer.bytes.prefix(160)).debugDescription }

    func check() throws {
        let site = try ConformanceSite.current()
        site.endpoint.answer(with: answer)
        site.expectEmptyRecord()
        let client = try TCPSocket(connectingTo: site.port)
        try client.send(request)
        if closes {
            #expect(ConformanceSite.text(try client.receiveToEnd()) == received)
        } else {
            // Read exactly what is expected; anything beyond it would stand in front of the probe's answer.
            let bytes = try receive(received, client)
            #expect(bytes == received)
        }
        if endsEndpoint {
            try Eventually.holds("the end of the endpoint's connection", every: .milliseconds(1)) {
                site.endpoint.openConnections == 0
            }
        } else {
            try Eventually.holds("one connection to the endpoint, kept", every: .milliseconds(1)) {
                site.endpoint.openConnections == 1
            }
        }
        _ = try site.recordAfterProbe(on: closes ? nil : client)
    }

    /// Receives until the text, with changing values replaced, is `expected`, or until the time limit.
    private func receive(_ expected: String, _ client: TCPSocket) throws -> String {
        var bytes: [UInt8] = []
        client.setTimeout(.seconds(3))
        while ConformanceSite.text(bytes) != expected, let more = try? client.receive(), !more.isEmpty { bytes += more }
        return ConformanceSite.text(bytes)
    }
}
