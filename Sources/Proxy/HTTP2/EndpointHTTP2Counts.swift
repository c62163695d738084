import HTTP2
import NodeLink

/// What one worker counts of HTTP/2 on connections to endpoints.
struct EndpointHTTP2Counts: ~Copyable {
    var streams: UInt64 = 0
    /// Streams that endpoints refused or gave up, or made us give up.
    var resets: UInt64 = 0
    /// GOAWAY frames of endpoints.
    var goAways: UInt64 = 0
    /// Requests that began anew, as their connection was ended before the endpoint looked at them.
    var passedOver: UInt64 = 0
    /// By `Abuse.rawValue`.
    var abuse = [UInt64](repeating: 0, count: Abuse.allCases.count)

    func append(open sessions: Int, _ openStreams: Int, to samples: inout [Sample]) {
        let side = [Sample.Label("side", "endpoint")]
        samples.append(Sample("sluice_http2_connections", side, Double(sessions)))
        samples.append(Sample("sluice_http2_streams", side, Double(openStreams)))
        samples.append(Sample("sluice_http2_streams_total", side, Double(streams)))
        samples.append(Sample("sluice_http2_resets_total", side, Double(resets)))
        samples.append(Sample("sluice_http2_goaways_total", [], Double(goAways)))
        samples.append(Sample("sluice_http2_passed_over_total", [], Double(passedOver)))
        for reason in Abuse.allCases where abuse[Int(reason.rawValue)] > 0 {
            samples.append(
                Sample(
                    "sluice_http2_endpoint_abuse_total", [.init("reason", "\(reason.reason)")],
                    Double(abuse[Int(reason.rawValue)])))
        }
    }
}
