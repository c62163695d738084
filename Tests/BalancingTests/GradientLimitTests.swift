import Balancing
import Testing

@Suite("Adaptive limit of requests")
struct GradientLimitTests {
    private static let settings = GradientLimit.Settings(min: 4, max: 1000, tolerance: 1.5)

    /// A limit, and the time that it sees.
    private struct Course {
        var limit = GradientLimit(now: 0)
        var now: UInt64 = 0
        var settings = GradientLimitTests.settings

        var current: UInt32 { limit.current(settings) }

        mutating func answer(_ count: UInt32, milliseconds: Double, active: UInt32) {
            for _ in 0..<count {
                limit.answered(nanoseconds: UInt64(milliseconds * 1e6), active: active, now: now, settings)
            }
        }

        /// The answers of one window or one measurement, whichever is due.
        mutating func window(milliseconds: Double, active: UInt32) {
            now += GradientLimit.windowNanoseconds + UInt64(milliseconds * 1e6)
            let count = limit.isMeasuring ? GradientLimit.measuredAnswers : GradientLimit.windowAnswersMin
            answer(count, milliseconds: milliseconds, active: active)
        }
    }

    @Test(
        "at first as few as may be, then 20 or what the bounds allow",
        arguments: [(4.0, 1000.0, 20), (30, 1000, 30), (4, 10, 10), (20, 20, 20)])
    func first(min: Double, max: Double, expected: UInt32) {
        var course = Course()
        course.settings = .init(min: min, max: max, tolerance: 1.5)
        course.now = 10_000_000
        course.answer(GradientLimit.measuredAnswers - 1, milliseconds: 10, active: 1)
        #expect(course.limit.isMeasuring && course.current == UInt32(min))
        course.answer(1, milliseconds: 10, active: 1)
        #expect(!course.limit.isMeasuring && course.current == expected)
    }

    @Test("what began before a measurement doesn't count for it")
    func earlier() {
        var course = Course()
        course.limit = GradientLimit(now: 1_000_000_000)
        course.now = 1_005_000_000
        course.answer(1000, milliseconds: 5.000001, active: 1)
        #expect(course.limit.isMeasuring)
        course.answer(GradientLimit.measuredAnswers, milliseconds: 5, active: 1)
        #expect(!course.limit.isMeasuring)
    }

    @Test("a window ends when it has its time and its answers")
    func windows() {
        var course = Course()
        course.window(milliseconds: 10, active: 4)
        let began = course.now
        course.now = began + GradientLimit.windowNanoseconds - 1
        course.answer(1000, milliseconds: 10, active: 20)
        #expect(course.current == 20)
        course.now += 1
        course.answer(1, milliseconds: 10, active: 20)
        // 1.5 · 20 + √30
        #expect(course.current == 35)
        course.now += GradientLimit.windowNanoseconds
        course.answer(GradientLimit.windowAnswersMin - 1, milliseconds: 10, active: 35)
        #expect(course.current == 35)
        course.answer(1, milliseconds: 10, active: 35)
        #expect(course.current > 35)
    }

    @Test("it grows only when half of it is used", arguments: [(9, 20), (10, 35)])
    func unused(active: UInt32, expected: UInt32) {
        var course = Course()
        for _ in 0..<2 { course.window(milliseconds: 10, active: active) }
        #expect(course.current == expected)
    }

    @Test("it shrinks also when it isn't used: to a half in a window at most")
    func shrinks() {
        var course = Course()
        for _ in 0..<20 { course.window(milliseconds: 10, active: 1000) }
        #expect(course.current == 1000)
        course.window(milliseconds: 1000, active: 1)
        // 500 + √500
        #expect(course.current == 522)
        for _ in 0..<12 { course.window(milliseconds: 1000, active: 1) }
        #expect(course.current >= 4 && course.current < 10)
    }

