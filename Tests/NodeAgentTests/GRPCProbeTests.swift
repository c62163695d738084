import EventLoop
import Glibc
import NodeAgent
import Snapshot
import TLS
import Testing

/// A probe by gRPC as bytes of HTTP/2 on both sides.
@Suite("Probe by gRPC")
struct GRPCProbeTests {
    private static let endpoint = SocketAddress("127.0.0.1:9001")!

    /// Frames of RFC 9113 §4.1.
    private enum Frame {
        static func bytes(_ type: UInt8, flags: UInt8 = 0, stream: UInt8 = 0, _ payload: [UInt8] = []) -> [UInt8] {
            let head: [UInt8] = [
                0, UInt8(payload.count >> 8), UInt8(payload.count & 255), type, flags, 0, 0, 0, stream,
            ]
            return head + payload
        }

        static let settings = bytes(4)
        static let settingsAck = bytes(4, flags: 1)

        static func data(_ payload: [UInt8], ends: Bool = false) -> [UInt8] {
            bytes(0, flags: ends ? 1 : 0, stream: 1, payload)
        }

        static func headers(_ block: [UInt8], ends: Bool = false) -> [UInt8] {
            bytes(1, flags: ends ? 5 : 4, stream: 1, block)
        }

        /// HPACK: the static table's `:status` 200, and literals that aren't indexed (RFC 7541 §6.2.2).
        static func block(status: String? = "200", _ fields: [(String, String)]) -> [UInt8] {
            var bytes: [UInt8] = []
            if status == "200" {
                bytes.append(0x88)
            } else if let status {
                bytes += [8, UInt8(status.utf8.count)]
                bytes += status.utf8
            }
            for (name, value) in fields {
                bytes += [0, UInt8(name.utf8.count)]
                bytes += name.utf8
                bytes.append(UInt8(value.utf8.count))
                bytes += value.utf8
            }
            return bytes
        }

        static let head = headers(block([("content-type", "application/grpc")]))
        static func trailers(_ code: String) -> [UInt8] {
            headers(block(status: nil, [("grpc-status", code)]), ends: true)
        }

        static func message(_ status: UInt8) -> [UInt8] { data([0, 0, 0, 0, 2, 8, status]) }
    }

    private func connected(_ service: String = "", tls: EndpointTLS? = nil) -> ProbeExchange {
        var exchange = ProbeExchange(.grpc(service: service), to: Self.endpoint, tls: tls)
        _ = exchange.connected()
        return exchange
    }

    private func result(_ bytes: [UInt8], piece: Int = .max) -> ProbeResult? {
        var exchange = connected()
        var rest = bytes[...]
        while !rest.isEmpty {
            if let result = exchange.received(rest.prefix(piece)) { return result }
            rest = rest.dropFirst(piece)
        }
        return nil
    }

    @Test("nothing is sent before it is connected; then preface, settings, head and message at once")
    func request() {
        var exchange = ProbeExchange(.grpc(service: "shop"), to: Self.endpoint)
        #expect(exchange.unsent.isEmpty)
        #expect(exchange.connected() == nil)
        let sent = Array(exchange.unsent)
        #expect(sent.starts(with: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)))
        // The DATA frame is last and ends the stream.
        let data = Frame.data(HealthCheckMessage.request(service: "shop"), ends: true)
        #expect(sent.suffix(data.count) == data[...])
    }

    @Test("an answer passes, whole or in pieces", arguments: [Int.max, 1, 7])
    func passes(piece: Int) {
        let answer = Frame.settings + Frame.settingsAck + Frame.head + Frame.message(1) + Frame.trailers("0")
        #expect(result(answer, piece: piece) == .passed)
    }

    @Test("settings are acknowledged")
    func acknowledges() {
        var exchange = connected()
        exchange.sent(exchange.unsent.count)
        #expect(exchange.received(Frame.settings[...]) == nil)
        #expect(Array(exchange.unsent) == Frame.settingsAck)
    }

    @Test(
        "answers that don't pass",
        arguments: [
            (Frame.head + Frame.message(2) + Frame.trailers("0"), .grpc(.status(2))),
            (Frame.head + Frame.message(1) + Frame.trailers("5"), .grpc(.code(5))),
            // Trailers only.
            (
                Frame.headers(
                    Frame.block([("content-type", "application/grpc"), ("grpc-status", "12")]), ends: true),
                .grpc(.code(12))
            ),
            // The stream ends with the message.
            (Frame.head + Frame.data([0, 0, 0, 0, 2, 8, 1], ends: true), .grpc(.noCode)),
            (Frame.headers(Frame.block(status: "503", []), ends: true), .status(503)),
            // Reset, before and after the head.
            (Frame.bytes(3, stream: 1, [0, 0, 0, 7]), .grpc(.reset(7))),
            (Frame.head + Frame.bytes(3, stream: 1, [0, 0, 0, 2]), .grpc(.reset(2))),
            // The stream is refused by GOAWAY: none was taken.
            (Frame.bytes(7, [0, 0, 0, 0, 0, 0, 0, 0]), .grpc(.reset(7))),
            // Fields that HTTP/2 doesn't allow.
            (Frame.headers(Frame.block([("Content-Type", "application/grpc")])), .grpc(.broken)),
            (Frame.headers(Frame.block(status: nil, [("content-type", "application/grpc")])), .grpc(.broken)),
            // A push once the endpoint has seen that there is to be none, a frame that is too large, DATA on a stream that isn't.
            (Frame.settingsAck + Frame.bytes(5, flags: 4, stream: 1, [0, 0, 0, 2]), .grpc(.broken)),
            ([0, 0x40, 1, 0, 0, 0, 0, 0, 1], .grpc(.broken)),
            (Frame.bytes(0, stream: 3, [1]), .grpc(.broken)),
        ] as [([UInt8], ProbeFailure)])
    func failures(bytes: [UInt8], failure: ProbeFailure) {
        for piece in [Int.max, 1] {
            let result = result(Frame.settings + bytes, piece: piece)
            #expect(result == .failed(failure), "in pieces of \(piece): \(String(describing: result))")
        }
    }

