import Dispatch
import EventLoop
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Telemetry

/// A log with one ring, a directory of its own, and a thread that ends with the test.
private final class LogFixture {
    let directory: String
    let log: AccessLog
    private var sent = 0

    init(ringBytes: Int = AccessLog.ringBytes) throws {
        var template = Array("/tmp/sluice-log-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        log = AccessLog(workers: 1, ringBytes: ringBytes)
    }

    deinit {
        log.end()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// The writer waits for the first record.
    var isAsleep: Bool { log.bell.pointee.state.load(ordering: .relaxed) == WriterBell.asleep }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// Logs `count` requests whose status is their number from 0, modulo 60,000.
    ///
    /// - Returns: How many found room.
    @discardableResult
    func send(_ count: Int) -> Int {
        var taken = 0
        for _ in 0..<count {
            var record = AccessRecord(client: IPEndpoint("192.0.2.7:1")!)
            record.status = UInt16(sent % 60_000)
            sent += 1
            if log.rings[0].append(record, AccessTexts()) { taken += 1 }
        }
        return taken
    }

    func lines(_ name: String) throws -> [String] {
        let text = try String(contentsOfFile: path(name), encoding: .utf8)
        #expect(text.isEmpty || text.hasSuffix("\n"))
        return text.split(separator: "\n").map(String.init)
    }
}

@Suite("The writer of the access log")
struct AccessLogTests {
    private static func settings(
        _ path: String, max: Int? = nil, keep: Int = 5
    ) -> AccessLogSettings {
        AccessLogSettings(target: .file(path), fields: [.status], fileBytesMax: max, keptFiles: keep)
    }

    private static func expected(_ range: Range<Int>) -> [String] { range.map { "{\"status\":\($0)}" } }

    @Test("what comes before the first settings waits for them")
    func early() throws {
        let fixture = try LogFixture()
        fixture.send(3)
        fixture.log.use(Self.settings(fixture.path("a.log")))
        #expect(fixture.log.flush(within: .seconds(10)))
        #expect(try fixture.lines("a.log") == Self.expected(0..<3))
    }

    @Test("what is in the ring is in the file after a flush, in order")
    func writes() throws {
        let fixture = try LogFixture()
        fixture.log.use(Self.settings(fixture.path("a.log")))
        fixture.send(1000)
        #expect(fixture.log.flush(within: .seconds(10)))
        #expect(try fixture.lines("a.log") == Self.expected(0..<1000))
        #expect(fixture.log.counts == .init(written: 1000, droppedFull: 0, droppedFailed: 0))
    }

    @Test("lines come without a flush, and after a rest")
    func wakes() throws {
        let fixture = try LogFixture()
        fixture.log.use(Self.settings(fixture.path("a.log")))
        // Three times from sleep, each followed by more while the writer naps.
        for round in 1...3 {
            try eventually { fixture.isAsleep }
            fixture.send(1)
            try eventually { fixture.log.counts.written == UInt64(round * 2 - 1) }
            fixture.send(1)
            try eventually { fixture.log.counts.written == UInt64(round * 2) }
        }
        #expect(try fixture.lines("a.log") == Self.expected(0..<6))
    }

    @Test("a renamed file is left at the order to reopen; what came before goes into it")
    func reopen() throws {
        let fixture = try LogFixture()
        fixture.log.use(Self.settings(fixture.path("a.log")))
        fixture.send(3)
        #expect(fixture.log.flush(within: .seconds(10)))
        try FileManager.default.moveItem(atPath: fixture.path("a.log"), toPath: fixture.path("old.log"))
        fixture.send(2)
        #expect(fixture.log.flush(within: .seconds(10)))
        fixture.log.reopen()
        #expect(fixture.log.flush(within: .seconds(10)), "orders are followed in turn")
        fixture.send(2)
        #expect(fixture.log.flush(within: .seconds(10)))
        #expect(try fixture.lines("old.log") == Self.expected(0..<5))
        #expect(try fixture.lines("a.log") == Self.expected(5..<7))
    }

    @Test("another target gets what comes after it, and nothing is lost between the two")
    func change() throws {
        let fixture = try LogFixture()
        fixture.log.use(Self.settings(fixture.path("a.log")))
        fixture.send(100)
        fixture.log.use(Self.settings(fixture.path("b.log")))
        fixture.send(100)
        #expect(fixture.log.flush(within: .seconds(10)))
        fixture.send(100)
        #expect(fixture.log.flush(within: .seconds(10)))
        let (a, b) = (try fixture.lines("a.log"), try fixture.lines("b.log"))
        #expect(a + b == Self.expected(0..<300))
        #expect(b.count >= 100)
        fixture.log.use(nil)
        #expect(fixture.log.flush(within: .seconds(10)))
        fixture.send(5)
        #expect(fixture.log.flush(within: .seconds(10)))
        #expect(try fixture.lines("b.log") == b, "a log that is off writes nothing")
    }

    /// A line with a number of one digit has 13 bytes.
    @Test("a file is renamed once it has its size", arguments: [-1, 0, 1])
    func size(excess: Int) throws {
        let fixture = try LogFixture()
        fixture.log.use(Self.settings(fixture.path("a.log"), max: 130 + excess))
        fixture.send(10)
        #expect(fixture.log.flush(within: .seconds(10)))
        #expect(try fixture.lines(excess <= 0 ? "a.log.1" : "a.log").count == 10)
        #expect(FileManager.default.fileExists(atPath: fixture.path("a.log.1")) == (excess <= 0))
    }

    @Test("the oldest file goes when there are more than are kept", arguments: [1, 2, 5])
    func keep(count: Int) throws {
        let fixture = try LogFixture()
        fixture.log.use(Self.settings(fixture.path("a.log"), max: 1, keep: count))
        for _ in 0..<8 {
            fixture.send(1)
            #expect(fixture.log.flush(within: .seconds(10)))
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.directory).sorted()
        #expect(names == (1...count).map { "a.log.\($0)" })
        #expect(try fixture.lines("a.log.1") == Self.expected(7..<8))
        #expect(try fixture.lines("a.log.\(count)") == Self.expected(8 - count..<9 - count))
    }

    @Test("several writers rename one file by size and lose no line")
    func sharedRotation() throws {
        let fixture = try LogFixture()
        let logs = (0..<4).map { _ in AccessLog(workers: 1) }
        defer { for log in logs { log.end() } }
        let settings = Self.settings(fixture.path("a.log"), max: 64 * 1024, keep: 100)
        let threads = logs.enumerated().map { index, log in
            Background {
                log.use(settings)
                for number in 0..<15_000 {
                    var record = AccessRecord(client: IPEndpoint("192.0.2.7:1")!)
                    record.status = UInt16(index * 15_000 + number)
                    // Full at times: the writer must be faster here, for every line counts.
                    while !log.rings[0].append(record, AccessTexts()) { sched_yield() }
                }
                _ = log.flush(within: .seconds(20))
            }
        }
        for thread in threads { try thread.wait() }
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.directory)
        #expect(names.count > 5, "it was renamed \(names.count) times")
        var lines: [String] = []
        for name in names { lines += try fixture.lines(name) }
        #expect(lines.count == 60_000)
        #expect(Set(lines) == Set(Self.expected(0..<60_000)))
    }

    @Test("a directory that is not there loses lines and counts them; later lines come when it is")
    func missingDirectory() throws {
        let fixture = try LogFixture()
        fixture.log.use(Self.settings(fixture.path("none/a.log")))
        fixture.send(5)
        #expect(fixture.log.flush(within: .seconds(10)))
        #expect(fixture.log.counts == .init(written: 0, droppedFull: 0, droppedFailed: 5))
        try FileManager.default.createDirectory(atPath: fixture.path("none"), withIntermediateDirectories: false)
        // Tried again a second after the failure at the latest.
        try eventually {
            fixture.send(1)
            return fixture.log.flush(within: .seconds(10)) && fixture.log.counts.written > 0
        }
        #expect(try !fixture.lines("none/a.log").isEmpty)
    }

    @Test("a full disk loses lines and counts them")
    func fullDisk() throws {
        let fixture = try LogFixture()
        fixture.log.use(Self.settings("/dev/full"))
        fixture.send(5)
        #expect(fixture.log.flush(within: .seconds(10)))
        #expect(fixture.log.counts == .init(written: 0, droppedFull: 0, droppedFailed: 5))
    }

    @Test("a FIFO that nobody reads blocks nobody: the ring fills, drops are counted, and all else arrives later")
    func stalledReader() throws {
        let fixture = try LogFixture(ringBytes: 32 * 1024)
        #expect(mkfifo(fixture.path("fifo"), 0o600) == 0)
        let reader = open(fixture.path("fifo"), O_RDONLY | O_NONBLOCK)
        try #require(reader >= 0)
        defer { close(reader) }
        fixture.log.use(Self.settings(fixture.path("fifo")))
        var taken = 0
        // A pipe's 64 KiB, one batch of 256 KiB, and the ring: some 25,000 lines.
        try eventually {
            taken += fixture.send(1000)
            return !fixture.log.flush(within: .milliseconds(100)) && fixture.log.counts.droppedFull > 1000
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        try eventually {
            let count = read(reader, &chunk, chunk.count)
            if count > 0 { bytes += chunk[..<count] }
            return bytes.count { $0 == 0x0a } == taken
        }
        let counts = fixture.log.counts
        #expect(counts.written == UInt64(taken) && counts.droppedFailed == 0)
        let numbers = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .map { Int($0.filter(\.isNumber)) ?? -1 }
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 || $0 > 50_000 }, "in order, whole")
    }

