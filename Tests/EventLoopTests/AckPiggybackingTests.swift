import EventLoop
import Testing

@Suite("Acknowledgements by the next request")
struct AckPiggybackingTests {
    /// A connection: responses cost segments that depend on how they are read.
    struct Connection {
        var piggybacking = AckPiggybacking()
        var now: UInt64 = 1_000_000_000
        /// Bare segments sent; of a number that wraps.
        var sent = UInt32.max - 20
        /// Of eight responses that are read, or looked at, so many are acknowledged at once.
        var ofReading: UInt32 = 8
        var ofPeeking: UInt32 = 0
        var isTCP = true
        private var number: UInt32 = 0

        /// - Returns: Whether the response was looked at.
        mutating func response(isWhole: Bool = true, after time: UInt64 = 1_000_000) -> Bool {
            let peeks = piggybacking.peeks
            now += time
            // The number that `measure` sees is that of a whole measurement.
            number = (number + 1) % 8
            if number < (peeks ? ofPeeking : ofReading) { sent &+= 1 }
            if piggybacking.noteResponse(isWhole: isWhole) { piggybacking.measure(isTCP ? sent : nil, now: now) }
            return peeks
        }

        /// Responses looked at among so many.
        mutating func peeks(in count: Int, isWhole: Bool = true, after time: UInt64 = 1_000_000) -> Int {
            var peeks = 0
            for _ in 0..<count where response(isWhole: isWhole, after: time) { peeks += 1 }
            return peeks
        }
    }

    private static let first = Int(AckPiggybacking.firstResponses)
    private static let measured = Int(AckPiggybacking.measuredResponses)
    private static let period = Int(AckPiggybacking.periodResponses)

    @Test("responses are looked at once that has saved segments")
    func saves() {
        var connection = Connection()
        #expect(connection.peeks(in: Self.first + Self.measured) == 0)
        #expect(connection.peeks(in: Self.measured + Self.period) == Self.measured + Self.period)
        // Measured anew, with the same outcome.
        #expect(connection.peeks(in: Self.measured) == 0)
        #expect(connection.peeks(in: 100) == 100)
    }

    @Test(
        "where segments are few or stay, responses are read",
        arguments: [
            (ofReading: 3, ofPeeking: 0, peeks: 0), (4, 0, 108), (8, 4, 108), (8, 5, 8), (8, 8, 8), (0, 0, 0),
        ])
    func measures(ofReading: UInt32, ofPeeking: UInt32, peeks: Int) {
        var connection = Connection()
        (connection.ofReading, connection.ofPeeking) = (ofReading, ofPeeking)
        #expect(connection.peeks(in: Self.first + 2 * Self.measured + 100) == peeks)
    }

    @Test("what was decided holds for a period")
    func period() {
        var connection = Connection()
        connection.ofReading = 0
        #expect(connection.peeks(in: Self.first + Self.measured) == 0)
        connection.ofReading = 8
        #expect(connection.peeks(in: Self.period + Self.measured) == 0)
        #expect(connection.peeks(in: 100) == 100)
    }

    @Test("at few responses a second the kernel's timer acknowledges them all", arguments: [(20, 100), (21, 0)])
    func slow(milliseconds: UInt64, peeks: Int) {
        var connection = Connection()
        _ = connection.peeks(in: Self.first)
        _ = connection.peeks(in: Self.measured, after: milliseconds * 1_000_000)
        #expect(connection.peeks(in: 100) == peeks)
    }

    @Test("responses that are looked at and then read shorten the period")
    func broken() {
        var connection = Connection()
        _ = connection.peeks(in: Self.first + 2 * Self.measured)
        let count = Self.period / Int(AckPiggybacking.brokenWeight)
        #expect(connection.peeks(in: count, isWhole: false) == count)
        #expect(connection.peeks(in: Self.measured) == 0)
    }

    @Test("what is no TCP is read")
    func otherSockets() {
        var connection = Connection()
        connection.isTCP = false
        #expect(connection.peeks(in: 3 * Self.period) == 0)
    }
}
