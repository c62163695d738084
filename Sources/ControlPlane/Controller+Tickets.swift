import EventLoop
import Logging
import NodeLink
import TLS

/// Keys of session tickets: made, kept, handed out and rotated here, so that all nodes have the same at all times.
extension Controller {
    /// How long tickets are sealed with one key. They are opened for another period, and the next key is with every node
    /// a period before its first use.
    static let ticketPeriodSeconds: Int64 = 12 * 3600

    /// Takes up the keys of the former control plane, and rotates them from now on.
    func beginTicketRotation() async throws {
        let stored = try await store.setting(.ticketKeys).flatMap { KeptTicketKeys($0) }
        var first = stored ?? KeptTicketKeys(.random(), at: Clock.wallSeconds())
        first.catchUp(now: Clock.wallSeconds())
        await keep(first)
        let begun = first
        ticketRotation = Task { [weak self] in
            var kept = begun
            while !Task.isCancelled {
                let wait = max(1, kept.rotatedAt + Controller.ticketPeriodSeconds - Clock.wallSeconds())
                guard (try? await Task.sleep(for: .seconds(wait))) != nil else { return }
                kept.catchUp(now: Clock.wallSeconds())
                await self?.rotate(to: kept)
            }
        }
    }

    private func rotate(to kept: KeptTicketKeys) async {
        await keep(kept)
        logger.info("keys of session tickets rotated")
        advance()
    }

    private func keep(_ kept: KeptTicketKeys) async {
        members.ticketKeys = kept.keys
        do {
            try await store.set(.ticketKeys, to: kept.text)
        } catch {
            logger.error("keys of session tickets are not stored: \(error)")
        }
    }
}

/// Keys and their age.
struct KeptTicketKeys: Equatable, Sendable {
    private(set) var keys: TicketKeys
    /// Unix time.
    private(set) var rotatedAt: Int64

    init(_ keys: TicketKeys, at time: Int64) {
        self.keys = keys
        rotatedAt = time
    }

    /// What `text` says.
    init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, let time = Int64(words[0]), words[1].utf8.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        var digits = words[1][...]
        while !digits.isEmpty {
            guard let byte = UInt8(digits.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            digits = digits.dropFirst(2)
        }
        guard let keys = TicketKeys(bytes: bytes) else { return nil }
        self.init(keys, at: time)
    }

    var text: String {
        let digits = keys.bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
        return "\(rotatedAt) \(digits)"
    }

    /// Rotates once for each period that has passed; after three nothing of the old ones is left. A clock that was set back
    /// counts as a new beginning.
    mutating func catchUp(now: Int64) {
        if now < rotatedAt { rotatedAt = now }
        let periods = (now - rotatedAt) / Controller.ticketPeriodSeconds
        for _ in 0..<min(periods, Int64(TicketKeys.count)) { keys = keys.rotated() }
        rotatedAt += periods * Controller.ticketPeriodSeconds
    }
}

extension Membership {
    /// Without what a node of that role has no use for.
    func known(to role: Hello.Role?) -> Membership {
        guard role != .proxy else { return self }
        var membership = self
        membership.ticketKeys = nil
        return membership
    }
}
