import SiteFile
import Testing

@testable import ControlPlane
@testable import TLS

@Suite("What is stapled, and when responders are asked")
struct StapleWatchTests {
    private static func question(_ number: UInt8 = 1) -> OCSPQuestion {
        OCSPQuestion(responder: OCSPResponder("http://ocsp.test/")!, request: [number], issuer: [])
    }

    private static func staples(_ numbers: [UInt8]) -> [FetchedStaple] {
        numbers.map { FetchedStaple(listener: "web", certificate: Int($0), question: question($0)) }
    }

    private func watch(_ numbers: [UInt8] = [1], now: Int64 = 1000) -> StapleWatch {
        var watch = StapleWatch()
        watch.adopt(StapleWatchTests.staples(numbers), isNew: true, now: now)
        return watch
    }

    private func response(
        _ byte: UInt8 = 7, at time: Int64, end: Int64?, _ status: OCSPAnswer.Status = .good
    ) -> Result<FetchedResponse, FetchFailure> {
        .success(
            FetchedResponse(bytes: [byte], answer: OCSPAnswer(status: status, thisUpdate: time, nextUpdate: end)))
    }

    private let one = question()
    private let failure = Result<FetchedResponse, FetchFailure>.failure(FetchFailure(reason: "no route"))

    @Test("a new certificate is asked for at once, once")
    func asksAtOnce() {
        var watch = watch()
        #expect(watch.next == 1000)
        #expect(watch.begin(now: 1000) == [one])
        #expect(watch.begin(now: 1000).isEmpty)
        #expect(watch.next == nil, "nothing to do before the answer")
    }

    @Test(
        "the next question comes at half of what is left, after a minute at least and 12 hours at most",
        arguments: [
            (1000, 8200, 4600), (1000, 1119, 1060), (1000, 1120, 1060), (1000, 1122, 1061), (1000, 87_400, 44_200),
            (1000, 87_402, 44_200), (1000, 700_000, 44_200), (1000, nil, 44_200), (-40_000, nil, 23_700),
            (-6000, 8200, 4600),
        ] as [(Int64, Int64?, Int64)])
    func half(thisUpdate: Int64, end: Int64?, next: Int64) {
        var watch = watch()
        _ = watch.begin(now: 1000)
        #expect(watch.answered(one, response(at: thisUpdate, end: end), now: 1000) == .stapled)
        #expect(watch.certificates[one]?.askAt == next)
        #expect(watch.responses == [one: [7]])
        #expect(watch.begin(now: next - 1).isEmpty)
        #expect(watch.begin(now: next) == [one])
    }

    @Test("failures wait longer and longer, up to an hour; an answer begins anew")
    func backoff() {
        var watch = watch()
        var (now, waits): (Int64, [Int64]) = (1000, [])
        for turn in 0..<20 {
            #expect(watch.begin(now: now) == [one])
            #expect(watch.answered(one, failure, now: now) == (turn == 0 ? .failed("no route") : .failedAgain))
            let next = watch.certificates[one]?.askAt ?? 0
            waits.append(next - now)
            now = next
        }
        // Drawn between 10 s and a bound that doubles.
        for (turn, wait) in waits.enumerated() {
            #expect((10...min(20 << Int64(turn), 3600)).contains(wait), "wait \(turn) of \(waits)")
        }
        #expect(waits.dropFirst(9).contains { $0 > 1000 }, "\(waits)")
        #expect(watch.certificates[one]?.failures == 20)
        _ = watch.begin(now: now)
        #expect(watch.answered(one, response(at: now, end: now + 1000), now: now) == .stapled)
        #expect(watch.certificates[one]?.failure == nil)
        now += 500
        _ = watch.begin(now: now)
        #expect(watch.answered(one, failure, now: now) == .failed("no route"))
        #expect((10...20).contains((watch.certificates[one]?.askAt ?? 0) - now))
    }

    @Test("a failure of another kind is told")
    func otherFailure() {
        var watch = watch()
        #expect(watch.answered(one, failure, now: 1000) == .failed("no route"))
        #expect(watch.answered(one, .failure(.init(reason: "status 500")), now: 1001) == .failed("status 500"))
        #expect(watch.answered(one, .failure(.init(reason: "status 500")), now: 1002) == .failedAgain)
    }

    @Test("failures keep the response until it is over, and a recovery is told")
    func kept() {
        var watch = watch()
        _ = watch.answered(one, response(at: 1000, end: 2000), now: 1000)
        #expect(watch.answered(one, failure, now: 1500) == .failed("no route"))
        #expect(watch.expire(now: 1999).isEmpty)
        #expect(watch.responses == [one: [7]])
        #expect(watch.answered(one, response(8, at: 1600, end: 2600), now: 1999) == .recovered)
        #expect(watch.responses == [one: [8]])
        _ = watch.answered(one, failure, now: 2300)
        #expect(watch.expire(now: 2599).isEmpty)
        #expect(watch.expire(now: 2600) == [one])
        #expect(watch.responses.isEmpty)
        #expect(watch.expire(now: 2600).isEmpty, "told once")
        #expect(watch.answered(one, response(9, at: 2700, end: 3700), now: 2700) == .stapled)
    }

    @Test("the end of a response is something to wake up for, also while its responder is asked")
    func wakes() {
        var watch = watch()
        _ = watch.answered(one, response(at: 1000, end: 2000), now: 1000)
        #expect(watch.next == 1500)
        #expect(watch.begin(now: 1500) == [one])
        #expect(watch.next == 2000)
    }

