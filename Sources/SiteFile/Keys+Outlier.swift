import Balancing

enum OutlierKeys {
    private static let standard = OutlierSettings()
    static let consecutiveErrors = Key(
        "consecutive_errors", .integer(0...1_000_000), default: standard.consecutiveErrors,
        "Requests in a row that an endpoint fails, at one node, until it is ejected: failed connects, connections that break, answers that are late, malformed or 5xx. 0 switches this rule off."
    )
    static let interval = Key(
        "interval", .duration(.milliseconds(100) ... .seconds(3600)), default: standard.interval,
        "How often `failure_percentage` and `success_rate` are judged, each time by the requests since the last time.")
    static let ejection = Key(
        "ejection", .duration(.milliseconds(100) ... .seconds(24 * 3600)), default: standard.ejection,
        "The first ejection; later ones last twice, three times, … as long. Each `interval` in which an endpoint stays in forgives one."
    )
    static let ejectionMax = Key(
        "max_ejection", .duration(.milliseconds(100) ... .seconds(24 * 3600)), default: standard.ejectionMax,
        "The longest ejection; at least `ejection`.")
    static let maxEjected = Key(
        "max_ejected", .percent(0...100), default: standard.ejectedPercentMax,
        "Endpoints of the pool that a node ejects at a time; one may always be.")
    static let failurePercentage = Key(
        "failure_percentage", .section(FailurePercentageKeys.section), "Ejects endpoints with too many failures.")
    static let successRate = Key(
        "success_rate", .section(SuccessRateKeys.section), "Ejects endpoints that are worse than the others.")
    static let section = Section(
        "pools.NAME.outlier",
        "Passive health: each node ejects endpoints that fail real requests. An ejected endpoint gets requests only when no other can take them; a passing probe doesn't bring it back. Requests of http listeners only.",
        keys: [
            consecutiveErrors.declaration, interval.declaration, ejection.declaration, ejectionMax.declaration,
            maxEjected.declaration, failurePercentage.declaration, successRate.declaration,
        ])
}

enum FailurePercentageKeys {
    private static let standard = OutlierSettings.FailurePercentage()
    static let threshold = Key(
        "threshold", .percent(0...100), default: standard.threshold,
        "Share of failed requests from which on an endpoint is ejected. 0% switches this rule off.")
    static let minimumEndpoints = Key(
        "minimum_endpoints", .integer(1...100_000), default: standard.endpointsMin,
        "Endpoints with enough requests; with fewer nobody is judged.")
    static let minimumRequests = Key(
        "minimum_requests", .integer(1...1_000_000), default: standard.requestsMin,
        "Requests of an endpoint in one interval; with fewer it isn't judged.")
    static let section = Section(
        "pools.NAME.outlier.failure_percentage", "",
        keys: [threshold.declaration, minimumEndpoints.declaration, minimumRequests.declaration])
}

enum SuccessRateKeys {
    private static let standard = OutlierSettings.SuccessRate()
    static let deviations = Key(
        "deviations", .thousandths(0...10_000), default: standard.deviationsThousandths,
        "An endpoint is ejected when its success rate lies more than this many standard deviations below the mean of all. 0 switches this rule off."
    )
    static let minimumEndpoints = Key(
        "minimum_endpoints", .integer(1...100_000), default: standard.endpointsMin,
        FailurePercentageKeys.minimumEndpoints.summary)
    static let minimumRequests = Key(
        "minimum_requests", .integer(1...1_000_000), default: standard.requestsMin,
        FailurePercentageKeys.minimumRequests.summary)
    static let section = Section(
        "pools.NAME.outlier.success_rate", "",
        keys: [deviations.declaration, minimumEndpoints.declaration, minimumRequests.declaration])
}
