import EventLoop
import Foundation
import Synchronization
import Testing

@testable import Telemetry

/// A ring with its bell, freed with the value.
final class RingFixture: @unchecked Sendable {
    private let bell: UnsafeMutablePointer<WriterBell>
    let ring: LogRing

    init(capacity: Int) {
        bell = .allocate(capacity: 1)
        bell.initialize(to: WriterBell())
        ring = LogRing(capacity: capacity, bell: bell)
    }

    deinit {
        ring.destroy()
        bell.deinitialize(count: 1)
        bell.deallocate()
    }

    var state: UInt8 {
        get { bell.pointee.state.load(ordering: .sequentiallyConsistent) }
        set { bell.pointee.state.store(newValue, ordering: .sequentiallyConsistent) }
    }

    /// How often the bell was rung since the last look.
    func takeRings() -> UInt64 {
        var count: UInt64 = 0
        return read(bell.pointee.descriptor, &count, 8) == 8 ? count : 0
    }

    /// - Returns: Whether there was room.
    func put(_ bytes: [UInt8]) -> Bool {
        guard let place = ring.reserve(bytes.count) else { return false }
        place.copyMemory(from: bytes, byteCount: bytes.count)
        ring.commit()
        return true
    }

    func takeAll() -> [[UInt8]] {
        var all: [[UInt8]] = []
        _ = ring.read { bytes in
            all.append(Array(bytes))
            return true
        }
        return all
    }
}

@Suite("The ring of the access log")
struct LogRingTests {
    @Test("records come out as they went in, in order")
    func order() {
        let fixture = RingFixture(capacity: 4096)
        let records = (0..<20).map { [UInt8](repeating: UInt8($0), count: $0) }
        for record in records { #expect(fixture.put(record)) }
        #expect(fixture.takeAll() == records)
        #expect(fixture.takeAll().isEmpty)
    }

    @Test("a record that fits exactly is taken, one byte of padding more is not", arguments: [-8, 0, 8])
    func full(excess: Int) {
        let fixture = RingFixture(capacity: 4096)
        #expect(fixture.put([UInt8](repeating: 1, count: 2040)))
        // Two headers of 8 bytes: 2,040 more fill the ring.
        #expect(fixture.put([UInt8](repeating: 2, count: 2040 + excess)) == (excess <= 0))
        #expect(fixture.ring.dropped == (excess > 0 ? 1 : 0))
        #expect(fixture.takeAll().count == (excess > 0 ? 1 : 2))
        #expect(fixture.put([UInt8](repeating: 3, count: 2040)), "what was read makes room")
    }

    @Test("no record is broken at the end of the memory", arguments: [1, 7, 8, 100, 1000, 1023])
    func wrap(length: Int) {
        let fixture = RingFixture(capacity: 4096)
        for round in 0..<200 {
            let first = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: length)
            let second = [UInt8](repeating: UInt8(truncatingIfNeeded: round + 1), count: (length * 7 + round) % 900)
            #expect(fixture.put(first) && fixture.put(second))
            #expect(fixture.takeAll() == [first, second], "round \(round)")
        }
        #expect(fixture.ring.dropped == 0)
    }

    @Test("each record without room is counted, and those that are in stay")
    func drops() {
        let fixture = RingFixture(capacity: 4096)
        var taken = 0
        while fixture.put([UInt8](repeating: 9, count: 100)) { taken += 1 }
        for _ in 0..<9 { #expect(!fixture.put([UInt8](repeating: 9, count: 100))) }
        #expect(fixture.ring.dropped == 10)
        #expect(fixture.takeAll().count == taken)
    }

    @Test("a reader may leave a record for later")
    func leave() {
        let fixture = RingFixture(capacity: 4096)
        for number in 0..<4 { #expect(fixture.put([UInt8(number)])) }
        var seen: [UInt8] = []
        let taken = fixture.ring.read { bytes in
            if bytes[0] == 2 { return false }
            seen.append(bytes[0])
            return true
        }
        #expect(taken == 2 && seen == [0, 1])
        #expect(fixture.takeAll() == [[2], [3]])
    }

    @Test("the bell rings once for a sleeper, for a napper when the ring is more than half full, else never")
    func bell() {
        let fixture = RingFixture(capacity: 4096)
        fixture.state = WriterBell.awake
        #expect(fixture.put([1]))
        #expect(fixture.takeRings() == 0)
        fixture.state = WriterBell.asleep
        #expect(fixture.put([1]) && fixture.put([1]))
        #expect(fixture.takeRings() == 1)
        _ = fixture.takeAll()
        fixture.state = WriterBell.napping
        // 2,048 bytes with the headers are half.
        #expect(fixture.put([UInt8](repeating: 0, count: 1016)) && fixture.put([UInt8](repeating: 0, count: 1016)))
        #expect(fixture.takeRings() == 0)
        #expect(fixture.put([1]))
        #expect(fixture.takeRings() == 1)
    }

    /// Run under the thread sanitizer this looks at the ordering, too.
    @Test("two threads: every record that found room arrives, whole and in order")
    func twoThreads() {
        let fixture = RingFixture(capacity: 4096)
        let count: UInt64 = 50_000
        let accepted = Locked<[UInt64]>([])
        let producer = Foundation.Thread {
            var mine: [UInt64] = []
            for number in 0..<count {
                let words = Int(number % 9) + 1
                guard let place = fixture.ring.reserve(words * 8) else { continue }
                for word in 0..<words { place.storeBytes(of: number, toByteOffset: word * 8, as: UInt64.self) }
                fixture.ring.commit()
                mine.append(number)
            }
            accepted.set(mine)
        }
        producer.start()
        var received: [UInt64] = []
        var expected: [UInt64]?
        repeat {
            expected = accepted.value.isEmpty ? nil : accepted.value
            _ = fixture.ring.read { bytes in
                let words = (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
                #expect(words.count == Int(words[0] % 9) + 1 && words.allSatisfy { $0 == words[0] })
                received.append(words[0])
                return true
            }
        } while expected == nil
        #expect(received == expected)
        #expect(fixture.ring.dropped == count - UInt64(received.count))
    }
}

/// A value under a lock.
final class Locked<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var stored: Value

    init(_ value: Value) { stored = value }

    var value: Value { lock.withLock { stored } }
    func set(_ value: Value) { lock.withLock { stored = value } }
}
