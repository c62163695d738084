import EventLoop
import HTTP1
import HTTP2
import HTTPMessage

/// A client's session with the frames of a server before it and a list of what came of them behind it.
final class ClientBench {
    let session: Session
    private let events: UnsafeMutablePointer<EventQueue>
    private let pool: UnsafeMutablePointer<BufferPool>
    private var scratch = FieldScratch()
    private var output = Buffer()
    /// In the order of their coming, as text.
    private(set) var seen: [String] = []
    /// What the server got, without the preface.
    private(set) var frames: [Frame] = []
    private(set) var records: [Int32: UInt32] = [:]
    private var hasPreface = false

    init(_ limits: SessionLimits = SessionLimits(), settings: [(UInt16, UInt32)] = []) {
        events = .allocate(capacity: 1)
        events.initialize(to: EventQueue())
        pool = .allocate(capacity: 1)
        pool.initialize(to: BufferPool(blocksMax: 256))
        session = Session(.client, limits, events: events, now: 1)!
        flush()
        receive([.settings(settings)])
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

    /// Begins a stream with an HTTP/1.1 head whose line ends are written as `|`.
    ///
    /// - Returns: Its number; nil when the session makes none.
    func request(_ head: String, endsStream: Bool = true, writes: Bool = true) -> Int32? {
        let bytes = [UInt8](head.replacing("|", with: "\r\n").utf8)
        var fields = FieldTable()
        var parsed = RequestHead()
        let outcome = parsed.parse(
            bytes.span, limits: HeadLimits(headBytesMax: 65_535, fieldCountMax: 256), fields: &fields)
        precondition(outcome == .complete, "\(outcome)")
        let record = bytes.withUnsafeBufferPointer { bytes in
            func part(_ start: Int, _ count: Int) -> UnsafeBufferPointer<UInt8> {
                UnsafeBufferPointer(rebasing: bytes[start..<start + count])
            }
            let pseudo = Session.PseudoFields(
                method: part(0, parsed.methodLength), isSecure: false,
                authority: part(parsed.hostStart, parsed.hostLength),
                path: part(parsed.originStart, parsed.originLength),
                opensWebSocket: parsed.asksForWebSocket)
            return session.request(
                pseudo, fields, bytes.baseAddress!, takesTrailers: parsed.facts.takesTrailers, endsStream: endsStream,
                &scratch)
        }
        guard let record else { return nil }
        let stream = session.stream(of: record)
        records[stream] = record
        if writes { flush() }
        return stream
    }

    func send(_ stream: Int32, _ text: String, ends: Bool) -> Int {
        if !output.isHeld { precondition(pool.pointee.fill(&output)) }
        var text = text
        let taken = text.withUTF8 {
            session.send(records[stream]!, $0.baseAddress, $0.count, ends: ends, into: &output)
        }
        flush()
        return taken
    }

    func release(_ stream: Int32) {
        session.release(records[stream]!)
        records[stream] = nil
    }

    func receive(_ frames: [Frame]) { receive(frames.flatMap(\.bytes)) }

    func receive(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer {
            _ = session.receive($0.baseAddress!, $0.count, now: 1, &pool.pointee)
            takeEvents()
        }
        flush()
    }

    func flush() {
        while true {
            if !output.isHeld { precondition(pool.pointee.fill(&output)) }
            session.produce(into: &output)
            guard !output.isEmpty else { break }
            var bytes = [UInt8](UnsafeBufferPointer(start: output.bytes, count: output.count))
            output.consume(output.count)
            if !hasPreface { bytes.removeFirst(Fields.preface.count) }
            hasPreface = true
            frames += Frame.all(in: bytes)
        }
        takeEvents()
    }

    private func takeEvents() { while let event = events.pointee.next() { note(event) } }

    private func note(_ event: SessionEvent) {
        var event = event
        let isCurrent = event.stream == 0 || session.isCurrent(event)
        defer { pool.pointee.empty(&event.buffer) }
        let text =
            event.buffer.isHeld
            ? String(
                decoding: UnsafeBufferPointer(start: event.buffer.bytes, count: event.buffer.count), as: UTF8.self
            ).replacing("\r\n", with: "|") : ""
        switch event.kind {
        case .head: seen.append("\(event.stream) \(event.isInterim ? "interim" : "head") \(text)")
        case .oversizedHead: seen.append("\(event.stream) oversized")
        case .data:
            let bytes = UnsafeBufferPointer(start: event.bytes, count: event.count)
            seen.append("\(event.stream) data \(String(decoding: bytes, as: UTF8.self))")
            session.consume(event.count, of: event.stream)
        case .trailers: seen.append("\(event.stream) trailers \(text)")
        case .end: seen.append("\(event.stream) end")
        case .reset:
            let why = event.isUnsent ? " unsent" : event.isMalformed ? " malformed" : ""
            seen.append("\(event.stream) reset \(event.code)\(why)")
            if isCurrent { release(event.stream) }
        case .writable: seen.append("\(event.stream) writable")
        case .allWritable, .settings: break
        case .goAway: seen.append("goaway \(event.lastStream)")
        }
    }
}
