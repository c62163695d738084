import HTTP2
import Testing

@Suite("Flow control and answers of an HTTP/2 session")
struct SessionTests {
    @Test("a response with a body: one HEADERS and one DATA frame, which ends the stream")
    func response() {
        let bench = SessionBench()
        bench.receive([.head(1, Fields.get)])
        #expect(bench.respond(1, "HTTP/1.1 200 OK|content-length: 5|Connection: close||", endsStream: false))
        #expect(bench.send(1, "hello", ends: true) == 5)
        let frames = bench.frames.filter { $0.stream == 1 }
        #expect(frames.map(\.kind) == [.headers, .data])
        #expect(frames.map { $0.flags & Frame.endStream } == [0, Frame.endStream])
        #expect(frames.last?.payload == [UInt8]("hello".utf8))
        #expect(bench.session.hasEnded(bench.records[1]!))
    }

    @Test("a response without a body ends with its HEADERS frame")
    func emptyResponse() {
        let bench = SessionBench()
        bench.receive([.head(1, Fields.get)])
        #expect(bench.respond(1, "HTTP/1.1 304 Not Modified|etag: \"x\"||", endsStream: true))
        bench.flush()
        let frames = bench.frames.filter { $0.stream == 1 }
        #expect(frames.map(\.kind) == [.headers] && frames[0].flags & Frame.endStream != 0)
    }

    @Test("an interim response comes before the final one")
    func interim() {
        let bench = SessionBench()
        bench.receive([.head(1, Fields.post, ends: false)])
        #expect(bench.respond(1, "HTTP/1.1 103 x|link: </a.css>||", endsStream: false))
        #expect(bench.respond(1, "HTTP/1.1 204 x||", endsStream: true))
        bench.flush()
        #expect(bench.frames.filter { $0.stream == 1 }.map(\.kind) == [.headers, .headers])
    }

    @Test("fields of an HTTP/1.1 connection stay behind")
    func connectionFields() throws {
        let bench = SessionBench()
        bench.receive([.head(1, Fields.get)])
        let head = "HTTP/1.1 200 OK|Connection: close|Keep-Alive: 5|Transfer-Encoding: chunked|Upgrade: a|X-Kept: b||"
        #expect(bench.respond(1, head, endsStream: true))
        bench.flush()
        let frame = try #require(bench.frames.first { $0.kind == .headers })
        // `:status 200` of the static table, then one literal with its Huffman-coded name.
        #expect(frame.payload.first == 0x88)
        #expect(frame.payload.count < 16, "\(frame.payload)")
    }

    @Test("a body goes no further than the stream's window")
    func streamWindow() {
        let bench = SessionBench()
        bench.receive([.settings([(4, 4)]), .head(1, Fields.get)])
        #expect(bench.respond(1, "HTTP/1.1 200 OK||", endsStream: false))
        #expect(bench.send(1, "abcdefgh", ends: true) == 4)
        #expect(bench.send(1, "efgh", ends: true) == 0)
        bench.receive([.window(1, 3)])
        #expect(bench.seen.last == "1 writable")
        #expect(bench.send(1, "efgh", ends: true) == 3)
        #expect(!bench.session.hasEnded(bench.records[1]!))
        bench.receive([.window(1, 1)])
        #expect(bench.send(1, "h", ends: true) == 1)
        #expect(bench.session.hasEnded(bench.records[1]!))
        let sent = bench.frames.filter { $0.kind == .data }.flatMap(\.payload)
        #expect(sent == [UInt8]("abcdefgh".utf8))
    }

    @Test("SETTINGS may make a window negative; it has to be positive again before more goes")
    func negativeWindow() {
        let bench = SessionBench()
        bench.receive([.settings([(4, 3)]), .head(1, Fields.get)])
        #expect(bench.respond(1, "HTTP/1.1 200 OK||", endsStream: false))
        #expect(bench.send(1, "abc", ends: false) == 3)
        bench.receive([.settings([(4, 2)])])
        bench.receive([.window(1, 1)])
        #expect(bench.send(1, "d", ends: true) == 0)
        bench.receive([.window(1, 1)])
        #expect(bench.send(1, "d", ends: true) == 1)
    }

