import EventLoop
import Testing

@Suite("Pace")
struct PaceTests {
    @Test("less than a burst is never paced")
    func belowBurst() {
        var pace = Pace()
        pace.moved(Pace.burstBytesMin - 1)
        pace.emptied()
        #expect(!pace.isPaced)
    }

    @Test("a burst in small pieces is paced", arguments: [1, 2, 8])
    func burst(pieces: Int) {
        var pace = Pace()
        for _ in 0..<pieces {
            #expect(!pace.isPaced)
            pace.moved(Pace.burstBytesMin / pieces)
            pace.emptied()
        }
        #expect(pace.isPaced)
    }

    @Test("a source that holds more than a look's limit starts no pace")
    func largeLook() {
        var pace = Pace()
        pace.moved(Pace.lookBytesMax + 1)
        pace.emptied()
        #expect(!pace.isPaced)
        pace.moved(Pace.lookBytesMax)
        pace.emptied()
        #expect(pace.isPaced)
    }

    @Test("a paced stream stays so however much a look finds, until one finds nothing")
    func end() {
        var pace = Pace()
        pace.moved(Pace.burstBytesMin)
        pace.emptied()
        pace.moved(Pace.lookBytesMax * 8)
        pace.emptied()
        #expect(pace.isPaced)
        pace.moved(1)
        pace.emptied()
        #expect(pace.isPaced)
        pace.emptied()
        #expect(!pace.isPaced)
        pace.moved(Pace.burstBytesMin - 1)
        pace.emptied()
        #expect(!pace.isPaced, "the next burst counts from nothing")
    }

    @Test("bytes of several splices before the source is empty are one look")
    func severalSplices() {
        var pace = Pace()
        pace.moved(Pace.lookBytesMax)
        pace.moved(1)
        pace.emptied()
        #expect(!pace.isPaced)
    }
}
