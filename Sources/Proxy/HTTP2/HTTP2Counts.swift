import HTTP2
import NodeLink

/// What one worker counts of HTTP/2 on client connections.
struct HTTP2Counts: ~Copyable {
    var streams: UInt64 = 0
    /// Streams that clients gave up, or made us give up.
    var resets: UInt64 = 0
    /// Messages that were refused with RST_STREAM (RFC 9113 §8.1.1).
    var malformed: UInt64 = 0
    /// By `Abuse.rawValue`.
    var abuse = [UInt64](repeating: 0, count: Abuse.allCases.count)

    func append(open sessions: Int, _ openStreams: Int, to samples: inout [Sample]) {
        samples.append(Sample("sluice_http2_connections", [.init("side", "client")], Double(sessions)))
        samples.append(Sample("sluice_http2_streams", [.init("side", "client")], Double(openStreams)))
        samples.append(Sample("sluice_http2_streams_total", [.init("side", "client")], Double(streams)))
        samples.append(Sample("sluice_http2_resets_total", [.init("side", "client")], Double(resets)))
        if malformed > 0 {
            samples.append(
                Sample(
                    "sluice_malformed_messages_total", [.init("side", "client"), .init("reason", "http2-message")],
                    Double(malformed)))
        }
        for reason in Abuse.allCases where abuse[Int(reason.rawValue)] > 0 {
            samples.append(
                Sample(
                    "sluice_http2_abuse_total", [.init("reason", "\(reason.reason)")],
                    Double(abuse[Int(reason.rawValue)])))
        }
    }
}
