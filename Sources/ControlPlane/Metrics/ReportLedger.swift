package import NodeLink

/// What nodes reported last, and what those that ended had counted: totals don't go down when a node dies.
///
/// What a node counted between its last report and its end is lost; a restart of the control plane forgets the nodes
/// that ended before it (Prometheus sees that as a reset of the counter).
package struct ReportLedger: Sendable {
    struct Key: Hashable, Sendable {
        let name: String
        let labels: [Sample.Label]

        init(_ sample: Sample) {
            name = sample.name
            labels = sample.labels.sorted { $0.name < $1.name }
        }
    }

    private(set) var last: [String: Report] = [:]
    private var ended: [Key: Double] = [:]

    package init() {}

    package mutating func record(_ report: Report, of node: String) { last[node] = report }

    /// The node's process has ended: its counters are kept, its gauges are not.
    package mutating func ended(_ node: String) {
        for sample in last.removeValue(forKey: node)?.samples ?? [] where MetricFamily.isCounter(sample.name) {
            ended[Key(sample), default: 0] += sample.value
        }
    }

    /// Equal samples of all nodes as one: the sum; of `sluice_endpoint_up` the largest.
    ///
    /// - Parameter answered: Nodes whose last report is of now; gauges come from these only.
    package func totals(answered: Set<String>) -> [Sample] {
        var totals = ended
        for (node, report) in last {
            for sample in report.samples where answered.contains(node) || MetricFamily.isCounter(sample.name) {
                let key = Key(sample)
                if let total = totals[key] {
                    totals[key] =
                        MetricFamily.takesLargest(sample.name) ? max(total, sample.value) : total + sample.value
                } else {
                    totals[key] = sample.value
                }
            }
        }
        return totals.map { Sample($0.name, $0.labels, $1) }
    }
}

extension Sequence<Sample> {
    /// The sum over samples of that name whose labels have these values; 0 when there is none.
    func sum(_ name: String, _ labels: [String: String] = [:]) -> Double {
        reduce(0) { sum, sample in
            guard sample.name == name, sample.has(labels) else { return sum }
            return sum + sample.value
        }
    }
}

extension Sample {
    func has(_ wanted: [String: String]) -> Bool {
        wanted.allSatisfy { name, value in labels.contains { $0.name == name && $0.value == value } }
    }
}
