import Balancing
import EventLoop
import NodeLink

/// Which endpoint a request goes to, and what its answer says of it.
extension ProxyWorker {
    /// The endpoint for the next attempt.
    ///
    /// - Parameter exchange: Whose attempt it is; nil for a request that this worker can't look at.
    /// - Returns: Its number; nil when there is none, or each has failed the request already.
    @inline(__always)
    mutating func pick(_ pool: UnsafeMutablePointer<PoolState>, for exchange: ExchangePointer?) -> UInt32? {
        if let exchange = unsafe exchange, unsafe !exchange.pointee.retry.tried.isEmpty {
            return unsafe pickUntried(pool, for: exchange)
        }
        return unsafe pickAny(pool, for: exchange)
    }

    @inline(never)
    private mutating func pickUntried(
        _ pool: UnsafeMutablePointer<PoolState>, for exchange: ExchangePointer
    ) -> UInt32? {
        let tried = unsafe exchange.pointee.retry.tried
        let excluded = exclude(tried)
        let picked = unsafe pickAny(pool, for: exchange)
        include(tried, excluded)
        return picked
    }

    /// Leaves endpoints out of `pick` until `include`.
    ///
    /// - Returns: Those that weren't left out before, a bit for each.
    private func exclude(_ tried: TriedEndpoints) -> UInt8 {
        var excluded: UInt8 = 0
        for place in 0..<tried.count {
            let number = Int(tried[place])
            guard unsafe !loads[number].standing.contains(.excluded) else { continue }
            excluded |= 1 << UInt8(place)
            unsafe loads[number].standing.insert(.excluded)
        }
        return excluded
    }

    private func include(_ tried: TriedEndpoints, _ excluded: UInt8) {
        for place in 0..<tried.count where excluded >> UInt8(place) & 1 == 1 {
            unsafe loads[Int(tried[place])].standing.remove(.excluded)
        }
    }

    private mutating func pickAny(
        _ pool: UnsafeMutablePointer<PoolState>, for exchange: ExchangePointer?
    ) -> UInt32? {
        var key: UInt64?
        if let exchange = unsafe exchange, unsafe pool.pointee.goesByRequest {
            unsafe readAffinity(exchange, pool)
            if let number = unsafe sessionEndpoint(exchange) { return number }
            key = unsafe exchange.pointee.affinity.key
        }
        return unsafe pool.pointee.balancer.pick(
            loads, active: poolFigures[pool.pointee.number].budget.active, key: key, now: now, random: &random)
    }

    /// Leaves an endpoint out of `pick` until `restore`.
    func exclude(_ number: UInt32) { unsafe loads[Int(number)].standing.insert(.excluded) }

    /// Ends every `exclude` of a pool's endpoints.
    func restore(_ pool: UnsafeMutablePointer<PoolState>) {
        for index in 0..<(unsafe pool.pointee.count) {
            unsafe loads[Int(pool.pointee.endpoints[index])].standing.remove(.excluded)
        }
    }

    /// Whether a pool has an endpoint that is up and isn't suspected.
    mutating func hasUsable(_ pool: UnsafeMutablePointer<PoolState>) -> Bool {
        unsafe pool.pointee.balancer.hasUsable(loads, now: now, random: &random)
    }

    /// Whether a pool has an endpoint to try, suspected or not, that hasn't failed a request.
    mutating func hasOpen(_ pool: UnsafeMutablePointer<PoolState>, besides tried: TriedEndpoints) -> Bool {
        let excluded = exclude(tried)
        let has = unsafe pool.pointee.balancer.hasOpen(loads, now: now, random: &random)
        include(tried, excluded)
        return has
    }

    // MARK: what an endpoint is like

    /// The head of an answer has come. One that comes before the whole request was sent says nothing: how long that takes is
    /// the client's doing.
    @inline(__always)
    func observeAnswer(_ exchange: ExchangePointer) {
        let sentAt = unsafe exchange.pointee.trace.sentAt
        guard sentAt > 0 else { return }
        unsafe loads[Int(exchange.pointee.endpoint)].observe(nanoseconds: now &- sentAt, now: now)
    }

    /// An attempt has failed at an endpoint: as bad as a slow answer, or one that refuses quickly would look fast.
    func observeFailure(_ exchange: ExchangePointer, at number: UInt32) {
        let began = unsafe exchange.pointee.trace.attemptBeganAt
        unsafe loads[Int(number)].observeFailure(
            nanoseconds: max(now &- began, WorkerLimits.failureNanoseconds), now: now)
    }

    /// Takes over what is known of an endpoint. One that comes back begins slowly, where its pool asks for that.
    ///
    /// - Parameter isNew: It has come with the site that is being taken.
    func updateLoad(of number: Int, isNew: Bool = false) {
        let standing = unsafe endpoints[number].standing
        let isOpen = standing.contains(.up) && standing.isDisjoint(with: [.draining, .ejected])
        let was = unsafe loads[number].standing
        let wasOpen = was.contains(.up) && was.isDisjoint(with: [.draining, .ejected])
        if isOpen && (!wasOpen || isNew) { unsafe loads[number].warmSince = now }
        unsafe loads[number].standing = was.contains(.excluded) ? standing.union(.excluded) : standing
    }

    /// Room for the loads of a site's endpoints.
    mutating func growLoads(from before: Int, to count: Int) {
        let grown = UnsafeMutablePointer<EndpointLoad>.allocate(capacity: count)
        unsafe grown.initialize(from: loads, count: before)
        unsafe (grown + before).initialize(repeating: EndpointLoad(), count: count - before)
        unsafe loads.deallocate()
        unsafe loads = unsafe grown
        // Endpoints of the first site begin at once: there is nothing that they would share with.
        for number in before..<count { updateLoad(of: number, isNew: unsafe site != nil) }
    }

    // MARK: reports

    /// Pools of the current site: whether too few of their endpoints are up.
    mutating func appendScopes(_ names: [String], to samples: inout [Sample]) {
        guard let site = unsafe site else { return }
        for index in 0..<(unsafe site.pointee.poolCount) {
            let pool = unsafe site.pointee.pools + index
            _ = unsafe hasUsable(pool)
            let isPanic = unsafe pool.pointee.balancer.scope == .panic
            samples.append(
                unsafe Sample("sluice_pool_panic", [.init("pool", names[pool.pointee.number])], isPanic ? 1 : 0))
        }
    }
}
