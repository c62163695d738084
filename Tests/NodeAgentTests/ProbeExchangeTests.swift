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
