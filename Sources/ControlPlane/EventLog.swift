import Foundation

/// What has changed at the site, for operators: the newest events, and who waits for more.
///
/// Events are numbered from the start of the control plane. One who reads slower than events come loses the oldest, and
/// sees that by the numbers.
struct EventLog: Sendable {
    /// Events that are kept for those who ask later, and for each slow reader.
    static let keptMax = 1000

    private var kept: [EventDocument] = []
    private var next: UInt64 = 1
    private var readers: [UInt64: AsyncStream<EventDocument?>.Continuation] = [:]
    private var readerCount: UInt64 = 0

    /// Those kept with a number above `after`, the oldest first.
    func events(after: UInt64) -> [EventDocument] { kept.filter { $0.id > after } }

    mutating func add(_ event: EventDocument) {
        var event = event
        event.id = next
        event.time = Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        next += 1
        if kept.count == EventLog.keptMax { kept.removeFirst() }
        kept.append(event)
        for reader in readers.values { reader.yield(event) }
    }

    /// - Returns: Events from then on, and nil now and then: a sign of life that finds out who has gone. The number is for
    ///   `remove`.
    mutating func addReader(after: UInt64) -> (stream: AsyncStream<EventDocument?>, number: UInt64) {
        readerCount += 1
        let (stream, continuation) = AsyncStream<EventDocument?>.makeStream(
            bufferingPolicy: .bufferingNewest(EventLog.keptMax))
        for event in events(after: after) { continuation.yield(event) }
        readers[readerCount] = continuation
        return (stream, readerCount)
    }

    mutating func remove(reader number: UInt64) { readers.removeValue(forKey: number)?.finish() }

    var hasReaders: Bool { !readers.isEmpty }

    func signOfLife() { for reader in readers.values { reader.yield(nil) } }

    mutating func end() {
        for reader in readers.values { reader.finish() }
        readers = [:]
    }
}

/// One line of `/v1/events`.
package struct EventDocument: Codable, Equatable, Sendable {
    package struct Votes: Codable, Equatable, Sendable {
        package var up: Int
        package var down: Int
    }
    /// Grows by one with each event of a control plane's life.
    package var id: UInt64 = 0
    /// RFC 3339, UTC.
    package var time = ""
    /// `endpoint`, `ejection`, `node` or `revision`.
    package var kind: String
    /// `pool/address`, a node's id, or the site's name.
    package var name: String
    /// What it is now: as in `/v1/pools` and `/v1/nodes`; `ejected` or `returned`; a revision's number.
    package var state: String
    /// What it was before; absent for an ejection.
    package var from: String?
    package var reason: String?
    /// The node that ejects.
    package var node: String?
    /// Of an endpoint that is probed.
    package var votes: Votes?

    init(
        kind: String, name: String, state: String, from: String? = nil, reason: String? = nil, node: String? = nil,
        votes: Votes? = nil
    ) {
        self.kind = kind
        self.name = name
        self.state = state
        self.from = from
        self.reason = reason
        self.node = node
        self.votes = votes
    }
}
