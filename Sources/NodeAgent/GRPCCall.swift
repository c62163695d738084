import EventLoop
import HTTP2

/// One call of `grpc.health.v1.Health/Check` on a connection of HTTP/2 of its own, without its socket: received bytes in,
/// bytes to send and the result out.
@safe
final class GRPCCall {
    /// Of everything that the endpoint sends: settings, head, message, trailers.
    static let receivedBytesMax = 64 * 1024
    /// Output, a block of fields that comes in, and two that wait to be looked at.
    private static let blocksMax = 4

    private var pool = BufferPool(blocksMax: blocksMax)
    private let events: UnsafeMutablePointer<EventQueue>
    private let session: Session
    private var output = Buffer()
    private var answer = GRPCAnswer()
    private var receivedBytes = 0

    /// - Returns: nil without memory.
    init?(service: String, authority: String, isSecure: Bool) {
        unsafe events = .allocate(capacity: 1)
        unsafe events.initialize(to: EventQueue())
        var limits = SessionLimits(headBytesMax: 8 * 1024)
        limits.connectionWindowBytes = limits.streamWindowBytes
        guard let session = unsafe Session(.client, limits, events: events, now: 0) else {
            unsafe events.deinitialize(count: 1)
            unsafe events.deallocate()
            return nil
        }
        self.session = session
        let record = session.call([
            .init(":method", "POST"), .init(":scheme", isSecure ? "https" : "http"), .init(":authority", authority),
            .init(":path", "/grpc.health.v1.Health/Check"), .init("te", "trailers"),
            .init("content-type", "application/grpc"), .init("user-agent", "sluice-health"),
        ])
        guard let record, pool.fill(&output) else { return nil }
        // Goes out with preface and head: windows have 65,535 bytes until the endpoint says otherwise (RFC 9113 §6.9.2).
        let message = HealthCheckMessage.request(service: service)
        let taken = unsafe message.withUnsafeBufferPointer { message in
            unsafe session.send(record, message.baseAddress, message.count, ends: true, into: &output)
        }
        precondition(taken == message.count, "\(taken) of a message of \(message.count) bytes")
    }

    deinit {
        while let event = unsafe events.pointee.next() {
            var event = event
            pool.empty(&event.buffer)
        }
        pool.empty(&output)
        session.destroy(&pool)
        unsafe events.deinitialize(count: 1)
        unsafe events.deallocate()
    }

    /// What the endpoint has to be sent, once.
    func takeOutput() -> [UInt8] {
        defer { output.consume(output.count) }
        return unsafe Array(UnsafeBufferPointer(start: output.bytes, count: output.count))
    }

    /// - Returns: The result once there is one.
    func received(_ bytes: ArraySlice<UInt8>) -> ProbeResult? {
        // The H of an HTTP/1.1 answer would begin a frame of 4 MiB or more, which nobody may send.
        if receivedBytes == 0 && bytes.first == 0x48 { return .failed(.grpc(.notHTTP2)) }
        receivedBytes += bytes.count
        guard receivedBytes <= GRPCCall.receivedBytesMax else { return .failed(.grpc(.broken)) }
        let (outcome, result) = unsafe bytes.withUnsafeBufferPointer { bytes in
            let outcome = unsafe session.receive(bytes.baseAddress!, bytes.count, now: 0, &pool)
            // Events of the message refer to the bytes.
            return (outcome, noteEvents())
        }
        if let result { return result }
        guard outcome == .fine else { return .failed(.grpc(.broken)) }
        session.produce(into: &output)
        // Resets by the library happen as it writes them.
        if let result = noteEvents() { return result }
        // The library has ended the session for what has come.
        return session.isOver ? .failed(.grpc(.broken)) : nil
    }

    /// - Returns: The first result that they bring.
    private func noteEvents() -> ProbeResult? {
        var result: ProbeResult?
        while let event = unsafe events.pointee.next() {
            let found = note(event)
            if result == nil { result = found }
        }
        return result
    }

    private func note(_ event: SessionEvent) -> ProbeResult? {
        var event = event
        defer { pool.empty(&event.buffer) }
        switch event.kind {
        case .head where event.isInterim: return nil
        case .head:
            let lines = lines(of: event)
            return answer.head(lines, status: GRPCCall.status(lines))
        case .data: return unsafe answer.data(UnsafeBufferPointer(start: event.bytes, count: event.count))
        case .trailers:
            answer.trailers(lines(of: event))
            return nil
        case .end: return answer.ended()
        case .reset: return .failed(.grpc(session.takeMalformedCount() > 0 ? .broken : .reset(event.code)))
        // What the endpoint may still send on our stream, if it is to be no other.
        case .goAway: return nil
        case .oversizedHead: return .failed(.grpc(.broken))
        case .writable, .allWritable: return nil
        }
    }

    private func lines(of event: SessionEvent) -> [UInt8] {
        guard event.buffer.isHeld else { return [] }
        return unsafe Array(UnsafeBufferPointer(start: event.buffer.bytes, count: event.buffer.count))
    }

    /// Of the line `HTTP/1.1 200 `, which the session has composed.
    private static func status(_ lines: [UInt8]) -> Int {
        guard case .status(let status) = StatusLine(lines) else { return 0 }
        return status
    }
}
