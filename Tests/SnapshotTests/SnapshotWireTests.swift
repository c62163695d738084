import Balancing
import EventLoop
import Testing

@testable import Snapshot

@Suite("The wire form of a snapshot")
struct SnapshotWireTests {
    private static let encoded = Samples.snapshot.encoded()

    @Test("what is written is read")
    func roundTrip() throws {
        #expect(try Snapshot(encoded: SnapshotWireTests.encoded) == Samples.snapshot)
        let bare = Snapshot(revision: 0, site: "")
        #expect(try Snapshot(encoded: bare.encoded()) == bare)
    }

    @Test("the same snapshot has the same bytes and digest, another one has others")
    func digest() {
        var other = Samples.snapshot
        other.revision += 1
        #expect(Samples.snapshot.encoded() == SnapshotWireTests.encoded)
        #expect(
            Snapshot.digest(ofEncoded: other.encoded()) != Snapshot.digest(ofEncoded: SnapshotWireTests.encoded))
        #expect(Snapshot.digest(ofEncoded: []) == 0)
    }

    @Test("a snapshot cut at any byte is refused")
    func truncation() {
        for count in 0..<SnapshotWireTests.encoded.count {
            #expect(throws: WireError.self, "\(count) bytes") {
                try Snapshot(encoded: Array(SnapshotWireTests.encoded.prefix(count)))
            }
        }
    }

    @Test("a body cut at any byte is refused though its digest is right")
    func truncationWithDigest() {
        let body = SnapshotWireTests.encoded.dropLast(8)
        for count in 0..<body.count {
            #expect(throws: WireError.self, "\(count) bytes") {
                try Snapshot(encoded: SnapshotWireTests.sealed(body.prefix(count)))
            }
        }
    }

    @Test("one bit flipped anywhere is refused")
    func flippedBit() {
        for index in SnapshotWireTests.encoded.indices {
            var bytes = SnapshotWireTests.encoded
            bytes[index] ^= 1 << UInt8(index % 8)
            #expect(throws: WireError.invalid("digest"), "byte \(index)") { try Snapshot(encoded: bytes) }
        }
    }

    @Test("bytes after the snapshot are refused, with and without a digest over them")
    func trailingBytes() {
        #expect(throws: WireError.invalid("digest")) { try Snapshot(encoded: SnapshotWireTests.encoded + [0]) }
        let longer = SnapshotWireTests.sealed(SnapshotWireTests.encoded.dropLast(8) + [0])
        #expect(throws: WireError.trailingBytes) { try Snapshot(encoded: longer) }
    }

    @Test("another format version and another magic are refused")
    func versions() {
        var bytes = Array(SnapshotWireTests.encoded.dropLast(8))
        bytes[4] += 1
        #expect(throws: WireError.invalid("format version")) {
            try Snapshot(encoded: SnapshotWireTests.sealed(bytes[...]))
        }
        bytes[0] += 1
        #expect(throws: WireError.invalid("magic")) { try Snapshot(encoded: SnapshotWireTests.sealed(bytes[...])) }
    }

    @Test("an index that points nowhere is refused", arguments: ["listener pool", "route pool", "route listener"])
    func danglingIndex(kind: String) {
        var snapshot = Samples.snapshot
        switch kind {
        case "listener pool": snapshot.listeners[1].pool = snapshot.pools.count
        case "route pool": snapshot.routes[0].targets[0].pool = snapshot.pools.count
        default: snapshot.routes[0].listeners = [snapshot.listeners.count]
        }
        #expect(throws: WireError.self) { try Snapshot(encoded: snapshot.encoded()) }
    }

    @Test("a route without a pool is refused")
    func routeWithoutPool() {
        var snapshot = Samples.snapshot
        snapshot.routes[0].targets = []
        #expect(throws: WireError.self) { try Snapshot(encoded: snapshot.encoded()) }
    }

    @Test("a route with a pool and an answer is refused, and one with a status that no answer has")
    func answers() {
        var snapshot = Samples.snapshot
        snapshot.routes[0].answer = RouteAnswer(status: 200)
        #expect(throws: WireError.self) { try Snapshot(encoded: snapshot.encoded()) }
        for (status, isGood) in [(199, false), (200, true), (599, true), (600, false)] {
            snapshot.routes[0].targets = []
            snapshot.routes[0].answer = RouteAnswer(status: status)
            #expect(((try? Snapshot(encoded: snapshot.encoded())) != nil) == isGood, "\(status)")
        }
    }

    @Test("the body of an answer has 32 KiB at most", arguments: [(32 * 1024, true), (32 * 1024 + 1, false)])
    func answerBody(count: Int, isGood: Bool) {
        var snapshot = Samples.snapshot
        snapshot.errorPages[0].body = [UInt8](repeating: 0x61, count: count)
        #expect(((try? Snapshot(encoded: snapshot.encoded())) != nil) == isGood)
    }

    /// What is read without an error must be a snapshot that is written and read again as the same.
    @Test("no mutation traps, with a right digest over it", arguments: 1...40 as ClosedRange<UInt64>)
    func mutations(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let body = Array(SnapshotWireTests.encoded.dropLast(8))
        for _ in 0..<100 {
            let bytes = SnapshotWireTests.sealed(random.mutated(body)[...])
            guard let snapshot = try? Snapshot(encoded: bytes) else { continue }
            #expect(try Snapshot(encoded: snapshot.encoded()) == snapshot, "seed \(seed)")
        }
    }

    /// A body with the digest that belongs to it.
    private static func sealed(_ body: ArraySlice<UInt8>) -> [UInt8] {
        let bytes = Array(body)
        var out = WireWriter()
        out.write(Hash64.xxh64(bytes))
        return bytes + out.bytes
    }
}
