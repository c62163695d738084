import EventLoop
import Glibc
import NodeAgent
import Snapshot
import Testing

@Suite("ProbeExchange")
struct ProbeExchangeTests {
    private static let endpoint = SocketAddress("127.0.0.1:9001")!

    private func http(_ expect: [ClosedRange<Int>] = [200...399]) -> ProbeExchange {
        ProbeExchange(.http(path: "/healthz", expect: expect), to: Self.endpoint)
    }

    private func answered(_ text: String, _ expect: [ClosedRange<Int>] = [200...399]) -> ProbeResult? {
        var exchange = http(expect)
        _ = exchange.connected()
        return exchange.received(Array(text.utf8)[...])
    }

    @Test("tcp: connecting is enough, and nothing is sent")
    func tcp() {
        var exchange = ProbeExchange(.tcp, to: Self.endpoint)
        #expect(exchange.unsent.isEmpty)
        #expect(exchange.connected() == .passed)
    }

    @Test(
        "http: the request names the endpoint",
        arguments: [
            ("127.0.0.1:9001", "127.0.0.1:9001"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"), ("unix:/run/a", "localhost"),
        ])
    func request(address: String, host: String) {
        let exchange = ProbeExchange(.http(path: "/healthz", expect: [200...399]), to: SocketAddress(address)!)
        let text = "GET /healthz HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: sluice-health\r\nConnection: close\r\n\r\n"
        #expect(String(decoding: exchange.unsent, as: UTF8.self) == text)
    }

    @Test("http: method and fields are the site's; a Host or User-Agent of its own replaces ours")
    func fields() {
        let probe = HTTPProbe(
            method: "HEAD", path: "/up?full=1",
            fields: [.init(name: "host", value: "shop.example"), .init(name: "X-Token", value: "t")],
            expect: [200...200])
        let exchange = ProbeExchange(.http(probe), to: Self.endpoint)
        #expect(
            String(decoding: exchange.unsent, as: UTF8.self)
                == "HEAD /up?full=1 HTTP/1.1\r\nUser-Agent: sluice-health\r\nhost: shop.example\r\nX-Token: t\r\n"
                + "Connection: close\r\n\r\n")
        let post = ProbeExchange(.http(HTTPProbe(method: "POST", path: "/", expect: [])), to: Self.endpoint)
        #expect(String(decoding: post.unsent, as: UTF8.self).contains("\r\nContent-Length: 0\r\n"))
    }

    @Test(
        "http: an expected text is looked for in the body, however it is framed",
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell", .passed),
            ("HTTP/1.1 200 OK\r\n\r\nall is well here", .passed),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwe\r\n2;x=y\r\nll\r\n0\r\n\r\n", .passed),
            ("HTTP/1.1 200 OK\r\nX-State: well\r\nContent-Length: 3\r\n\r\nill", .failed(.body)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .failed(.body)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nill\r\n0\r\n\r\n", .failed(.body)),
            ("HTTP/1.1 200 OK\r\n\r\nwel", .failed(.body)), ("HTTP/1.1 200 OK\r\nX: y\r\n", .failed(.closed)),
            ("HTTP/1.1 503 No\r\n\r\nwell", .failed(.status(503))),
        ] as [(String, ProbeResult)])
    func body(answer: String, expected: ProbeResult) {
        let probe = HTTPProbe(path: "/", expect: [200...200], body: "well")
        // Whole, and byte by byte.
        for size in [answer.utf8.count, 1] {
            var exchange = ProbeExchange(.http(probe), to: Self.endpoint)
            _ = exchange.connected()
            var (result, rest): (ProbeResult?, ArraySlice<UInt8>) = (nil, Array(answer.utf8)[...])
            while result == nil, !rest.isEmpty {
                result = exchange.received(rest.prefix(size))
                rest = rest.dropFirst(size)
            }
            #expect(result ?? exchange.ended() == expected, "in pieces of \(size)")
        }
    }

    @Test("http: the expected text is looked for in so many bytes", arguments: [-1, 0, 1])
    func bodyBound(beyond: Int) {
        var exchange = ProbeExchange(
            .http(HTTPProbe(path: "/", expect: [200...200], body: "well")), to: Self.endpoint)
        _ = exchange.connected()
        let filler = String(repeating: "x", count: HTTPProbe.bodyBytesMax - 4 + beyond)
        let result = exchange.received(Array("HTTP/1.1 200 OK\r\n\r\n\(filler)well".utf8)[...])
        #expect(result == (beyond <= 0 ? .passed : .failed(.body)))
    }

    @Test("http: the request goes out piece by piece")
    func pieces() {
        var exchange = http()
        let whole = Array(exchange.unsent)
        #expect(exchange.connected() == nil)
        exchange.sent(10)
        #expect(Array(exchange.unsent) == Array(whole.dropFirst(10)))
        exchange.sent(whole.count - 10)
        #expect(exchange.unsent.isEmpty)
    }

    @Test(
        "http: the status decides, bounds included",
        arguments: [(199, false), (200, true), (399, true), (400, false), (418, true), (419, false)])
    func status(status: Int, passes: Bool) {
        let result = answered("HTTP/1.1 \(status) x\r\n", [200...399, 418...418])
        #expect(result == (passes ? .passed : .failed(.status(status))))
    }

    @Test("http: an answer byte by byte")
    func bytewise() {
        var exchange = http()
        _ = exchange.connected()
        let line = Array("HTTP/1.1 200 OK\r\n".utf8)
        for byte in line.dropLast() { #expect(exchange.received([byte]) == nil) }
        #expect(exchange.received(line.suffix(1)) == .passed)
    }

    @Test("http: an endless line is no answer")
    func endless() {
        var exchange = http()
        _ = exchange.connected()
        #expect(exchange.received(Array("HTTP/1.1 200 ".utf8)[...]) == nil)
        let result = exchange.received(Array(repeating: UInt8(ascii: "x"), count: 100_000)[...])
        #expect(result == .failed(.notHTTP))
    }

    @Test("failures say at which stage")
    func failures() {
        var exchange = http()
        #expect(exchange.timedOut() == .failed(.connectTimedOut))
        #expect(exchange.broke(ECONNREFUSED) == .failed(.connect(ECONNREFUSED)))
        _ = exchange.connected()
        #expect(exchange.timedOut() == .failed(.answerTimedOut))
        #expect(exchange.broke(ECONNRESET) == .failed(.broken(ECONNRESET)))
        #expect(exchange.ended() == .failed(.closed))
        #expect(ProbeFailure.connect(ECONNREFUSED).description == "connect: Connection refused")
        #expect(answered("SSH-2.0-x\r\n") == .failed(.notHTTP))
    }

    @Test(
        "what this host lacks speaks against no endpoint",
        arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL] as [CInt])
    func inconclusive(code: CInt) {
        #expect(http().broke(code) == .inconclusive(code))
    }
}
