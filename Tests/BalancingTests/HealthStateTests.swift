import Balancing
import Testing

@Suite("HealthState")
struct HealthStateTests {
    static let thresholds: [UInt16] = [1, 2, 3]

    private func pass(_ health: inout HealthState, times: Int) -> [HealthState.Transition] {
        (0..<times).map { _ in health.probePassed() }
    }

    private func fail(_ health: inout HealthState, times: Int) -> [HealthState.Transition] {
        (0..<times).map { _ in health.probeFailed() }
    }

    /// N - 1 quiet results, then the one that decides.
    private func decided(_ transition: HealthState.Transition, after count: UInt16) -> [HealthState.Transition] {
        [HealthState.Transition](repeating: .none, count: Int(count) - 1) + [transition]
    }

    @Test("unknown is usable, and the first probe decides", arguments: thresholds, thresholds)
    func unknown(rise: UInt16, fall: UInt16) {
        var passed = HealthState(rise: rise, fall: fall)
        #expect(passed.status == .unknown)
        #expect(passed.isUsable)
        #expect(passed.probePassed() == .becameUp)
        #expect(passed.status == .up)
        #expect(passed.isUsable)

        var failed = HealthState(rise: rise, fall: fall)
        #expect(failed.probeFailed() == .becameDown)
        #expect(failed.status == .down)
        #expect(!failed.isUsable)
    }

    @Test("up goes down with the failure number `fall`, not before", arguments: thresholds, thresholds)
    func falls(rise: UInt16, fall: UInt16) {
        var health = HealthState(rise: rise, fall: fall)
        _ = health.probePassed()
        #expect(fail(&health, times: Int(fall) - 1).allSatisfy { $0 == .none })
        #expect(health.status == .up)
        #expect(health.probeFailed() == .becameDown)
        #expect(health.status == .down)
        #expect(fail(&health, times: 5).allSatisfy { $0 == .none })
        #expect(health.status == .down)
    }

    @Test("down comes up with the pass number `rise`, not before", arguments: thresholds, thresholds)
    func rises(rise: UInt16, fall: UInt16) {
        var health = HealthState(rise: rise, fall: fall)
        _ = health.probeFailed()
        #expect(pass(&health, times: Int(rise) - 1).allSatisfy { $0 == .none })
        #expect(health.status == .down)
        #expect(health.probePassed() == .becameUp)
        #expect(health.status == .up)
        #expect(pass(&health, times: 5).allSatisfy { $0 == .none })
        #expect(health.status == .up)
    }

    @Test("a pass while up clears the failures counted so far", arguments: [2, 3] as [UInt16])
    func passClears(fall: UInt16) {
        var health = HealthState(rise: 1, fall: fall)
        _ = health.probePassed()
        for _ in 0..<4 {
            #expect(fail(&health, times: Int(fall) - 1).allSatisfy { $0 == .none })
            #expect(health.probePassed() == .none)
        }
        #expect(fail(&health, times: Int(fall)) == decided(.becameDown, after: fall))
    }

    @Test("a failure while down clears the passes counted so far", arguments: [2, 3] as [UInt16])
    func failureClears(rise: UInt16) {
        var health = HealthState(rise: rise, fall: 1)
        _ = health.probeFailed()
        for _ in 0..<4 {
            #expect(pass(&health, times: Int(rise) - 1).allSatisfy { $0 == .none })
            #expect(health.probeFailed() == .none)
        }
        #expect(pass(&health, times: Int(rise)) == decided(.becameUp, after: rise))
    }

    @Test("counts start anew after each change", arguments: thresholds, thresholds)
    func cycles(rise: UInt16, fall: UInt16) {
        var health = HealthState(rise: rise, fall: fall)
        _ = health.probePassed()
        for _ in 0..<3 {
            #expect(fail(&health, times: Int(fall)) == decided(.becameDown, after: fall))
            #expect(pass(&health, times: Int(rise)) == decided(.becameUp, after: rise))
        }
    }

    @Test("a threshold of 0 is 1")
    func zeroThreshold() {
        var health = HealthState(rise: 0, fall: 0)
        _ = health.probePassed()
        #expect(health.probeFailed() == .becameDown)
        #expect(health.probePassed() == .becameUp)
    }

    @Test("the largest thresholds count to the end")
    func largestThreshold() {
        var health = HealthState(rise: .max, fall: .max)
        _ = health.probePassed()
        #expect(fail(&health, times: 65_534).allSatisfy { $0 == .none })
        #expect(health.probeFailed() == .becameDown)
        #expect(pass(&health, times: 65_534).allSatisfy { $0 == .none })
        #expect(health.probePassed() == .becameUp)
    }

    @Test("new thresholds keep the status and judge the next probe")
    func adopts() {
        var health = HealthState(rise: 3, fall: 3)
        _ = health.probePassed()
        _ = fail(&health, times: 2)
        health.adopt(rise: 1, fall: 2)
        #expect(health.status == .up)
        #expect(health.probeFailed() == .becameDown)
        #expect(health.probePassed() == .becameUp)

        var unknown = HealthState(rise: 3, fall: 3)
        unknown.adopt(rise: 2, fall: 0)
        #expect(unknown.status == .unknown)
        #expect(unknown.probePassed() == .becameUp)
        #expect(unknown.probeFailed() == .becameDown)
    }
}
