import EventLoop
import HTTP1
import NodeAgent
import Telemetry

/// What is done about bytes that are no HTTP/1 message, besides the answer: a counter by side and reason, and a line in the
/// log as long as there are not too many.
extension ProxyWorker {
    mutating func noteMalformedRequest(_ client: IPEndpoint, _ error: HTTP1Error) {
        statistics.malformed.requests[Int(error.rawValue)] &+= 1
        guard refusalLog.allows(now) else { return }
        Log.warning("proxy", "refused a request from \(client): \(error.reason)")
    }

    /// - Parameter endpoint: The endpoint's number.
    mutating func noteMalformedResponse(_ endpoint: UInt32, _ error: HTTP1Error) {
        statistics.malformed.responses[Int(error.rawValue)] &+= 1
        guard refusalLog.allows(now) else { return }
        let key = endpointKeys[Int(endpoint)]
        Log.warning("proxy", "refused a response of \(key.pool)/\(key.address): \(error.reason)")
    }
}
