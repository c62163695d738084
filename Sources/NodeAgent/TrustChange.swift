package import Balancing

/// What a node's own requests have changed in its trust in an endpoint.
package struct TrustChange: Equatable, Sendable {
    package let endpoint: EndpointKey
    package let kind: OutlierDetector.Change.Kind

    package init(endpoint: EndpointKey, kind: OutlierDetector.Change.Kind) {
        self.endpoint = endpoint
        self.kind = kind
    }
}