    @Test("a body goes no further than the connection's window, whatever the stream's is")
    func connectionWindow() {
        let bench = SessionBench()
        bench.receive([.settings([(4, 1_000_000)]), .head(1, Fields.get), .head(3, Fields.get)])
        let text = String(repeating: "x", count: 40_000)
        for stream in [Int32(1), 3] { #expect(bench.respond(stream, "HTTP/1.1 200 OK||", endsStream: false)) }
        var sent = [1: 0, 3: 0]
        for _ in 0..<5 {
            for stream in [1, 3] {
                let rest = String(text.dropFirst(sent[stream]!))
                sent[stream]! += bench.send(Int32(stream), rest, ends: true)
            }
        }
        #expect(sent[1]! + sent[3]! == 65_535)
        bench.receive([.window(0, 100_000)])
        for _ in 0..<5 { sent[3]! += bench.send(3, String(text.dropFirst(sent[3]!)), ends: true) }
        #expect(sent[3] == 40_000)
    }

    @Test("what isn't consumed isn't given back to the peer's windows")
    func receiving() {
        let bench = SessionBench()
        bench.takesBodies = false
        bench.receive([.head(1, Fields.post, ends: false)])
        let piece = String(repeating: "x", count: 16_000)
        for _ in 0..<4 { bench.receive([.data(1, piece)]) }
        #expect(!bench.frames.contains { $0.kind == .windowUpdate && $0.stream == 1 })
        bench.receive([.data(1, piece)])
        #expect(bench.reset(of: 1) == Code.flowControl || bench.goAway == Code.flowControl)
    }

    @Test("what is consumed is given back")
    func consuming() {
        let bench = SessionBench()
        bench.receive([.head(1, Fields.post, ends: false)])
        let piece = String(repeating: "x", count: 16_000)
        for _ in 0..<20 { bench.receive([.data(1, piece)]) }
        #expect(bench.goAway == nil && bench.reset(of: 1) == nil)
        let given = bench.frames.filter { $0.kind == .windowUpdate && $0.stream == 1 }.map { $0.number(at: 0) }
        let sum = given.reduce(0, +)
        #expect(sum >= 20 * 16_000 - 65_535 / 2 - 16_000)
    }

    @Test("a reset of ours reaches the peer, and its stream is forgotten")
    func reset() {
        let bench = SessionBench()
        bench.receive([.head(1, Fields.get)])
        let record = bench.records[1]!
        bench.reset(1, .cancel)
        #expect(bench.reset(of: 1) == 8)
        #expect(bench.session.isClosed(record))
        bench.session.release(record)
        #expect(bench.session.streamCount == 0)
        #expect(bench.outcome == .fine)
    }

    @Test("shutting down: the announcement, then the last stream that is served, then the end")
    func shutdown() {
        let bench = SessionBench()
        bench.receive([.head(1, Fields.get)])
        bench.session.announceShutdown()
        bench.flush()
        #expect(bench.frames.last { $0.kind == .goAway }?.number(at: 0) == 0x7fff_ffff)
        bench.receive([.head(3, Fields.get)])
        bench.session.shutDown()
        bench.flush()
        #expect(bench.frames.last { $0.kind == .goAway }?.number(at: 0) == 3)
        bench.receive([.head(5, Fields.get)])
        #expect(bench.heads().count == 2)
        for stream in [Int32(1), 3] {
            #expect(bench.respond(stream, "HTTP/1.1 204 x||", endsStream: true))
            bench.flush()
            bench.session.release(bench.records[stream]!)
        }
        #expect(bench.session.isOver)
    }

    @Test(
        "the urgency that a request asks for (RFC 9218 §4.1)",
        arguments: [
            ("u=0", 0), ("u=7", 7), ("i, u=5", 5), ("u=1;x, i", 1), ("u=8", 3), ("u=12", 3), ("U=1", 3), ("", 3),
            ("u=1,u=2", 2),
        ])
    func urgency(value: String, expected: UInt8) {
        let bench = SessionBench()
        bench.receive([.head(1, Fields.get + [("priority", value)])])
        #expect(bench.session.urgency(of: bench.records[1]!) == expected)
    }
}
