import HTTP2
import Testing

/// What a peer may cost: each limit at its last allowed step and one beyond.
@Suite("Limits of an HTTP/2 connection")
struct LimitTests {
    private func limits(_ change: (inout SessionLimits) -> Void) -> SessionLimits {
        var limits = SessionLimits()
        change(&limits)
        return limits
    }

    @Test("streams that are reset", arguments: [(9, Session.Outcome.fine), (10, .fine), (11, .abuse(.rapidReset))])
    func rapidReset(count: Int, expected: Session.Outcome) {
        let bench = SessionBench(limits { $0.resets = FrameRate(burst: 10, perSecond: 1) })
        for index in 0..<count {
            let stream = UInt32(index * 2 + 1)
            bench.receive([.head(stream, Fields.get), .reset(stream)])
        }
        #expect(bench.outcome == expected)
        #expect(bench.goAway == (expected == .fine ? nil : Code.calm))
    }

    @Test("resets are forgotten in time")
    func resetsAreForgotten() {
        let bench = SessionBench(limits { $0.resets = FrameRate(burst: 2, perSecond: 2) })
        for index in 0..<20 {
            let stream = UInt32(index * 2 + 1)
            bench.receive([.head(stream, Fields.get), .reset(stream)])
            bench.now += 500_000_000
        }
        #expect(bench.outcome == .fine)
    }

    /// CVE-2025-8671: the peer doesn't reset, it makes the server do so.
    @Test("streams that the peer makes us reset", arguments: [(10, true), (12, false)])
    func madeYouReset(count: Int, isFine: Bool) {
        let bench = SessionBench(limits { $0.resets = FrameRate(burst: 10, perSecond: 1) })
        for index in 0..<count {
            let stream = UInt32(index * 2 + 1)
            bench.receive([.head(stream, Fields.get), .window(stream, 0x7fff_ffff)])
        }
        bench.receive([.ping])
        #expect(bench.outcome == (isFine ? .fine : .abuse(.rapidReset)))
    }

    @Test("CONTINUATION frames of one block", arguments: [(15, true), (16, true), (17, false)])
    func continuations(count: Int, isFine: Bool) {
        let bench = SessionBench()
        let block = Fields.encode(Fields.get)
        var frames = [Frame(.headers, Frame.endStream, stream: 1, block)]
        for index in 1...count {
            frames.append(Frame(.continuation, index == count ? Frame.endHeaders : 0, stream: 1))
        }
        bench.receive(frames)
        #expect(bench.outcome == (isFine ? .fine : .abuse(.continuationFlood)))
        #expect(bench.heads().count == (isFine ? 1 : 0))
    }

    @Test("the count of CONTINUATION frames begins again with each block")
    func continuationsOfSeveralBlocks() {
        let bench = SessionBench()
        for index in 0..<4 {
            bench.receive(FramingCases.split(Fields.encode(Fields.get), size: 10, stream: UInt32(index * 2 + 1)))
        }
        #expect(bench.outcome == .fine)
        #expect(bench.heads().count == 4)
    }

    @Test("SETTINGS", arguments: [(15, true), (16, false)])
    func settings(count: Int, isFine: Bool) {
        // The first of the connection counts.
        let bench = SessionBench(limits { $0.settings = FrameRate(burst: 16, perSecond: 1) })
        for _ in 0..<count { bench.receive([.settings()]) }
        #expect(bench.outcome == (isFine ? .fine : .abuse(.settingsFlood)))
    }

    @Test(
        "frames that ask for nothing",
        arguments: [Frame.ping, .window(0, 1), Frame(.priority, stream: 1, [0, 0, 0, 0, 1])])
    func controlFrames(frame: Frame) {
        for (count, isFine) in [(31, true), (32, true), (33, false)] {
            let bench = SessionBench(limits { $0.control = FrameRate(burst: 32, perSecond: 1) })
            for _ in 0..<count { bench.receive([frame]) }
            #expect(bench.outcome == (isFine ? .fine : .abuse(.controlFlood)), "\(count) × \(frame)")
        }
    }