    @Test("a response in place of one that is good is a renewal")
    func renewed() {
        var watch = watch()
        _ = watch.answered(one, response(at: 1000, end: 2000), now: 1000)
        #expect(watch.answered(one, response(8, at: 1500, end: 2500), now: 1500) == .renewed)
        #expect(watch.responses == [one: [8]])
    }

    @Test(
        "revoked: what vouched for the certificate goes at once; an older response doesn't bring it back, a newer one does"
    )
    func revoked() {
        var watch = watch()
        _ = watch.answered(one, response(at: 1000, end: 9000), now: 1000)
        let revoked = response(at: 2000, end: 4000, .revoked(at: 1900))
        #expect(watch.answered(one, revoked, now: 2000) == .revoked(isNew: true))
        #expect(watch.responses.isEmpty)
        #expect(watch.certificates[one]?.isRevoked == true)
        #expect(watch.certificates[one]?.askAt == 3000, "it may have been on hold")
        #expect(watch.answered(one, revoked, now: 3000) == .revoked(isNew: false))
        #expect(
            watch.answered(one, response(at: 1999, end: 9000), now: 3100)
                == .failed("the response is older than the one before"))
        #expect(watch.certificates[one]?.isRevoked == true)
        #expect(watch.responses.isEmpty)
        #expect(watch.answered(one, response(at: 3200, end: 9000), now: 3200) == .stapled)
        #expect(watch.certificates[one]?.isRevoked == false)
    }

    @Test("an older response doesn't replace a newer one; the same one again is no failure")
    func older() {
        var watch = watch()
        _ = watch.answered(one, response(at: 1000, end: 9000), now: 1000)
        #expect(
            watch.answered(one, response(8, at: 999, end: 9000), now: 5000)
                == .failed("the response is older than the one before"))
        #expect(watch.responses == [one: [7]])
        #expect(watch.answered(one, response(at: 1000, end: 9000), now: 5100) == .recovered)
    }

    @Test(
        "a site that is published again: what stays is kept, what has left is forgotten, what failed is asked at once")
    func adoption() {
        var watch = watch([1, 2, 3])
        _ = watch.begin(now: 1000)
        _ = watch.answered(one, response(at: 1000, end: 9000), now: 1000)
        _ = watch.answered(StapleWatchTests.question(2), failure, now: 1000)
        watch.adopt(StapleWatchTests.staples([1, 2, 4, 4]), isNew: false, now: 1001)
        #expect(watch.begin(now: 1001) == [StapleWatchTests.question(4)], "the same revision: no reason to hurry")
        watch.adopt(StapleWatchTests.staples([1, 2, 4]), isNew: true, now: 1002)
        #expect(watch.begin(now: 1002) == [StapleWatchTests.question(2)])
        #expect(watch.responses == [one: [7]])
        #expect(watch.certificates[one]?.askAt == 5000)
        #expect(watch.answered(StapleWatchTests.question(3), response(at: 1000, end: 9000), now: 1003) == nil)
        #expect(watch.certificates.count == 3)
    }

    @Test("the longest due are asked first")
    func order() {
        let max = UInt8(StapleWatch.askedMax)
        var watch = watch(Array(1...max + 3))
        watch.adopt(StapleWatchTests.staples(Array(1...2 * max)), isNew: true, now: 1005)
        let first = watch.begin(now: 1010)
        #expect(first.allSatisfy { (watch.certificates[$0]?.askAt ?? 0) == 1000 })
        for question in first { _ = watch.answered(question, response(at: 1000, end: 9000), now: 1010) }
        let second = watch.begin(now: 1010).compactMap { watch.certificates[$0]?.askAt }
        #expect(second == [1000, 1000, 1000] + Array(repeating: 1005, count: Int(max) - 3))
    }

    @Test("a few responders are asked at a time", arguments: [-1, 0, 1])
    func bound(more: Int) {
        let count = StapleWatch.askedMax + more
        var watch = watch((1...UInt8(count)).map { $0 })
        let first = watch.begin(now: 1000)
        #expect(first.count == min(count, StapleWatch.askedMax))
        #expect(watch.next == nil, "at the bound an answer comes first, below it nothing is due")
        #expect(watch.begin(now: 1000).isEmpty)
        _ = watch.answered(first[0], failure, now: 1000)
        #expect(watch.begin(now: 1000).count == max(more, 0))
    }

    @Test("what was stored is stapled again while it is good, and not when it was something else")
    func restored() {
        func restored(_ status: OCSPAnswer.Status, end: Int64?) -> StapleWatch {
            var watch = StapleWatch()
            let answer = OCSPAnswer(status: status, thisUpdate: 500, nextUpdate: end)
            watch.restore(one, FetchedResponse(bytes: [7], answer: answer), now: 1000)
            watch.adopt(StapleWatchTests.staples([1]), isNew: true, now: 1000)
            return watch
        }
        #expect(restored(.good, end: 1001).responses == [one: [7]])
        #expect(restored(.good, end: 3000).next == 2000)
        #expect(restored(.good, end: 1000).responses.isEmpty)
        #expect(restored(.good, end: 1000).next == 1000)
        #expect(restored(.revoked(at: nil), end: 3000).responses.isEmpty)
        #expect(restored(.good, end: nil).responses == [one: [7]])
    }
}
