/// `retry`: which failed requests are sent to another endpoint, and how often.
///
/// Only what an endpoint may get twice is sent twice: a request of which nothing was sent, or an idempotent one that is
/// at hand from its first byte to its last.
package struct RetryPolicy: Equatable, Sendable {
    /// One word or status of `on`.
    package enum Condition: Equatable, Hashable, Sendable {
        /// `connect-failure`: refused, unreachable, or not in `timeout.connect`.
        case connectFailure
        /// `reset`: the connection ended before a response.
        case reset
        /// An answer with that status, 400…599. 502 and 504 stand as well for what the proxy would answer itself: the endpoint's
        /// bytes are no response, or none came in time.
        case status(Int)

        /// As in the site file.
        package var name: String {
            switch self {
            case .connectFailure: "connect-failure"
            case .reset: "reset"
            case .status(let status): "\(status)"
            }
        }
    }

    /// `attempts`: how often one request is sent, the first time included; 1…5.
    package var attemptsMax: Int
    /// `on`; each at most once.
    package var conditions: [Condition]
    /// `per_try_timeout`: for one attempt, from its start (or the end of the request's body, where that comes later) to the
    /// response's head; nil for no bound but those of `timeout`.
    package var perTryTimeout: Duration?
    /// `budget`: retries under way, in percent of the requests under way at the pool; 0…100.
    package var budgetPercent: Int

    package init(
        attemptsMax: Int = 3, conditions: [Condition] = [.connectFailure, .reset], perTryTimeout: Duration? = nil,
        budgetPercent: Int = 20
    ) {
        self.attemptsMax = attemptsMax
        self.conditions = conditions
        self.perTryTimeout = perTryTimeout
        self.budgetPercent = budgetPercent
    }

    package static let attemptsRange = 1...5
}
