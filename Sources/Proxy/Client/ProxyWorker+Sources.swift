import EventLoop
import NodeLink

/// `limits.connections_per_source` and `limits.requests_per_connection`.
extension ProxyWorker {
    /// The client's address is known: counts its connection where the site limits those. One too many is answered with
    /// 429 to its first request, or at once when that isn't there yet, and closed: it must not hold a slot by waiting.
    mutating func admitSource(_ client: ClientPointer) {
        guard let site = unsafe site else { return }
        let limits = unsafe site.pointee.limits(ofListener: client.pointee.listener)
        let countMax = unsafe limits.pointee.connectionsPerSourceMax
        guard countMax > 0 else { return }
        let scope = unsafe limits.pointee.sourceScope
        let address = unsafe client.pointee.address
        // A trusted proxy stands for many sources.
        if unsafe site.pointee.tables.pointee.trustedCount > 0 && site.pointee.tables.pointee.trusts(address) { return }
        if sources.enter(address, in: scope, max: countMax) {
            unsafe client.pointee.isCounted = true
            unsafe client.pointee.sourceScope = scope
        } else {
            unsafe client.pointee.isOverLimit = true
            statistics.limitedSources &+= 1
        }
    }

    /// The connection has ended.
    mutating func leaveSource(_ client: ClientPointer) {
        if unsafe client.pointee.isCounted {
            unsafe sources.leave(client.pointee.address, in: client.pointee.sourceScope)
        }
    }

    /// Counts a request of the client's connection.
    ///
    /// - Returns: Whether it is the last one that the site allows there.
    mutating func countsAsLast(_ client: ClientPointer, _ site: UnsafeMutablePointer<WorkerSite>) -> Bool {
        unsafe client.pointee.requests &+= 1
        guard
            unsafe client.pointee.requests
                >= site.pointee.limits(ofListener: client.pointee.listener).pointee.requestsPerConnectionMax
        else { return false }
        statistics.limitedRequests &+= 1
        return true
    }

    func appendLimitSamples(to samples: inout [Sample]) {
        for (limit, count) in [
            ("connections_per_source", statistics.limitedSources),
            ("requests_per_connection", statistics.limitedRequests),
            ("timeout.write", statistics.limitedWrites),
        ] where count > 0 {
            samples.append(Sample("sluice_limited_total", [.init("limit", limit)], Double(count)))
        }
    }
}
