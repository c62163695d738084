import HTTP2
import Testing

@Suite("An HTTP/2 session with an endpoint")
struct ClientSessionTests {
    private let get = "GET /a?b=c HTTP/1.1|Host: shop.example|Connection: TE|TE: trailers|X-A: b||"
    private let post = "POST /a HTTP/1.1|Host: shop.example|Transfer-Encoding: chunked||"
    private let ok: [(String, String)] = [(":status", "200")]

    /// What a server of ours makes of the request.
    private func read(_ bench: ClientBench) -> [String] {
        let server = SessionBench()
        server.receive(bench.frames.filter { $0.stream > 0 })
        return server.seen
    }

    @Test("a request becomes HEADERS: pseudo-fields first, one authority, no fields of a connection")
    func request() {
        let bench = ClientBench()
        #expect(bench.request(get) == 1)
        #expect(
            read(bench) == [
                "1 head GET /a?b=c HTTP/1.1|host: shop.example|x-a: b|te: trailers|connection: te||", "1 end",
            ])
    }

    @Test("a stream that is given up within a head that isn't whole: the rest of it is passed over")
    func givenUpInHead() {
        for cut in [1, 9, 10, 12] {
            let bench = ClientBench()
            #expect(bench.request(get) == 1)
            let head = Frame.head(1, ok + [("x-long", String(repeating: "v", count: 40))]).bytes
            bench.receive(Array(head.prefix(cut)))
            bench.session.reset(bench.records[1]!, .cancel)
            // The reset is written, and the library forgets the stream.
            bench.flush()
            if bench.records[1] != nil { bench.release(1) }
            bench.receive(Array(head.dropFirst(cut)))
            #expect(bench.request(get) == 3)
            bench.receive([.head(3, ok)])
            #expect(bench.seen.last == "3 end", "\(cut): \(bench.seen)")
        }
    }

    @Test("a body follows as DATA, and its end may come alone")
    func body() {
        let bench = ClientBench()
        #expect(bench.request(post, endsStream: false) == 1)
        #expect(bench.send(1, "hello", ends: false) == 5)
        #expect(bench.send(1, "", ends: true) == 0)
        #expect(bench.session.hasEnded(bench.records[1]!))
        #expect(read(bench).suffix(2) == ["1 data hello", "1 end"])
    }

    @Test("WebSocket is asked for by extended CONNECT, without a key (RFC 8441)")
    func webSocket() {
        let bench = ClientBench(settings: [(8, 1)])
        #expect(bench.session.peerTakesExtendedConnect)
        let head =
            "GET /chat HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Key: x|Sec-WebSocket-Version: 13||"
        #expect(bench.request(head, endsStream: false) == 1)
        let seen = read(bench)
        #expect(seen.count == 1 && seen[0].contains("upgrade: websocket"), "\(seen)")
        #expect(!seen[0].contains("key: x|") && seen[0].contains("sec-websocket-version: 13"), "\(seen)")
        bench.receive([.head(1, ok, ends: false), .data(1, "bytes")])
        // No chunks: what follows is the tunnel's.
        #expect(bench.seen == ["1 head HTTP/1.1 200 OK||", "1 data bytes"])
        let other = ClientBench()
        withExtendedLifetime(other) { #expect(!other.session.peerTakesExtendedConnect) }
    }

    @Test("interim heads, head, body and trailers come in the form of HTTP/1.1")
    func response() {
        let bench = ClientBench()
        _ = bench.request(get)
        bench.receive([
            .head(1, [(":status", "103"), ("link", "x")], ends: false), .head(1, ok, ends: false), .data(1, "hello"),
            .head(1, [("x-sum", "5")]),
        ])
        #expect(
            bench.seen == [
                "1 interim HTTP/1.1 103 Early Hints|link: x||", "1 head HTTP/1.1 200 OK|transfer-encoding: chunked||",
                "1 data hello",
                "1 trailers x-sum: 5|", "1 end",
            ])
    }

    @Test("an answer to HEAD has no body, whatever it states")
    func head() {
        let bench = ClientBench()
        _ = bench.request("HEAD / HTTP/1.1|Host: a||")
        bench.receive([.head(1, ok + [("content-length", "5")])])
        #expect(bench.seen == ["1 head HTTP/1.1 200 OK|content-length: 5||", "1 end"])
    }

    @Test(
        "a malformed response is a stream error, and the session goes on",
        arguments: [
            [(":status", "200"), ("connection", "close")], [(":status", "200"), ("transfer-encoding", "chunked")],
            [(":status", "200"), ("X-Capital", "1")], [(":status", "200"), ("x-a", "b\r\nc: d")],
            [(":status", "200"), ("x-a", "b\0")], [(":status", "2x0")], [(":status", "101")], [("x-a", "b")],
            [(":status", "200"), (":path", "/")], [(":status", "200"), (":status", "200")],
            [("x-a", "b"), (":status", "200")],
            [(":status", "200"), ("te", "trailers")],
        ])
    func malformed(fields: [(String, String)]) {
        let bench = ClientBench()
        _ = bench.request(get)
        bench.receive([.head(1, fields)])
        #expect(bench.seen == ["1 reset 1 malformed"])
        #expect(bench.request(get) == 3)
        bench.receive([.head(3, ok)])
        #expect(bench.seen.last == "3 end")
        #expect(bench.session.streamCount == 1)
    }

    @Test("a body that isn't as long as its head says is malformed")
    func lengths() {
        for body in ["123", "1234567"] {
            let bench = ClientBench()
            _ = bench.request(get)
            bench.receive([.head(1, ok + [("content-length", "5")], ends: false), .data(1, body, ends: true)])
            #expect(bench.seen.last == "1 reset 1 malformed", "\(bench.seen)")
        }
    }

    @Test("a refused stream and one that the endpoint has reset are told apart from malformed ones")
    func resets() {
        let bench = ClientBench()
        _ = bench.request(get)
        _ = bench.request(get)
        bench.receive([.reset(1, 7), .reset(3, 1)])
        #expect(bench.seen == ["1 reset 7", "3 reset 1"])
        #expect(bench.session.streamCount == 0)
    }

    @Test("GOAWAY names the last stream: those above it are closed, those below go on")
    func goAway() {
        let bench = ClientBench()
        for _ in 0..<3 { _ = bench.request(get) }
        bench.receive([Frame(.goAway, Frame.word(3) + Frame.word(0))])
        #expect(bench.seen == ["goaway 3", "5 reset 7"])
        bench.receive([.head(1, ok), .head(3, ok)])
        #expect(bench.seen.suffix(2) == ["3 head HTTP/1.1 200 OK|content-length: 0||", "3 end"])
    }

    @Test("a request that had not left when GOAWAY came is known not to have")
    func unsent() {
        let bench = ClientBench()
        _ = bench.request(get)
        bench.receive([Frame(.goAway, Frame.word(1) + Frame.word(0))])
        if bench.request(get) != nil { #expect(bench.seen.last?.hasSuffix("unsent") == true, "\(bench.seen)") }
        #expect(!bench.frames.contains { $0.stream == 3 && $0.kind == .headers })
    }

    @Test("a request that is given up before it left leaves nothing behind")
    func cancelled() {
        let bench = ClientBench()
        let stream = bench.request(get, writes: false)!
        bench.session.reset(bench.records[stream]!, .cancel)
        bench.release(stream)
        bench.flush()
        #expect(bench.session.streamCount == 0)
        #expect(bench.seen.isEmpty, "\(bench.seen)")
        #expect(!bench.frames.contains { $0.kind == .headers })
    }

    @Test("what comes on a stream that was given up is passed over, and its bytes are given back to the window")
    func lateData() {
        let bench = ClientBench()
        _ = bench.request(get)
        bench.receive([.head(1, ok, ends: false)])
        bench.session.reset(bench.records[1]!, .cancel)
        bench.release(1)
        bench.flush()
        let text = String(repeating: "x", count: 16_384)
        bench.receive((0..<40).map { _ in Frame.data(1, text) })
        #expect(bench.seen.count == 1, "\(bench.seen.suffix(2))")
        #expect(bench.frames.contains { $0.kind == .windowUpdate && $0.stream == 0 })
        #expect(bench.request(get) == 3)
        bench.receive([.head(3, ok)])
        #expect(bench.seen.last == "3 end")
    }

    @Test("a body waits for the windows of its stream and of the connection")
    func windows() {
        let bench = ClientBench(settings: [(4, 4)])
        _ = bench.request(post, endsStream: false)
        #expect(bench.send(1, "abcdefgh", ends: true) == 4)
        #expect(bench.send(1, "efgh", ends: true) == 0)
        bench.receive([.window(1, 4)])
        #expect(bench.seen == ["1 writable"])
        #expect(bench.send(1, "efgh", ends: true) == 4 && bench.session.hasEnded(bench.records[1]!))
    }

    @Test("the endpoint says how many streams it takes; nothing is pushed")
    func settings() throws {
        let bench = ClientBench(settings: [(3, 7)])
        // A session is a handle; its bench frees it.
        withExtendedLifetime(bench) { #expect(bench.session.peerStreamsMax == 7) }
        let own = try #require(bench.frames.first { $0.kind == .settings && $0.flags == 0 })
        let entries = stride(from: 0, to: own.payload.count, by: 6).map { [UInt8](own.payload[$0..<$0 + 6]) }
        #expect(entries.contains([0, 2, 0, 0, 0, 0]), "\(entries)")
    }

    @Test("many streams that the endpoint resets are no abuse of ours")
    func manyResets() {
        let bench = ClientBench()
        for _ in 0..<1000 {
            guard let stream = bench.request(get) else { break }
            bench.receive([.reset(UInt32(stream), 7)])
        }
        #expect(bench.seen.count == 1000)
        #expect(!bench.session.isOver)
    }
}
