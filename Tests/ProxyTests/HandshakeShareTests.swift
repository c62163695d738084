import Testing

@testable import Proxy

@Suite("Share of handshakes in a worker's time")
struct HandshakeShareTests {
    private static let period = HandshakeShare.periodNanoseconds

    /// Turns of a tenth of a period with so much of each spent on handshakes, for two periods.
    private func go(_ share: inout HandshakeShare, from now: inout UInt64, percent: UInt64) {
        for _ in 0..<20 {
            now += Self.period / 10
            _ = share.turnEnded(spent: Self.period / 1000 * percent, now: now)
        }
    }

    @Test(
        "is large from a quarter on",
        arguments: [(24, false), (25, true), (26, true), (100, true)] as [(UInt64, Bool)])
    func begins(percent: UInt64, isLarge: Bool) {
        var (share, now) = (HandshakeShare(), UInt64(1_000_000_000_000))
        go(&share, from: &now, percent: percent)
        #expect(share.isLarge == isLarge)
    }

    @Test(
        "stays large down to an eighth",
        arguments: [(24, true), (13, true), (12, false), (0, false)] as [(UInt64, Bool)])
    func ends(percent: UInt64, isLarge: Bool) {
        var (share, now) = (HandshakeShare(), UInt64(1_000_000_000_000))
        go(&share, from: &now, percent: 90)
        go(&share, from: &now, percent: percent)
        #expect(share.isLarge == isLarge)
    }

    @Test("is judged once a period, and a change is told once")
    func period() {
        var share = HandshakeShare()
        let start: UInt64 = 1_000_000_000_000
        func changes(spent: UInt64, after nanoseconds: UInt64) -> Bool {
            share.turnEnded(spent: spent, now: start + nanoseconds)
        }
        // The first turn ends a period that began with the machine.
        #expect(!changes(spent: 0, after: 0))
        #expect(!changes(spent: Self.period, after: Self.period - 1))
        #expect(!share.isLarge)
        #expect(changes(spent: 0, after: Self.period))
        #expect(share.isLarge)
        #expect(!changes(spent: Self.period, after: 2 * Self.period))
        #expect(share.isLarge)
    }

    @Test("one handshake after a rest, however long it takes, is not large")
    func rest() {
        var (share, now) = (HandshakeShare(), UInt64(1_000_000_000_000))
        go(&share, from: &now, percent: 0)
        let hasChanged = share.turnEnded(spent: Self.period, now: now + 100 * Self.period)
        #expect(!hasChanged)
        #expect(!share.isLarge)
    }
}
