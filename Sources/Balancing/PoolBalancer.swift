/// One worker's choice among the endpoints of one pool.
///
/// Which endpoints may be chosen (the *candidates*) is worked out when something changes (`changed`), in time that grows with the pool
/// and without memory; a pick then costs the same however large the pool is. Plain data over a `PoolShape` that must
/// outlive it; `destroy` gives its memory back. As in `CandidateSet`, what a pick calls is `mutating`.
@safe
package struct PoolBalancer {
    /// Which endpoints are candidates.
    package enum Scope: UInt8, BitwiseCopyable, Sendable {
        /// Those that are up.
        case normal
        /// Too few are up: the backups as well, or they alone.
        case backup
        /// Too few are up, and no backup: all that aren't draining, up or not.
        case panic
        /// None.
        case none
    }

    let shape: Unmanaged<PoolShape>
    let members: UnsafeMutablePointer<PoolShape.Member>
    package let count: Int
    package let rules: BalanceRules
    private let maglev: Unmanaged<MaglevTable>?
    var candidates: CandidateSet
    /// By index: whether the endpoint is a candidate.
    let isChosen: UnsafeMutablePointer<Bool>
    /// When the candidates must be worked out again, monotonic nanoseconds; 0: now.
    var refreshAt: UInt64 = 0
    package internal(set) var scope = Scope.none

    package init(_ shape: PoolShape) {
        unsafe self.shape = .passUnretained(shape)
        unsafe members = unsafe shape.members
        count = shape.count
        rules = shape.rules
        unsafe maglev = shape.maglev.map { unsafe .passUnretained($0) }
        let steps = shape.rules.slowStartNanoseconds > 0 ? Int(PoolShape.warmSteps) : 1
        candidates = CandidateSet(countMax: shape.count, groupsMax: min(shape.count, shape.weightCount * steps))
        unsafe isChosen = .allocate(capacity: max(shape.count, 1))
        unsafe isChosen.initialize(repeating: false, count: shape.count)
    }

    package func destroy() {
        candidates.destroy()
        unsafe isChosen.deallocate()
    }

    /// The standing of an endpoint has changed, or its slow start begins.
    package mutating func changed() { refreshAt = 0 }

    /// The endpoint for the next request, by its number; nil when there is none.
    ///
    /// - Parameters:
    ///   - loads: By endpoint number.
    ///   - active: Requests of this worker under way in the whole pool; looked at by `hash` only.
    ///   - key: Of the request, with well-mixed high bits; looked at by `hash`, which draws an endpoint without it.
    ///   - now: Monotonic nanoseconds.
    package mutating func pick(
        _ loads: UnsafeMutablePointer<EndpointLoad>, active: UInt32 = 0, key: UInt64? = nil, now: UInt64,
        random: inout RandomSource
    ) -> UInt32? {
        if now >= refreshAt { unsafe refresh(loads, now: now, random: &random) }
        if candidates.count == 1 {
            let number = candidates[0].number
            return unsafe loads[Int(number)].standing.contains(.excluded) ? nil : number
        }
        switch rules.policy {
        case .roundRobin: return unsafe candidates.next(loads)
        case .random: return unsafe candidates.draw(loads, &random)?.number
        case .leastRequest: return unsafe leastLoaded(loads, &random)
        case .peakEWMA: return unsafe fastest(loads, now: now, &random)
        case .hash:
            guard let key else { return unsafe candidates.draw(loads, &random)?.number }
            return unsafe hashed(key, loads, active: active)
        }
    }

    /// Whether there is an endpoint to pick that is up and isn't suspected. In a panic those that are down are picked too, but
    /// whoever has another pool is better off there.
    package mutating func hasUsable(
        _ loads: UnsafeMutablePointer<EndpointLoad>, now: UInt64, random: inout RandomSource
    ) -> Bool {
        if now >= refreshAt { unsafe refresh(loads, now: now, random: &random) }
        for place in 0..<candidates.count {
            let standing = unsafe loads[Int(candidates[place].number)].standing
            if standing.contains(.up) && !standing.isAvoided && !standing.contains(.excluded) { return true }
        }
        return false
    }

    /// Whether there is an endpoint to pick, suspected or not.
    package mutating func hasOpen(
        _ loads: UnsafeMutablePointer<EndpointLoad>, now: UInt64, random: inout RandomSource
    ) -> Bool {
        if now >= refreshAt { unsafe refresh(loads, now: now, random: &random) }
        for place in 0..<candidates.count
        where unsafe !loads[Int(candidates[place].number)].standing.contains(.excluded) { return true }
        return false
    }

    // MARK: least request

    /// Up to so many are all compared: in a small pool two draws would often miss the idle one.
    private static var scannedMax: Int { 8 }

    /// The fewest requests for its weight. Ties go by weight, so that an idle pool is shared by weight, too.
    private mutating func leastLoaded(
        _ loads: UnsafeMutablePointer<EndpointLoad>, _ random: inout RandomSource
    ) -> UInt32? {
        if candidates.count <= PoolBalancer.scannedMax {
            return unsafe leastLoadedOfAll(loads, &random)
        }
        // Two choices (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001): workers and nodes that
        // each see their own requests only don't all run to the same endpoint.
        guard let (first, other) = unsafe candidates.drawTwo(loads, &random) else { return nil }
        guard let second = other else { return first.number }
        // On a tie the first draw stays, and that one went by weight.
        return unsafe PoolBalancer.difference(second, first, loads) < 0 ? second.number : first.number
    }

    @inline(never)
    private mutating func leastLoadedOfAll(
        _ loads: UnsafeMutablePointer<EndpointLoad>, _ random: inout RandomSource
    ) -> UInt32? {
        var best: CandidateSet.Member?
        // Sum of the weights of those that are as good as `best`.
        var tied: UInt32 = 0
        for place in 0..<candidates.count {
            let candidate = candidates[place]
            if unsafe loads[Int(candidate.number)].standing.contains(.excluded) { continue }
            let order = best.map { unsafe PoolBalancer.difference(candidate, $0, loads) } ?? -1
            if order < 0 {
                best = candidate
                tied = candidate.weight
            } else if order == 0 {
                tied += candidate.weight
                // Each of the tied ends up with a chance of weight / tied.
                if random.next(below: tied) < candidate.weight { best = candidate }
            }
        }
        return best?.number
    }

    /// Below 0 when `first` has fewer requests for its weight than `second`, 0 when as many.
    @inline(__always)
    private static func difference(
        _ first: CandidateSet.Member, _ second: CandidateSet.Member, _ loads: UnsafeMutablePointer<EndpointLoad>
    ) -> Int64 {
        // Cross-multiplied: 32 bits by 13 bits, the difference fits.
        unsafe Int64(loads[Int(first.number)].active) &* Int64(second.weight)
            &- Int64(loads[Int(second.number)].active) &* Int64(first.weight)
    }

    // MARK: peak EWMA

    /// Latencies that differ by less are called equal where both are small, nanoseconds: what a scheduler or an interrupt adds
    /// says nothing about an endpoint.
    private static var latencyFloor: Float { 1_000_000 }
    /// Costs within a quarter of the least are called equal and go by weight, so that an unloaded pool isn't served by one endpoint
    /// alone, the one whose last answer was a little faster. One request more counts as long as fewer than four are under way.
    private static var tieRatio: Float { 1.25 }
    /// Of an endpoint that has requests and has never answered: more than any latency, so that it gets one at first.
    private static var unknownLatency: Float { 1e13 }

    /// The least expected wait: latency times the requests it would have.
    private mutating func fastest(
        _ loads: UnsafeMutablePointer<EndpointLoad>, now: UInt64, _ random: inout RandomSource
    ) -> UInt32? {
        if candidates.count <= PoolBalancer.scannedMax {
            return unsafe fastestOfAll(loads, now: now, &random)
        }
        guard let (first, other) = unsafe candidates.drawTwo(loads, &random) else { return nil }
        guard let second = other else { return first.number }
        let costs = unsafe (PoolBalancer.cost(first, loads, now), PoolBalancer.cost(second, loads, now))
        return costs.1 * PoolBalancer.tieRatio < costs.0 ? second.number : first.number
    }

    @inline(never)
    private mutating func fastestOfAll(
        _ loads: UnsafeMutablePointer<EndpointLoad>, now: UInt64, _ random: inout RandomSource
    ) -> UInt32? {
        var costs = SIMD8<Float>(repeating: .infinity)
        for place in 0..<candidates.count {
            let candidate = candidates[place]
            if unsafe loads[Int(candidate.number)].standing.contains(.excluded) { continue }
            costs[place] = unsafe PoolBalancer.cost(candidate, loads, now)
        }
        let limit = costs.min() * PoolBalancer.tieRatio
        guard limit < .infinity else { return nil }
        var best: UInt32?
        var tied: UInt32 = 0
        for place in 0..<candidates.count where costs[place] <= limit {
            let candidate = candidates[place]
            tied += candidate.weight
            if random.next(below: tied) < candidate.weight { best = candidate.number }
        }
        return best
    }

    @inline(__always)
    private static func cost(
        _ candidate: CandidateSet.Member, _ loads: UnsafeMutablePointer<EndpointLoad>, _ now: UInt64
    ) -> Float {
        let load = unsafe loads[Int(candidate.number)]
        let latency = load.isObserved || load.active == 0 ? load.latency(at: now) : unknownLatency
        // The lighter, the more a request under way weighs; without any, weights decide by the draw alone.
        return (latency + latencyFloor) * (1 + Float(load.active) * candidate.lightness)
    }

    // MARK: hash

    /// No endpoint gets a request that would leave it with more than 1.25 times its share of the requests under way (Mirrokni,
    /// Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016): it goes to the key's next preference.
    /// A few requests are no load: below this many at one endpoint a key stays where it belongs.
    private static var boundMin: UInt64 { 8 }

    private mutating func hashed(_ key: UInt64, _ loads: UnsafeMutablePointer<EndpointLoad>, active: UInt32) -> UInt32?
    {
        guard let maglev = unsafe maglev else { return nil }
        // 1.25 (active + 1) / weight of all, as a fraction of 4.
        let share = UInt64(active &+ 1) &* 5
        let whole = UInt64(candidates.weight) &* 4
        return unsafe maglev._withUnsafeGuaranteedRef { table in
            let index =
                table.first(hash: key) { index in
                    unsafe isOpen(index, loads) && isBelowBound(index, loads, share: share, whole: whole)
                } ?? table.first(hash: key) { unsafe isOpen($0, loads) }
            return index.map { unsafe members[$0].number }
        }
    }

    @inline(__always)
    private func isOpen(_ index: Int, _ loads: UnsafeMutablePointer<EndpointLoad>) -> Bool {
        unsafe isChosen[index] && !loads[Int(members[index].number)].standing.contains(.excluded)
    }

    @inline(__always)
    private func isBelowBound(
        _ index: Int, _ loads: UnsafeMutablePointer<EndpointLoad>, share: UInt64, whole: UInt64
    ) -> Bool {
        let active = unsafe UInt64(loads[Int(members[index].number)].active)
        if active < PoolBalancer.boundMin { return true }
        let weight = unsafe UInt64(members[index].weight) &* UInt64(PoolShape.warmSteps)
        // active + 1 <= ⌈share · weight / whole⌉, as active < share · weight / whole.
        return active &* whole < share &* weight
    }
}
