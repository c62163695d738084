import EventLoop
import HTTP2
import Testing

/// The client's side of a session, for requests that a node makes for itself.
@Suite("Calls of an HTTP/2 session")
struct CallTests {
    private final class Bench {
        let session: Session
        private let events: UnsafeMutablePointer<EventQueue>
        private let pool: UnsafeMutablePointer<BufferPool>
        private(set) var seen: [String] = []
        private var output = Buffer()

        init() {
            events = .allocate(capacity: 1)
            events.initialize(to: EventQueue())
            pool = .allocate(capacity: 1)
            pool.initialize(to: BufferPool(blocksMax: 8))
            session = Session(.client, SessionLimits(), events: events, now: 0)!
            _ = pool.pointee.fill(&output)
        }

        deinit {
            pool.pointee.empty(&output)
            session.destroy(&pool.pointee)
            precondition(pool.pointee.used == 0, "\(pool.pointee.used) blocks were not given back")
            events.deinitialize(count: 1)
            events.deallocate()
            pool.deinitialize(count: 1)
            pool.deallocate()
        }

        func call(_ fields: [Session.CallField], body: [UInt8]) -> [UInt8] {
            let record = session.call(fields)!
            let taken = body.withUnsafeBufferPointer {
                session.send(record, $0.baseAddress, $0.count, ends: true, into: &output)
            }
            #expect(taken == body.count)
            defer { output.consume(output.count) }
            return Array(UnsafeBufferPointer(start: output.bytes, count: output.count))
        }

        func receive(_ frames: [Frame]) {
            let bytes = frames.flatMap(\.bytes)
            bytes.withUnsafeBufferPointer {
                #expect(session.receive($0.baseAddress!, $0.count, now: 0, &pool.pointee) == .fine)
                while let event = events.pointee.next() { note(event) }
            }
            session.produce(into: &output)
            while let event = events.pointee.next() { note(event) }
            output.consume(output.count)
        }

        private func note(_ event: SessionEvent) {
            var event = event
            var text = ""
            if event.buffer.isHeld {
                text = String(
                    decoding: UnsafeBufferPointer(start: event.buffer.bytes, count: event.buffer.count), as: UTF8.self)
                pool.pointee.empty(&event.buffer)
            }
            guard [.head, .data, .trailers, .end, .reset].contains(event.kind) else { return }
            // Of a status line the status.
            let lines = text.split(separator: "\r\n").map { $0.hasPrefix("HTTP/") ? $0.prefix(12) : $0 }
                .joined(separator: "|")
            seen.append("\(event.kind)\(event.isInterim ? " interim" : "")\(lines.isEmpty ? "" : " \(lines)")")
        }
    }

    private static let fields: [Session.CallField] = [
        .init(":method", "POST"), .init(":scheme", "http"), .init(":authority", "a"), .init(":path", "/"),
        .init("te", "trailers"),
    ]

    @Test("preface, settings, head, body that ends the stream")
    func request() {
        let bench = Bench()
        let sent = bench.call(Self.fields, body: [1, 2, 3])
        #expect(sent.starts(with: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)))
        let frames = Frame.all(in: Array(sent.dropFirst(24))).filter { $0.stream == 1 }
        #expect(frames.map(\.kind) == [.headers, .data])
        #expect(frames[1].payload == [1, 2, 3] && frames[1].flags & Frame.endStream != 0)
    }

    @Test("what follows the final head are trailers; interim heads come before it")
    func trailers() {
        let bench = Bench()
        _ = bench.call(Self.fields, body: [1])
        let ends = Frame.endHeaders | Frame.endStream
        bench.receive([
            Frame(.settings),
            // `:status` 103 as a literal, then the static table's 200, then a literal field.
            Frame(.headers, Frame.endHeaders, stream: 1, [8, 3, 0x31, 0x30, 0x33]),
            Frame(.headers, Frame.endHeaders, stream: 1, [0x88]),
            Frame(.data, 0, stream: 1, [7]), Frame(.headers, ends, stream: 1, [0, 1, 0x78, 1, 0x79]),
        ])
        #expect(
            bench.seen == [
                "head interim HTTP/1.1 103", "head HTTP/1.1 200|transfer-encoding: chunked", "data", "trailers x: y",
                "end",
            ])
    }

    @Test("a second final head is refused")
    func secondHead() {
        let bench = Bench()
        _ = bench.call(Self.fields, body: [1])
        bench.receive([Frame(.settings), Frame(.headers, Frame.endHeaders, stream: 1, [0x88])])
        bench.receive([Frame(.headers, Frame.endHeaders | Frame.endStream, stream: 1, [0x88])])
        #expect(bench.seen.last == "reset")
    }
}
