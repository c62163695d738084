/// What a node has counted since it started, as samples in Prometheus' model. Sent only when asked for.
///
/// Counters named as in the metrics reference; gauges are the moment's value. Beside the metrics that operators
/// see, a node reports:
/// - `sluice_node_connections`: connections open now (client side),
/// - `sluice_endpoint_state{pool,endpoint}`: 0 down, 1 up, 2 draining, 3 unknown (no probe has answered yet),
///   4 ejected for what it did to requests,
/// - `sluice_endpoint_active{pool,endpoint}`: requests (or relayed connections) under way,
/// - `sluice_endpoint_failures_total{pool,endpoint}`: failed connects and broken exchanges.
package struct Report: Equatable, Sendable {
    package var samples: [Sample]

    package init(samples: [Sample] = []) { self.samples = samples }
}

package struct Sample: Equatable, Sendable {
    package struct Label: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }
    package var name: String
    package var labels: [Label]
    package var value: Double

    package init(_ name: String, _ labels: [Label] = [], _ value: Double) {
        self.name = name
        self.labels = labels
        self.value = value
    }
}
