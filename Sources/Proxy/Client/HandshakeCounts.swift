import NodeLink
import TLS

/// Handshakes of one worker's clients, by how they ended.
struct HandshakeCounts {
    /// Of each version: full ones, then those that took up an earlier session.
    private var tls12: (full: UInt64, resumed: UInt64) = (0, 0)
    private var tls13: (full: UInt64, resumed: UInt64) = (0, 0)
    /// By `TLSHandshake.Failure`.
    private var failures: InlineArray<5, UInt64> = .init(repeating: 0)
    /// They took longer than `limits.timeout.head`.
    var timeouts: UInt64 = 0
    mutating func count(_ stream: TLSStream) {
        switch (stream.version, stream.isResumed) {
        case (.tls12, false): tls12.full &+= 1
        case (.tls12, true): tls12.resumed &+= 1
        case (.tls13, false): tls13.full &+= 1
        case (.tls13, true): tls13.resumed &+= 1
        }
    }

    mutating func count(_ failure: TLSHandshake.Failure) { failures[Int(failure.rawValue)] &+= 1 }

    func samples() -> [Sample] {
        var samples: [Sample] = []
        for (version, counts) in [(TLSVersion.tls12, tls12), (.tls13, tls13)] {
            for (resumed, count) in [("false", counts.full), ("true", counts.resumed)] where count > 0 {
                samples.append(
                    Sample(
                        "sluice_tls_handshakes_total",
                        [.init("version", version.name), .init("resumed", resumed)], Double(count)))
            }
        }
        var failed = TLSHandshake.Failure.allCases.map { ($0.name, failures[Int($0.rawValue)]) }
        failed.append(("timeout", timeouts))
        for (reason, count) in failed where count > 0 {
            samples.append(
                Sample("sluice_tls_handshake_failures_total", [.init("reason", reason)], Double(count)))
        }
        return samples
    }
}