    @Test("a FIFO without a reader can't be opened: lines are lost and counted")
    func noReader() throws {
        let fixture = try LogFixture()
        #expect(mkfifo(fixture.path("fifo"), 0o600) == 0)
        fixture.log.use(Self.settings(fixture.path("fifo")))
        fixture.send(3)
        #expect(fixture.log.flush(within: .seconds(10)))
        #expect(fixture.log.counts.droppedFailed == 3)
    }

    @Test("each line is a datagram to a local syslog socket", arguments: [false, true])
    func syslog(isUDP: Bool) throws {
        let fixture = try LogFixture()
        let address: SocketAddress
        let receiver: CInt
        if isUDP {
            let socket = try Socket.make(AF_INET, CInt(SOCK_DGRAM.rawValue))
            try Socket.bind(socket.rawValue, .ip(IPEndpoint("127.0.0.1:0")!))
            address = .ip(Socket.localAddress(socket.rawValue)!)
            receiver = socket.release()
        } else {
            address = .unix(fixture.path("log"))
            let socket = try Socket.make(AF_UNIX, CInt(SOCK_DGRAM.rawValue))
            try Socket.bind(socket.rawValue, address)
            receiver = socket.release()
        }
        defer { close(receiver) }
        fixture.log.use(AccessLogSettings(target: .syslog(address), fields: [.status]))
        fixture.send(3)
        let header =
            isUDP
            ? #/<190>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z - sluice \d+ access - /#
            : #/<190>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d sluice\[\d+\]: /#
        for number in 0..<3 {
            var datagram = [UInt8](repeating: 0, count: 65_536)
            var count = 0
            try eventually {
                count = recv(receiver, &datagram, datagram.count, 0)
                return count > 0
            }
            let text = String(decoding: datagram[..<count], as: UTF8.self)
            let match = try #require(text.prefixMatch(of: header), "\(text)")
            #expect(text[match.range.upperBound...] == "{\"status\":\(number)}")
        }
        #expect(fixture.log.flush(within: .seconds(10)))
        #expect(fixture.log.counts == .init(written: 3, droppedFull: 0, droppedFailed: 0))
    }
}

/// Waits for a condition, ten seconds at most.
private func eventually(_ condition: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while try !condition() {
        try #require(ContinuousClock.now < deadline, "the condition never held")
        usleep(1000)
    }
}

/// A thread that is waited for.
private final class Background: @unchecked Sendable {
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Void) {
        Foundation.Thread.detachNewThread { [done] in
            body()
            done.signal()
        }
    }

    func wait() throws { try #require(done.wait(timeout: .now() + 60) == .success, "the thread did not end") }
}