    @Test("each DATA frame of ours allows two more")
    func dataEarns() {
        let bench = SessionBench(limits { $0.control = FrameRate(burst: 4, perSecond: 0) })
        bench.receive([.head(1, Fields.get)])
        #expect(bench.respond(1, "HTTP/1.1 200 OK||", endsStream: false))
        for _ in 0..<20 {
            #expect(bench.send(1, "abc", ends: false) == 3)
            bench.receive([.window(0, 3), .window(1, 3)])
        }
        #expect(bench.outcome == .fine)
    }

    @Test("DATA without bytes", arguments: [(8, true), (9, false)])
    func emptyData(count: Int, isFine: Bool) {
        let bench = SessionBench(limits { $0.emptyData = FrameRate(burst: 8, perSecond: 1) })
        bench.receive([.head(1, Fields.post, ends: false)])
        for _ in 0..<count { bench.receive([.data(1, "")]) }
        #expect(bench.outcome == (isFine ? .fine : .abuse(.emptyDataFlood)))
    }

    @Test("DATA with nothing but padding counts as empty")
    func paddingOnly() {
        let bench = SessionBench(limits { $0.emptyData = FrameRate(burst: 2, perSecond: 0) })
        bench.receive([.head(1, Fields.post, ends: false)])
        for _ in 0..<3 { bench.receive([Frame(.data, Frame.padded, stream: 1, [3, 0, 0, 0])]) }
        #expect(bench.outcome == .abuse(.emptyDataFlood))
    }

    @Test("fields of one head", arguments: [(9, "head"), (10, "head"), (11, "oversized")])
    func fieldCount(count: Int, expected: String) {
        let bench = SessionBench(SessionLimits(headBytesMax: 4096, fieldCountMax: 10))
        bench.receive([.head(1, Fields.get + (0..<count).map { ("x\($0)", "y") })])
        #expect(bench.seen.first?.hasPrefix("1 \(expected)") == true, "\(bench.seen)")
        #expect(bench.goAway == nil)
    }

    @Test("bytes of one head: what doesn't fit is told, and other streams go on")
    func headBytes() {
        let bench = SessionBench(SessionLimits(headBytesMax: 1024, fieldCountMax: 100))
        bench.receive([.head(1, Fields.get + [("x", String(repeating: "a", count: 900))])])
        bench.receive([.head(3, Fields.get + [("x", String(repeating: "a", count: 1024))])])
        bench.receive([.head(5, Fields.get)])
        let seen = bench.seen.map { String($0.prefix(6)) }
        #expect(seen == ["1 head", "1 end", "3 over", "3 end", "5 head", "5 end"])
    }

    /// One large entry in the table, and a byte for each time that it is wanted.
    @Test("a header block that is larger when it is decoded")
    func bomb() {
        let bench = SessionBench(SessionLimits(headBytesMax: 4096, fieldCountMax: 100))
        let entry: [UInt8] = [0x40, 0x01, 0x78, 0x7f, 0x81, 0x17] + [UInt8](repeating: 0x61, count: 3072)
        let block = Fields.encode(Fields.get) + entry + [UInt8](repeating: 0xbe, count: 8)
        bench.receive([Frame(.headers, 5, stream: 1, block)])
        #expect(bench.outcome == .abuse(.headerList))
        #expect(bench.goAway == Code.calm)
    }

    @Test("concurrent streams", arguments: [2, 3])
    func streams(count: Int) {
        let bench = SessionBench(limits { $0.streamsMax = 2 })
        // Acknowledges what was stated, and so is bound by it.
        bench.receive([Frame(.settings, Frame.ack)])
        for index in 0..<count { bench.receive([.head(UInt32(index * 2 + 1), Fields.get)]) }
        #expect(bench.heads().count == 2)
        let isRefused = bench.goAway != nil || bench.reset(of: 5) != nil
        #expect(isRefused == (count == 3))
    }

    @Test("a stream's place is free again when it has been answered")
    func streamsEnd() {
        let bench = SessionBench(limits { $0.streamsMax = 1 })
        for index in 0..<10 {
            let stream = UInt32(index * 2 + 1)
            bench.receive([.head(stream, Fields.get)])
            #expect(bench.respond(Int32(stream), "HTTP/1.1 204 x||", endsStream: true))
            bench.flush()
            bench.session.release(bench.records[Int32(stream)]!)
        }
        #expect(bench.heads().count == 10)
        #expect(bench.session.streamCount == 0)
    }
}
