import HTTP1
import NodeLink

/// Messages that were refused for their bytes, by side and reason.
struct MalformedCounts: ~Copyable {
    /// By `HTTP1Error.rawValue`.
    var requests = [UInt64](repeating: 0, count: HTTP1Error.allCases.count)
    /// PROXY protocol headers of relayed connections.
    var proxyHeaders: UInt64 = 0
    var responses = [UInt64](repeating: 0, count: HTTP1Error.allCases.count)

    /// Reasons that have occurred.
    func samples() -> [Sample] {
        var samples = samples(of: requests, side: "client") + samples(of: responses, side: "endpoint")
        if proxyHeaders > 0 { samples.append(sample("forwarder", "proxy-header", proxyHeaders)) }
        return samples
    }

    private func samples(of counts: [UInt64], side: String) -> [Sample] {
        var samples: [Sample] = []
        for error in HTTP1Error.allCases where counts[Int(error.rawValue)] > 0 {
            samples.append(sample(side, "\(error.reason)", counts[Int(error.rawValue)]))
        }
        return samples
    }

    private func sample(_ side: String, _ reason: String, _ count: UInt64) -> Sample {
        Sample("sluice_malformed_messages_total", [.init("side", side), .init("reason", reason)], Double(count))
    }
}
