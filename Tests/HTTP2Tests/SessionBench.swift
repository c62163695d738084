import EventLoop
import HTTP1
import HTTP2
import HTTPMessage

/// A server's session with the bytes of a client before it and a list of what came of them behind it.
final class SessionBench {
    let session: Session
    private let events: UnsafeMutablePointer<EventQueue>
    private let pool: UnsafeMutablePointer<BufferPool>
    private var scratch = FieldScratch()
    private var output = Buffer()
    var now: UInt64 = 1_000_000_000
    /// In the order of their coming, as text.
    private(set) var seen: [String] = []
    private(set) var frames: [Frame] = []
    /// Heads and trailer sections as they came.
    private(set) var blocks: [[UInt8]] = []
    private(set) var outcome = Session.Outcome.fine
    /// The record of each stream that has sent a head.
    private(set) var records: [Int32: UInt32] = [:]
    /// Bytes of bodies are taken at once.
    var takesBodies = true
    private var isBytewise = false

    init(_ limits: SessionLimits = SessionLimits(), greets: Bool = true) {
        events = .allocate(capacity: 1)
        events.initialize(to: EventQueue())
        pool = .allocate(capacity: 1)
        pool.initialize(to: BufferPool(blocksMax: 256))
        session = Session(.server, limits, events: events, now: now)!
        if greets { receive(Fields.preface + Frame.settings().bytes) }
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

    func receive(_ frames: [Frame]) { receive(frames.flatMap(\.bytes)) }

    /// - Parameter piece: Bytes that are given at once.
    func receive(_ bytes: [UInt8], piece: Int = .max) {
        var rest = bytes[...]
        isBytewise = piece == 1
        while !rest.isEmpty {
            let part = [UInt8](rest.prefix(piece))
            rest = rest.dropFirst(piece)
            // Events of bodies refer to the bytes.
            part.withUnsafeBufferPointer {
                outcome = session.receive($0.baseAddress!, $0.count, now: now, &pool.pointee)
                while let event = events.pointee.next() { note(event) }
            }
            flush()
            guard outcome == .fine else { return }
        }
    }

    private func note(_ event: SessionEvent) {
        var event = event
        let isCurrent = event.stream == 0 || session.isCurrent(event)
        switch event.kind {
        case .head:
            records[event.stream] = event.record
            seen.append("\(event.stream) head \(text(&event.buffer))\(event.endsStream ? "" : " …")")
        case .oversizedHead:
            records[event.stream] = event.record
            pool.pointee.empty(&event.buffer)
            seen.append("\(event.stream) oversized")
        case .data:
            let text = String(decoding: bytes(event), as: UTF8.self)
            // One body, whatever the reads that it came in.
            if seen.last?.hasPrefix("\(event.stream) data ") == true && isBytewise {
                seen[seen.count - 1] += text
            } else {
                seen.append("\(event.stream) data \(text)")
            }
            if takesBodies && isCurrent { session.consume(event.count, of: event.stream) }
        case .trailers: seen.append("\(event.stream) trailers \(text(&event.buffer))")
        case .end: seen.append("\(event.stream) end")
        case .reset:
            seen.append("\(event.stream) reset \(event.code)")
            if isCurrent {
                session.release(event.record)
                records[event.stream] = nil
            }
        case .writable: seen.append("\(event.stream) writable")
        case .allWritable, .settings: break
        case .goAway: seen.append("goaway")
        }
    }

    private func bytes(_ event: SessionEvent) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: event.bytes, count: event.count)
    }

    private func text(_ buffer: inout Buffer) -> String {
        let bytes = [UInt8](UnsafeBufferPointer(start: buffer.bytes, count: buffer.count))
        pool.pointee.empty(&buffer)
        blocks.append(bytes)
        return String(decoding: bytes, as: UTF8.self).replacing("\r\n", with: "|")
    }

    // MARK: answering

    func flush() {
        while true {
            if !output.isHeld { precondition(pool.pointee.fill(&output)) }
            session.produce(into: &output)
            guard takeOutput() else { return }
        }
    }

    /// - Returns: Whether there was any.
    @discardableResult
    private func takeOutput() -> Bool {
        guard output.isHeld, !output.isEmpty else { return false }
        frames += Frame.all(in: [UInt8](UnsafeBufferPointer(start: output.bytes, count: output.count)))
        output.consume(output.count)
        return true
    }

    /// Answers with an HTTP/1.1 head.
    func respond(_ stream: Int32, _ head: String, endsStream: Bool) -> Bool {
        let bytes = [UInt8](head.replacing("|", with: "\r\n").utf8)
        let lines = bytes.firstIndex(of: 0x0a)! + 1
        let status = Int(String(decoding: bytes[9..<12], as: UTF8.self))!
        let taken = bytes.withUnsafeBufferPointer {
            scratch.fill(status: status, lines: $0.baseAddress! + lines, bytes.count - lines)
        }
        precondition(taken == bytes.count - lines, "\(head)")
        return session.respond(records[stream]!, status: status, scratch, endsStream: endsStream)
    }

    /// - Returns: Bytes that were taken.
    func send(_ stream: Int32, _ text: String, ends: Bool) -> Int {
        if !output.isHeld { precondition(pool.pointee.fill(&output)) }
        let bytes = [UInt8](text.utf8)
        defer { takeOutput() }
        return bytes.withUnsafeBufferPointer {
            session.send(records[stream]!, $0.baseAddress, $0.count, ends: ends, into: &output)
        }
    }

    func reset(_ stream: Int32, _ code: Session.ErrorCode) {
        session.reset(records[stream]!, code)
        flush()
    }

    // MARK: what came of it

    /// The code of the first GOAWAY with an error, or of any.
    var goAway: UInt32? { frames.last { $0.kind == .goAway }?.number(at: 4) }

    func reset(of stream: UInt32) -> UInt32? {
        frames.first { $0.kind == .reset && $0.stream == stream }?.number(at: 0)
    }

    func isOpen(_ stream: Int32) -> Bool {
        records[stream].map { !session.isClosed($0) } ?? false
    }

    /// Those in front of the client's own GOAWAY: once it has said that it leaves and no stream is left, the connection is over,
    /// and what it still sends is served only if it was read by then.
    func heads() -> [String] { seen.prefix { $0 != "goaway" }.filter { $0.contains(" head ") } }
}
