import Balancing
import NodeLink
import Telemetry

/// Requests that a pool takes at a time: `requests.max`, counted exactly for a node, and the adaptive limit of each worker.
///
/// A request is let in before its first attempt and counts until its endpoint is free again, or until it ends without one;
/// whoever isn't let in is told so at once, since it costs least to wait where nothing is held for it: at the client.
extension ProxyWorker {
    /// - Returns: false after the request was answered with 503.
    @inline(never)
    mutating func admits(_ exchange: ExchangePointer, _ pool: UnsafeMutablePointer<PoolState>) -> Bool {
        let index = unsafe Int32(exchange.pointee.pool)
        if unsafe exchange.pointee.admittedPool == index { return true }
        // It goes on to another pool than the one of its first attempt.
        unsafe endAdmission(exchange)
        let number = unsafe pool.pointee.number
        let limits = unsafe pool.pointee.requests
        if limits.isAdaptive,
            unsafe poolFigures[number].admitted >= poolFigures[number].gradient.current(limits.gradient)
        {
            unsafe poolFigures[number].rejectedAdaptive &+= 1
            unsafe refuseAdmission(exchange)
            return false
        }
        if let count = unsafe limits.count, unsafe !count.pointee.take(countMax: limits.countMax) {
            unsafe poolFigures[number].rejectedMax &+= 1
            unsafe refuseAdmission(exchange)
            return false
        }
        unsafe poolFigures[number].admitted += 1
        unsafe exchange.pointee.admittedPool = index
        return true
    }

    private mutating func refuseAdmission(_ exchange: ExchangePointer) {
        unsafe exchange.pointee.trace.termination = .overload
        unsafe exchange.pointee.retryAfterSeconds = 1
        unsafe answer(exchange, status: 503)
    }

    @inline(__always)
    mutating func endAdmission(_ exchange: ExchangePointer) {
        guard unsafe exchange.pointee.admittedPool != Exchange.notAdmitted else { return }
        unsafe giveAdmission(exchange)
    }

    @inline(never)
    private mutating func giveAdmission(_ exchange: ExchangePointer) {
        let site = unsafe exchange.pointee.site
        let pool = unsafe site.pointee.pools + Int(exchange.pointee.admittedPool)
        unsafe exchange.pointee.admittedPool = Exchange.notAdmitted
        unsafe poolFigures[pool.pointee.number].admitted -= 1
        if let count = unsafe pool.pointee.requests.count { unsafe count.pointee.give() }
    }

    /// An answer has come, or none in time: the adaptive limit follows.
    @inline(__always)
    mutating func observeLatency(_ exchange: ExchangePointer) {
        let pool = unsafe pool(of: exchange)
        if unsafe route(of: exchange).pointee.hedgePercent > 0 { unsafe countLatency(exchange) }
        guard unsafe pool.pointee.requests.isAdaptive else { return }
        let number = unsafe pool.pointee.number
        unsafe poolFigures[number].gradient.answered(
            nanoseconds: now &- exchange.pointee.trace.attemptBeganAt, active: poolFigures[number].admitted, now: now,
            pool.pointee.requests.gradient)
    }

    // MARK: figures

    func appendAdmissions(_ names: [String], _ site: UnsafeMutablePointer<WorkerSite>, to samples: inout [Sample]) {
        for index in 0..<(unsafe site.pointee.poolCount) {
            let pool = unsafe site.pointee.pools + index
            let limits = unsafe pool.pointee.requests
            guard limits.isLimited else { continue }
            let number = unsafe pool.pointee.number
            let figures = unsafe poolFigures[number]
            let label = [Sample.Label("pool", names[number])]
            samples.append(Sample("sluice_pool_requests", label, Double(figures.admitted)))
            if limits.isAdaptive {
                samples.append(
                    Sample("sluice_pool_requests_limit", label, Double(figures.gradient.current(limits.gradient))))
            }
            for (reason, count) in [("max", figures.rejectedMax), ("adaptive", figures.rejectedAdaptive)] {
                samples.append(
                    Sample("sluice_pool_requests_rejected_total", label + [.init("reason", reason)], Double(count)))
            }
        }
    }
}
