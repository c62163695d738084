import Balancing
import SiteFile
import TLS

/// A response that was fetched, and what it says; checked.
struct FetchedResponse: Equatable, Sendable {
    /// How long a response counts that names no end: a day, as Firefox takes it (RFC 6960 §4.2.2.1 leaves it open).
    static let secondsWithoutEnd: Int64 = 86_400

    /// DER.
    var bytes: [UInt8]
    var answer: OCSPAnswer

    /// Unix time; from then on it isn't stapled.
    var end: Int64 { answer.nextUpdate ?? answer.thisUpdate + FetchedResponse.secondsWithoutEnd }
}

/// Why a responder gave no response that counts.
package struct FetchFailure: Error, Equatable {
    package var reason: String

    package init(reason: String) { self.reason = reason }
}

/// What is stapled for the certificates whose responders are asked, and when each is asked next. Pure: answers and the time
/// (Unix, in seconds) in, decisions out.
///
/// A response is kept until it ends; a newer one is asked for when half of its time is over. The responder's word that the
/// certificate is revoked ends it at once: it would vouch for what its issuer has taken back.
struct StapleWatch: Sendable {
    struct Certificate: Sendable {
        /// What is stapled; nil: nothing.
        var response: FetchedResponse?
        /// What the newest answer says.
        var isRevoked = false
        /// When that one was right: an older answer doesn't replace it.
        var thisUpdate: Int64?
        /// Why the last try gave nothing; nil when it gave an answer.
        var failure: String?
        var failures: UInt64 = 0
        var askAt: Int64
        /// The responder hasn't answered yet.
        var isAsked = false
        fileprivate var backoff: Backoff
    }

    /// What an answer means.
    enum Outcome: Equatable {
        /// Nothing was stapled before.
        case stapled
        /// In place of one that isn't over yet.
        case renewed
        /// The same after failures.
        case recovered
        /// The first answer that says so, or another one.
        case revoked(isNew: Bool)
        /// The first failure in a row, or one of another kind: worth a log line.
        case failed(String)
        case failedAgain
    }

    /// Between two questions about one certificate.
    static let waitSecondsMin: Int64 = 60
    /// Revocations are noticed within this time, whatever a response's own time is.
    static let waitSecondsMax: Int64 = 12 * 3600
    /// Responders that are asked at a time: a site may have thousands of certificates of one authority.
    static let askedMax = 8

    private(set) var certificates: [OCSPQuestion: Certificate] = [:]
    private let backoff: Backoff
    private var random = RandomSource(seed: .random(in: 0...UInt64.max))

    /// - Parameter retry: The shortest wait after a failure; it doubles up to an hour.
    init(retry: Duration = .seconds(10)) {
        backoff = Backoff(min: retry, max: .seconds(3600))
    }

    /// Watches the certificates of a site. What is known of one that stays goes on.
    ///
    /// - Parameter isNew: An operator has published it: what failed is tried again at once.
    mutating func adopt(_ staples: [FetchedStaple], isNew: Bool, now: Int64) {
        var adopted: [OCSPQuestion: Certificate] = [:]
        for staple in staples {
            var known = certificates[staple.question] ?? Certificate(askAt: now, backoff: backoff)
            if isNew, known.failure != nil { known.askAt = now }
            adopted[staple.question] = known
        }
        certificates = adopted
    }

    /// Takes over a response that was fetched before this process began.
    mutating func restore(_ question: OCSPQuestion, _ response: FetchedResponse, now: Int64) {
        guard certificates[question] == nil, response.answer.status == .good, response.end > now else { return }
        certificates[question] = Certificate(
            response: response, thisUpdate: response.answer.thisUpdate,
            askAt: StapleWatch.nextQuestion(after: response, now: now), backoff: backoff)
    }

    /// What is stapled, in DER.
    var responses: [OCSPQuestion: [UInt8]] { certificates.compactMapValues { $0.response?.bytes } }

    // MARK: as time goes by

    /// Responses that are over, which are stapled no more.
    mutating func expire(now: Int64) -> [OCSPQuestion] {
        let ended = certificates.filter { now >= $0.value.response?.end ?? .max }.map(\.key)
        for question in ended { certificates[question]?.response = nil }
        return ended
    }

    /// Questions to ask now, the longest due first; they count as asked until `answered`.
    mutating func begin(now: Int64) -> [OCSPQuestion] {
        let room = StapleWatch.askedMax - asked
        guard room > 0 else { return [] }
        // A few of perhaps thousands, and with each answer anew: no need to sort them all.
        var due: [(askAt: Int64, question: OCSPQuestion)] = []
        for (question, known) in certificates where !known.isAsked && known.askAt <= now {
            if due.count == room {
                guard known.askAt < due[room - 1].askAt else { continue }
                due.removeLast()
            }
            due.insert((known.askAt, question), at: due.firstIndex { $0.askAt > known.askAt } ?? due.count)
        }
        for (_, question) in due { certificates[question]?.isAsked = true }
        return due.map(\.question)
    }

    /// Responders that haven't answered yet.
    var asked: Int { certificates.values.count { $0.isAsked } }

    /// When `expire` or `begin` has something to do; nil: not before an answer.
    var next: Int64? {
        let hasRoom = asked < StapleWatch.askedMax
        var next: Int64?
        for known in certificates.values {
            let askAt = hasRoom && !known.isAsked ? known.askAt : .max
            let first = min(known.response?.end ?? .max, askAt)
            if first < next ?? .max { next = first }
        }
        return next
    }

    // MARK: answers

    /// A question has been answered, or not.
    ///
    /// - Returns: nil for a certificate that isn't watched any more.
    mutating func answered(
        _ question: OCSPQuestion, _ answer: Result<FetchedResponse, FetchFailure>, now: Int64
    ) -> Outcome? {
        guard var known = certificates[question] else { return nil }
        defer { certificates[question] = known }
        known.isAsked = false
        switch answer {
        case .failure(let failure): return failed(&known, failure.reason, now)
        case .success(let response) where response.answer.thisUpdate < known.thisUpdate ?? .min:
            // Also what somebody on the way has recorded before the certificate was revoked.
            return failed(&known, "the response is older than the one before", now)
        case .success(let response): return took(&known, response, now)
        }
    }

    private mutating func failed(_ known: inout Certificate, _ reason: String, _ now: Int64) -> Outcome {
        let isNew = known.failure != reason
        known.failure = reason
        known.failures += 1
        let wait = known.backoff.next(random: &random)
        known.askAt = now + max(1, wait.components.seconds)
        return isNew ? .failed(reason) : .failedAgain
    }

    private func took(_ known: inout Certificate, _ response: FetchedResponse, _ now: Int64) -> Outcome {
        let (hadFailed, wasRevoked, hadResponse) = (known.failure != nil, known.isRevoked, known.response != nil)
        known.failure = nil
        known.backoff.reset()
        known.thisUpdate = response.answer.thisUpdate
        known.askAt = StapleWatch.nextQuestion(after: response, now: now)
        known.isRevoked = response.answer.status != .good
        known.response = known.isRevoked ? nil : response
        if known.isRevoked { return .revoked(isNew: !wasRevoked) }
        return !hadResponse ? .stapled : hadFailed ? .recovered : .renewed
    }

    /// When half of what is left of a response's time is over.
    private static func nextQuestion(after response: FetchedResponse, now: Int64) -> Int64 {
        now + min(max((response.end - now) / 2, waitSecondsMin), waitSecondsMax)
    }
}
