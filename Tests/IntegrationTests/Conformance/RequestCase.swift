import Foundation
import TestKit
import Testing

/// Bytes of a client that must not reach an endpoint.
struct RefusedRequest: CustomTestStringConvertible {
    let bytes: [UInt8]
    let status: Int
    /// The fault is in the body: what came before it may have gone on.
    let isInBody: Bool

    init(_ text: String, _ status: Int = 400, isInBody: Bool = false) {
        bytes = ConformanceSite.octets(text)
        self.status = status
        self.isInBody = isInBody
    }

    var testDescription: String {
        String(ConformanceSite.text(bytes.prefix(160)).debugDescription)
    }

    /// The fields of a request that would be good without them.
    static func fields(_ fields: [String], _ status: Int = 400) -> [RefusedRequest] {
        fields.map { RefusedRequest("POST /refused HTTP/1.1\r\nHost: a\r\n\($0)\r\n\r\n", status) }
    }

    static func lines(_ lines: [String], _ status: Int = 400) -> [RefusedRequest] {
        lines.map { RefusedRequest("\($0)\r\nHost: a\r\n\r\n", status) }
    }

    static func chunks(_ bodies: [String]) -> [RefusedRequest] {
        bodies.map {
            RefusedRequest(
                "POST /refused HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\($0)", isInBody: true)
        }
    }

    /// The client gets one answer and the end of the connection, the endpoint not a byte: neither of this nor of what
    /// follows it on the connection. Of a body it may get what came before the fault, and never its end.
    func check() throws {
        let site = try ConformanceSite.current()
        let smuggled = ConformanceSite.octets("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        for isSlow in bytes.count < 2000 ? [false, true] : [false] {
            site.expectEmptyRecord()
            let client = try TCPSocket(connectingTo: site.port)
            if isSlow { try client.sendSlowly(bytes + smuggled) } else { try client.send(bytes + smuggled) }
            let answer = ConformanceSite.text(try client.receiveToEnd())
            let head = HTTPHead(answer)
            #expect(head.status == status, "\(answer)")
            #expect(head["Connection"] == "close" && head["X-Request-Id"] == "ID", "\(answer)")
            #expect(answer.components(separatedBy: "HTTP/1.1 ").count == 2, "more than one answer: \(answer)")
            #expect(!answer.contains("127.0.0.1"), "names an endpoint: \(answer)")
            if isInBody {
                // What went on is recorded by the thread of its connection, which ends behind it.
                try Eventually.holds("the end of the endpoint's connection", every: .milliseconds(1)) {
                    site.endpoint.openConnections == 0
                }
            }
            let record = try site.recordAfterProbe()
            let how: Comment = isSlow ? "byte by byte" : "at once"
            if isInBody && !record.isEmpty {
                let head = ConformanceSite.forwarded(
                    ["POST /refused HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"])
                #expect(record.hasPrefix(head) && !record.contains("smuggled"), how)
                #expect(site.endpoint.wholeRequests.allSatisfy { $0 == "/probe" }, how)
            } else {
                #expect(record == "", how)
            }
        }
    }
}

/// A request that is passed on, and how the endpoint gets it.
struct AcceptedRequest: CustomTestStringConvertible {
    let bytes: [UInt8]
    /// Head and body as the endpoint gets them.
    let received: String
    let closes: Bool
    /// It isn't sent byte by byte as well: what comes after a close may meet one.
    var isSentAtOnce = false

    init(_ text: String, received: String, closes: Bool = false) {
        bytes = ConformanceSite.octets(text)
        self.received = received
        self.closes = closes
    }

    /// A head of lines, of which the endpoint gets others.
    init(
        _ lines: [String], body: String = "", becomes kept: [String], body keptBody: String? = nil, host: String? = "a",
        via: String = "1.1", closes: Bool = false
    ) {
        self.init(
            lines.joined(separator: "\r\n") + "\r\n\r\n" + body,
            received: ConformanceSite.forwarded(kept, host: host, via: via) + (keptBody ?? body), closes: closes)
    }

    var testDescription: String { ConformanceSite.text(bytes.prefix(160)).debugDescription }

    func check() throws {
        let site = try ConformanceSite.current()
        for isSlow in bytes.count < 2000 && !isSentAtOnce ? [false, true] : [false] {
            site.expectEmptyRecord()
            let client = try TCPSocket(connectingTo: site.port)
            if isSlow { try client.sendSlowly(bytes) } else { try client.send(bytes) }
            let reader = HTTPReader(client)
            let head = try #require(try reader.head())
            #expect(head.status == 200, "\(head)")
            let method = String(decoding: bytes.drop { $0 == 13 || $0 == 10 }.prefix { $0 != 32 }, as: UTF8.self)
            _ = try reader.body(.ofResponse(head, to: method))
            let how: Comment = isSlow ? "byte by byte" : "at once"
            if closes {
                #expect(try reader.head() == nil, how)
                #expect(try site.recordAfterProbe() == received, how)
            } else {
                #expect(try site.recordAfterProbe(on: client, reader) == received, how)
            }
        }
    }
}

extension ConformanceSite {
    /// Bytes that arrived after an earlier case had looked would be of that case.
    func expectEmptyRecord() {
        let late = ConformanceSite.text(endpoint.takeRecord())
        #expect(late.isEmpty, "of an earlier case: \(late)")
    }

    /// What the endpoint received before a probe that is sent now.
    ///
    /// - Parameters:
    ///   - client: The connection to send it on; a new one if nil.
    ///   - reader: What has read that connection so far: it may hold bytes that nobody asked for.
    func recordAfterProbe(on client: TCPSocket? = nil, _ reader: HTTPReader? = nil) throws -> String {
        let client = try client ?? TCPSocket(connectingTo: port)
        let reader = reader ?? HTTPReader(client)
        try client.send(ConformanceSite.probe)
        let head = try #require(try reader.head(), "the probe was not answered")
        let body = try reader.body(.ofResponse(head, to: "GET"))
        #expect(head.status == 200 && body == Data("ok".utf8), "the probe got \(head)")
        let record = ConformanceSite.text(endpoint.takeRecord())
        #expect(record.hasSuffix(ConformanceSite.forwardedProbe), "the probe came as \(record)")
        return String(record.dropLast(ConformanceSite.forwardedProbe.count))
    }
}