    @Test("within the tolerance it grows, beyond it shrinks", arguments: [(10.0, true), (15, true), (25, false)])
    func tolerance(milliseconds: Double, grows: Bool) {
        var course = Course()
        for _ in 0..<4 { course.window(milliseconds: 10, active: 1000) }
        let before = course.current
        course.window(milliseconds: milliseconds, active: 1000)
        #expect((course.current > before) == grows, "\(before) to \(course.current)")
    }

    @Test("a change of its bounds holds at once")
    func rebound() {
        var course = Course()
        course.window(milliseconds: 10, active: 1)
        #expect(course.limit.current(.init(min: 1, max: 5, tolerance: 1)) == 5)
        #expect(course.limit.current(.init(min: 50, max: 100, tolerance: 1)) == 50)
    }

    @Test("the latency without load is measured again after a minute, and after five windows at the lower end")
    func measuredAgain() {
        var course = Course()
        course.window(milliseconds: 10, active: 4)
        let measured = course.now
        course.now = measured + GradientLimit.measuringInterval - 1
        course.answer(GradientLimit.windowAnswersMin, milliseconds: 10, active: 4)
        #expect(!course.limit.isMeasuring)
        course.now = measured + GradientLimit.measuringInterval + GradientLimit.windowNanoseconds
        course.answer(GradientLimit.windowAnswersMin, milliseconds: 10, active: 4)
        #expect(course.limit.isMeasuring && course.current == 4)
        course.settings.max = 4
        course.window(milliseconds: 10, active: 4)
        for number in 1...GradientLimit.lowWindowsMax {
            #expect(!course.limit.isMeasuring)
            course.window(milliseconds: 10, active: 4)
            #expect(course.limit.isMeasuring == (number == GradientLimit.lowWindowsMax))
        }
    }

    /// Endpoints that work on `room` requests at a time, each for `service` ms; further ones wait in their queues.
    private struct Plant {
        var room: Double
        var service: Double

        func latency(active: Double) -> Double { active <= room ? service : service * active / room }
    }

    @Test("it settles near what the endpoints take, however long more is offered", arguments: [10.0, 40, 200])
    func settles(room: Double) {
        let plant = Plant(room: room, service: 20)
        var course = Course()
        var settled: [Double] = []
        for step in 0..<5000 {
            let active = min(Double(course.current), 900)
            if step > 200 && !course.limit.isMeasuring { settled.append(active) }
            course.window(milliseconds: plant.latency(active: active), active: UInt32(active))
            #expect(course.current >= 4 && course.current <= 1000)
        }
        // Never below what the endpoints take, and far from the 900 that are offered.
        #expect(settled.min()! >= room, "\(settled.min()!)")
        #expect(settled.max()! <= room * 2.1, "\(settled.max()!)")
        // Ten minutes, in which it was measured about ten times.
        #expect(settled.count > 4700)
    }

    @Test("endpoints that go away and come back: it follows both ways", arguments: 1...8 as ClosedRange<UInt64>)
    func follows(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var plant = Plant(room: 100, service: 10)
        var course = Course()
        func run(_ windows: Int) -> Double {
            var last = 0.0
            for _ in 0..<windows {
                let active = min(Double(course.current), 500)
                if !course.limit.isMeasuring { last = active }
                let noise = 0.9 + 0.2 * Double(random.next(below: 1000)) / 1000
                course.window(milliseconds: plant.latency(active: active) * noise, active: UInt32(active))
                #expect(course.current >= 4 && course.current <= 1000, "seed \(seed)")
            }
            return last
        }
        let well = run(200)
        #expect(well >= 100, "seed \(seed): \(well)")
        // Nine of ten endpoints are gone: what is beyond the tenth waits.
        plant.room = 10
        let ill = run(30)
        #expect(ill >= 10 && ill <= 25, "seed \(seed): \(ill)")
        plant.room = 100
        let recovered = run(100)
        #expect(recovered >= 100, "seed \(seed): \(recovered)")
    }
}
