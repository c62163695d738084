/// What the role and operators must know of an endpoint.
package struct HealthChange: Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
        case probesPass
        case probesFail(ProbeFailure)
        /// It was down when its check, or the endpoint itself, was taken out of the site.
        case notProbedAnyMore
    }
    package let endpoint: EndpointKey
    package let cause: Cause

    package init(endpoint: EndpointKey, cause: Cause) {
        self.endpoint = endpoint
        self.cause = cause
    }

    package var isUp: Bool {
        switch cause {
        case .probesPass, .notProbedAnyMore: true
        case .probesFail: false
        }
    }
}
