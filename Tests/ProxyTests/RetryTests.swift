import HTTP1
import HTTPMessage
import Snapshot
import Testing

@testable import Proxy

@Suite("What is sent again, and where to")
struct RetryTests {
    @Test("a policy covers what it lists, and nothing else")
    func conditions() throws {
        let policy = CompiledRetry(RetryPolicy(conditions: [.reset, .status(400), .status(503), .status(599)]))
        #expect(policy.covers(.reset))
        #expect(!policy.covers(.connectFailure))
        for status in 400...599 {
            let reason = try #require(RetryReason(status: status))
            #expect(policy.covers(reason) == [400, 503, 599].contains(status), "\(status)")
        }
    }

    @Test("a status that is no failure is no reason", arguments: [0, 1, 2, 100, 200, 399, 600])
    func noReason(status: Int) { #expect(RetryReason(status: status) == nil) }

    @Test("reasons are counted apart, and by their words")
    func names() {
        #expect(RetryReason.name(ofIndex: RetryReason.connectFailure.index) == "connect-failure")
        #expect(RetryReason.name(ofIndex: RetryReason.reset.index) == "reset")
        #expect(RetryReason.name(ofIndex: RetryReason.hedge.index) == "hedge")
        for status in [400, 503, 599] {
            #expect(RetryReason(status: status).map { RetryReason.name(ofIndex: $0.index) } == "\(status)")
        }
        #expect(RetryReason(status: 599)?.index == RetryReason.count - 1)
    }

    @Test("with one attempt nothing is a reason")
    func oneAttempt() {
        let policy = CompiledRetry(RetryPolicy(attemptsMax: 1))
        #expect(!policy.covers(.reset) && !policy.covers(.connectFailure) && !policy.repeatsRequests)
    }

    @Test("only what the endpoint may have had asks for the body again")
    func repeats() {
        #expect(!CompiledRetry(RetryPolicy(conditions: [])).repeatsRequests)
        #expect(!CompiledRetry(RetryPolicy(conditions: [.connectFailure])).repeatsRequests)
        #expect(CompiledRetry(RetryPolicy(conditions: [.connectFailure, .reset])).repeatsRequests)
        for status in [400, 460, 461, 462, 463, 524, 525, 526, 527, 588, 589, 599] {
            #expect(CompiledRetry(RetryPolicy(conditions: [.status(status)])).repeatsRequests, "\(status)")
        }
    }

    @Test("the endpoints tried are known, each once")
    func tried() {
        var tried = TriedEndpoints()
        #expect(tried.isEmpty && !tried.contains(EndpointConnection.none))
        for number in [7, 9, 7, 0, 9] as [UInt32] { tried.insert(number) }
        #expect(tried.count == 3)
        for number in [7, 9, 0] as [UInt32] { #expect(tried.contains(number)) }
        #expect(!tried.contains(8))
        for number in [10, 11] as [UInt32] { tried.insert(number) }
        // As many as there can be before the last attempt.
        #expect(tried.count == RetryPolicy.attemptsRange.upperBound - 1)
    }
}
