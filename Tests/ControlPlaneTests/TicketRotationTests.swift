import NodeLink
import TLS
import Testing

@testable import ControlPlane

@Suite("Rotation of session ticket keys")
struct TicketRotationTests {
    private let keys = TicketKeys.random()
    private let period = Controller.ticketPeriodSeconds

    @Test("keys stay for a period, to the second", arguments: [(0, 0), (-1, 0), (1, 1)])
    func period(more: Int64, rotations: Int) {
        var kept = KeptTicketKeys(keys, at: 1000)
        kept.catchUp(now: 1000 + (more == 0 ? 0 : period + min(more, 0)))
        #expect((kept.keys == keys) == (rotations == 0))
        #expect(kept.rotatedAt == (rotations == 0 ? 1000 : 1000 + period))
    }

    @Test("what was next is in use after a period, and nothing is left after three")
    func catchingUp() {
        let size = TicketKeys.keyBytes
        var kept = KeptTicketKeys(keys, at: 0)
        kept.catchUp(now: period)
        #expect(kept.keys.bytes[size..<2 * size] == keys.bytes[2 * size..<3 * size])
        #expect(kept.keys.bytes[..<size] == keys.bytes[size..<2 * size])
        kept.catchUp(now: 100 * period + 5)
        #expect(kept.rotatedAt == 100 * period)
        for number in 0..<3 {
            let old = keys.bytes[number * size..<(number + 1) * size]
            #expect((0..<3).allSatisfy { kept.keys.bytes[$0 * size..<($0 + 1) * size] != old })
        }
    }

    @Test("a clock that was set back is a new beginning")
    func clockSetBack() {
        var kept = KeptTicketKeys(keys, at: 1_000_000)
        kept.catchUp(now: 500)
        #expect(kept == KeptTicketKeys(keys, at: 500))
    }

    @Test("text and back; anything else is refused")
    func text() {
        let kept = KeptTicketKeys(keys, at: 77)
        #expect(KeptTicketKeys(kept.text) == kept)
        for text in ["", "77", "x \(kept.text.dropFirst(3))", String(kept.text.dropLast(2)), kept.text + "0"] {
            #expect(KeptTicketKeys(text) == nil)
        }
    }

    @Test("proxies get the keys, forwarders don't, and new keys are a new version")
    func publication() {
        var members = Members(incarnation: 1)
        members.ticketKeys = keys
        let first = members.steps().compactMap { step -> Membership? in
            if case .publish(let membership, _) = step { membership } else { nil }
        }
        #expect(first.map(\.ticketKeys) == [keys])
        #expect(first[0].known(to: .forwarder).ticketKeys == nil)
        #expect(first[0].known(to: .proxy) == first[0])
        members.ticketKeys = keys.rotated()
        let second = members.steps().compactMap { step -> Bool? in
            if case .publish(let membership, let toProxies) = step {
                toProxies && membership.version > first[0].version
            } else {
                nil
            }
        }
        #expect(second == [true])
    }
}
