/// When an endpoint that fails real requests is ejected, and for how long. The rules and their numbers are Envoy's
/// ("Outlier detection" of its architecture overview); where its default doesn't enforce a rule, ours does.
package struct OutlierSettings: Equatable, Sendable {
    /// Failed requests in a row, over all workers of a node; 0: not looked at.
    package var consecutiveErrors: Int
    /// How often success rates and failure percentages are judged; each looks at the requests since the last time.
    package var interval: Duration
    /// The first ejection; the next ones last twice, three times, … as long.
    package var ejection: Duration
    /// The longest ejection; at least `ejection`.
    package var ejectionMax: Duration
    /// Endpoints of a pool that may be ejected at a time, percent; one may always be.
    package var ejectedPercentMax: Int
    package var failurePercentage: FailurePercentage
    package var successRate: SuccessRate

    /// Ejects every endpoint whose share of failed requests is at least that large.
    package struct FailurePercentage: Equatable, Sendable {
        /// Percent; 0: not looked at.
        package var threshold: Int
        /// Endpoints with enough requests; with fewer nobody is judged.
        package var endpointsMin: Int
        /// Requests of an endpoint in one interval; with fewer it isn't judged.
        package var requestsMin: Int

        package init(threshold: Int = 85, endpointsMin: Int = 5, requestsMin: Int = 50) {
            self.threshold = threshold
            self.endpointsMin = endpointsMin
            self.requestsMin = requestsMin
        }
    }

    /// Ejects every endpoint whose success rate lies that many standard deviations below the mean of the pool's endpoints.
    package struct SuccessRate: Equatable, Sendable {
        /// Thousandths of a standard deviation; 0: not looked at.
        package var deviationsThousandths: Int
        package var endpointsMin: Int
        package var requestsMin: Int

        package init(deviationsThousandths: Int = 1900, endpointsMin: Int = 5, requestsMin: Int = 100) {
            self.deviationsThousandths = deviationsThousandths
            self.endpointsMin = endpointsMin
            self.requestsMin = requestsMin
        }
    }

    package init(
        consecutiveErrors: Int = 5, interval: Duration = .seconds(10), ejection: Duration = .seconds(30),
        ejectionMax: Duration = .seconds(300), ejectedPercentMax: Int = 10,
        failurePercentage: FailurePercentage = .init(), successRate: SuccessRate = .init()
    ) {
        self.consecutiveErrors = consecutiveErrors
        self.interval = interval
        self.ejection = ejection
        self.ejectionMax = ejectionMax
        self.ejectedPercentMax = ejectedPercentMax
        self.failurePercentage = failurePercentage
        self.successRate = successRate
    }
}

/// What an endpoint was ejected for.
package enum OutlierCause: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case consecutiveErrors, failurePercentage, successRate

    /// The word in metrics, logs and documents.
    package var name: String {
        switch self {
        case .consecutiveErrors: "consecutive-errors"
        case .failurePercentage: "failure-percentage"
        case .successRate: "success-rate"
        }
    }
}

/// Requests that an endpoint ended since the start, and those of them that failed.
package struct OutlierCounts: Equatable, Sendable {
    package var requests: UInt64
    package var errors: UInt64

    package init(requests: UInt64 = 0, errors: UInt64 = 0) {
        self.requests = requests
        self.errors = errors
    }

    /// What came since `earlier`.
    func since(_ earlier: OutlierCounts) -> OutlierCounts {
        OutlierCounts(requests: requests &- earlier.requests, errors: errors &- earlier.errors)
    }
}
