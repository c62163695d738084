import NodeLink
import Snapshot

/// What became of a node's probes.
package struct ProbeCounts: Equatable, Sendable {
    private static let kinds = ["tcp", "http", "grpc"]
    private static let results = ["passed", "failed", "inconclusive"]

    /// By kind and result.
    private var probes = [UInt64](repeating: 0, count: kinds.count * results.count)
    /// Handshakes of TLS that were done: whole ones, then those that took up a session.
    package var handshakes: [UInt64] = [0, 0]

    package init() {}

    mutating func note(_ probe: HealthCheck.Probe, _ result: ProbeResult) {
        let kind =
            switch probe {
            case .tcp: 0
            case .http: 1
            case .grpc: 2
            }
        let number =
            switch result {
            case .passed: 0
            case .failed: 1
            case .inconclusive, .late: 2
            }
        probes[kind * ProbeCounts.results.count + number] &+= 1
    }

    /// Those that are not zero.
    var samples: [Sample] {
        var samples: [Sample] = []
        for (index, count) in probes.enumerated() where count > 0 {
            let (kind, result) = index.quotientAndRemainder(dividingBy: ProbeCounts.results.count)
            samples.append(
                Sample(
                    "sluice_probes_total",
                    [.init("kind", ProbeCounts.kinds[kind]), .init("result", ProbeCounts.results[result])],
                    Double(count)))
        }
        for (index, count) in handshakes.enumerated() where count > 0 {
            samples.append(
                Sample(
                    "sluice_probe_handshakes_total", [.init("resumed", index == 0 ? "false" : "true")], Double(count)))
        }
        return samples
    }
}
