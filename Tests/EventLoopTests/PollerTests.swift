import EventLoop
import Glibc
import Testing

@Suite("Poller")
struct PollerTests {
    private static let token = Token(kind: 1, slot: 7, generation: 3)

    /// Two ends of a stream, and a poller that watches the first.
    private final class Watched {
        var poller: Poller
        let ends: (near: CInt, far: CInt)

        init(_ interest: Poller.Interest) throws {
            poller = try Poller()
            var pair: [CInt] = [-1, -1]
            #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | O_NONBLOCK, 0, &pair) == 0)
            ends = (pair[0], pair[1])
            try poller.add(ends.near, PollerTests.token, interest)
        }

        deinit {
            close(ends.near)
            close(ends.far)
        }

        func send() { #expect(write(ends.far, "x", 1) == 1) }

        func read() {
            var byte: UInt8 = 0
            #expect(Glibc.read(ends.near, &byte, 1) == 1)
        }
    }

    @Test("bytes that were read before the wait aren't reported to who waits for bytes only")
    func readingOnly() throws {
        let watched = try Watched(.reading)
        watched.send()
        watched.read()
        #expect(watched.poller.wait(timeoutMilliseconds: 0) == 0)
        watched.send()
        #expect(watched.poller.wait(timeoutMilliseconds: 0) == 1)
        let (token, readiness) = watched.poller.event(at: 0)
        #expect(token.rawValue == PollerTests.token.rawValue)
        #expect(readiness.isReadable && !readiness.isWritable)
    }

    @Test("a change of interest reports what is ready already")
    func change() throws {
        let watched = try Watched([])
        watched.send()
        #expect(watched.poller.wait(timeoutMilliseconds: 0) == 0)
        watched.poller.change(watched.ends.near, PollerTests.token, .reading)
        #expect(watched.poller.wait(timeoutMilliseconds: 0) == 1)
        #expect(watched.poller.wait(timeoutMilliseconds: 0) == 0, "an edge is reported once")
        watched.poller.change(watched.ends.near, PollerTests.token, .stream)
        #expect(watched.poller.wait(timeoutMilliseconds: 0) == 1)
        #expect(watched.poller.event(at: 0).readiness.isWritable)
    }

    @Test("level-triggered interest is reported until it is served")
    func level() throws {
        let watched = try Watched(.level)
        watched.send()
        #expect(watched.poller.wait(timeoutMilliseconds: 0) == 1)
        #expect(watched.poller.wait(timeoutMilliseconds: 0) == 1)
        watched.read()
        #expect(watched.poller.wait(timeoutMilliseconds: 0) == 0)
    }

    @Test("a wait in nanoseconds ends after them, and at once with an event")
    func nanoseconds() throws {
        let watched = try Watched(.reading)
        let began = Clock.monotonicNanoseconds()
        #expect(watched.poller.wait(timeoutNanoseconds: 2_000_000) == 0)
        #expect(Clock.monotonicNanoseconds() - began >= 2_000_000)
        watched.send()
        #expect(watched.poller.wait(timeoutNanoseconds: 999_999_999) == 1)
    }
}