    @Test("an endpoint that speaks something else", arguments: ["HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-x\r\n"])
    func otherProtocols(text: String) {
        let result = result(Array(text.utf8) + [UInt8](repeating: 0, count: 20))
        #expect(result == .failed(.grpc(text.hasPrefix("HTTP") ? .notHTTP2 : .broken)))
    }

    @Test("an endpoint that goes on and on is given up")
    func bounds() {
        let ping = Frame.bytes(6, [UInt8](repeating: 0, count: 8))
        var bytes = Frame.settings
        while bytes.count < 128 * 1024 { bytes += ping }
        #expect(result(bytes, piece: 16 * 1024) == .failed(.grpc(.broken)))
        let interim = Frame.headers(Frame.block(status: "103", [("x", String(repeating: "y", count: 100))]))
        bytes = Frame.settings
        while bytes.count < 128 * 1024 { bytes += interim }
        #expect(result(bytes, piece: 16 * 1024) == .failed(.grpc(.broken)))
        #expect(result(bytes, piece: 500) == .failed(.grpc(.broken)))
    }

    @Test("interim heads are passed over")
    func interim() {
        let early = Frame.headers(Frame.block(status: "103", [("x", "y")]))
        #expect(result(Frame.settings + early + Frame.head + Frame.message(1) + Frame.trailers("0")) == .passed)
    }

    @Test(
        "inside of TLS h2 must be chosen",
        arguments: [(.http2, true), (.http11, false), (nil, false)] as [(ApplicationProtocol?, Bool)])
    func protocols(chosen: ApplicationProtocol?, isGood: Bool) {
        var exchange = connected(tls: EndpointTLS(serverName: "api.internal"))
        #expect(exchange.timedOut() == .failed(.tls("no answer in time")))
        #expect(exchange.secured(chosen) == (isGood ? nil : .failed(.grpc(.noHTTP2))))
    }

    @Test("in the middle of an answer the end, an error or the timeout is what has happened")
    func ends() {
        var exchange = connected()
        _ = exchange.received((Frame.settings + Frame.head)[...])
        #expect(exchange.ended() == .failed(.closed))
        #expect(exchange.broke(ECONNRESET) == .failed(.broken(ECONNRESET)))
        #expect(exchange.timedOut() == .failed(.answerTimedOut))
    }
}

@Suite("Probe inside of TLS")
struct SecureProbeTests {
    private static let endpoint = SocketAddress("127.0.0.1:9001")!

    private enum Stage: CaseIterable { case connecting, securing, asking }

    private func exchange(_ stage: Stage) -> ProbeExchange {
        var exchange = ProbeExchange(.http(path: "/", expect: [200...299]), to: Self.endpoint, tls: EndpointTLS())
        if stage != .connecting { _ = exchange.connected() }
        if stage == .asking { _ = exchange.secured(nil) }
        return exchange
    }

    @Test("every stage and what can happen in it")
    func stages() {
        let refused = ProbeResult.failed(.connect(ECONNREFUSED))
        #expect(exchange(.connecting).broke(ECONNREFUSED) == refused)
        #expect(exchange(.securing).broke(ECONNRESET) == .failed(.broken(ECONNRESET)))
        #expect(exchange(.asking).broke(ECONNRESET) == .failed(.broken(ECONNRESET)))
        #expect(exchange(.connecting).timedOut() == .failed(.connectTimedOut))
        #expect(exchange(.securing).timedOut() == .failed(.tls("no answer in time")))
        #expect(exchange(.asking).timedOut() == .failed(.answerTimedOut))
        #expect(exchange(.securing).ended() == .failed(.tls("closed by the endpoint")))
        #expect(exchange(.asking).ended() == .failed(.closed))
        #expect(!exchange(.connecting).isConnected && exchange(.securing).isConnected)
    }

    @Test("a probe by connecting does without TLS")
    func tcp() {
        var exchange = ProbeExchange(.tcp, to: Self.endpoint, tls: EndpointTLS())
        #expect(exchange.connected() == .passed)
        let key = EndpointKey(pool: "a", address: Self.endpoint)
        #expect(PlannedProbe(key, HealthCheck(probe: .tcp), tls: EndpointTLS()).tls == nil)
    }

    @Test("the server's name is the Host, unless the site has another one", arguments: [true, false])
    func host(isStated: Bool) {
        let fields = isStated ? [HTTPProbe.Field(name: "Host", value: "shop.example")] : []
        let exchange = ProbeExchange(
            .http(HTTPProbe(path: "/", fields: fields, expect: [])), to: Self.endpoint,
            tls: EndpointTLS(serverName: "api.internal"))
        let text = String(decoding: exchange.unsent, as: UTF8.self)
        #expect(text.contains("\r\nHost: \(isStated ? "shop.example" : "api.internal")\r\n"))
        #expect(text.contains("api.internal") == !isStated)
    }
}
