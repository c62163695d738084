import Balancing
import EventLoop
import Snapshot
import Telemetry

/// One worker's hold on a compiled site: alive as long as it is current or an exchange began with it.
@safe
struct WorkerSite {
    let compiled: Unmanaged<CompiledSite>
    let tables: UnsafePointer<SiteTables>
    let pools: UnsafeMutablePointer<PoolState>
    let poolCount: Int
    /// Exchanges that began with it.
    var exchanges = 0
    var isCurrent = true
    /// Copies of what every request needs.
    let connectionCountMax: Int
    /// By listener number; those of the site come last.
    private let limits: UnsafeMutablePointer<ClientLimits>
    private let limitCount: Int
    /// nil: requests are not logged.
    let log: WorkerLog?

    init(_ site: CompiledSite, endpoints: UnsafeMutablePointer<EndpointState>, worker: Int) {
        unsafe compiled = .passRetained(site)
        unsafe tables = unsafe site.tables
        poolCount = unsafe tables.pointee.poolCount
        unsafe pools = .allocate(capacity: max(poolCount, 1))
        connectionCountMax = site.connectionCountMax
        unsafe limits = unsafe tables.pointee.limits
        limitCount = unsafe tables.pointee.limitCount
        log = site.accessLog.flatMap { log in site.logNames.map { WorkerLog(ring: log.rings[worker], names: $0) } }
        for index in 0..<poolCount {
            unsafe (pools + index).initialize(
                to: PoolState(tables.pointee.pools[index], endpoints: endpoints, worker: worker))
        }
    }

    /// The limits of a listener's connections; valid as long as the site.
    ///
    /// - Parameter number: The listener's, or `Client.unknownListener`.
    @inline(__always)
    func limits(ofListener number: UInt32) -> UnsafePointer<ClientLimits> {
        unsafe UnsafePointer(limits + min(Int(number), limitCount))
    }

    /// Frees everything; the value must not be used afterwards.
    func destroy() {
        for index in 0..<poolCount { unsafe pools[index].destroy() }
        unsafe pools.deallocate()
        unsafe compiled.release()
    }
}

/// A pool as one worker balances it: arrays by the endpoint's index in the pool.
@safe
struct PoolState {
    /// Identity across revisions.
    let number: Int
    let endpoints: UnsafeMutablePointer<UInt32>
    let count: Int
    let balance: Pool.Balance
    let connections: CompiledConnections
    private let weights: UnsafeMutablePointer<UInt16>
    /// Up, not draining, not suspected and not ejected.
    private let usable: UnsafeMutablePointer<Bool>
    /// Up and not draining: the last resort when every endpoint is suspected or ejected.
    private let eligible: UnsafeMutablePointer<Bool>
    private let turns: UnsafeMutablePointer<Int32>
    private let active: UnsafeMutablePointer<UInt32>
    private var roundRobin: RoundRobinState
    private var leastRequest: LeastRequest

    init(_ pool: CompiledPool, endpoints states: UnsafeMutablePointer<EndpointState>, worker: Int) {
        number = pool.number
        count = pool.count
        balance = pool.balance
        connections = pool.connections
        unsafe endpoints = unsafe pool.endpoints
        unsafe weights = unsafe pool.weights
        unsafe usable = .allocate(capacity: count)
        unsafe eligible = .allocate(capacity: count)
        unsafe turns = .allocate(capacity: count)
        unsafe active = .allocate(capacity: count)
        for index in 0..<count {
            let state = unsafe states[Int(endpoints[index])]
            unsafe usable[index] = state.isUsable
            unsafe eligible[index] = state.isEligible
            unsafe active[index] = state.active
        }
        roundRobin = unsafe RoundRobinState(weights: weights, current: turns, count: count, startingAt: worker)
        leastRequest = unsafe LeastRequest(weights: weights, count: count)
    }

    func destroy() {
        unsafe usable.deallocate()
        unsafe eligible.deallocate()
        unsafe turns.deallocate()
        unsafe active.deallocate()
    }

    /// The endpoint for the next request or retry.
    ///
    /// - Parameter tried: Endpoints that have failed this request.
    /// - Returns: Index in the pool; nil when every other endpoint is down or draining.
    mutating func pick(avoiding tried: TriedEndpoints, _ random: inout RandomSource) -> Int? {
        if !tried.isEmpty { return pickUntried(tried, &random) }
        return pick(&random)
    }

    @inline(never)
    private mutating func pickUntried(_ tried: TriedEndpoints, _ random: inout RandomSource) -> Int? {
        var wasUsable: UInt8 = 0
        var wasEligible: UInt8 = 0
        for place in 0..<tried.count {
            guard let index = index(of: tried[place]) else { continue }
            if unsafe usable[index] { wasUsable |= 1 << place }
            if unsafe eligible[index] { wasEligible |= 1 << place }
            exclude(index)
        }
        defer {
            for place in 0..<tried.count {
                guard let index = index(of: tried[place]) else { continue }
                unsafe usable[index] = wasUsable >> place & 1 == 1
                unsafe eligible[index] = wasEligible >> place & 1 == 1
            }
        }
        return pick(&random)
    }

    private mutating func pick(_ random: inout RandomSource) -> Int? {
        if let index = pickUsable(&random) { return index }
        // Every endpoint that is up is suspected or ejected: better to try one than to refuse.
        return unsafe roundRobin.pick(weights: weights, usable: eligible, current: turns, count: count)
    }

    private mutating func pickUsable(_ random: inout RandomSource) -> Int? {
        switch balance {
        case .roundRobin:
            unsafe roundRobin.pick(weights: weights, usable: usable, current: turns, count: count)
        case .leastRequest:
            unsafe leastRequest.pick(active: active, weights: weights, usable: usable, count: count, random: &random)
        }
    }

    /// Leaves an endpoint out of `pick` until `update` or `restore`.
    func exclude(_ index: Int) {
        unsafe usable[index] = false
        unsafe eligible[index] = false
    }

    /// Ends every `exclude`.
    func restore(_ states: UnsafeMutablePointer<EndpointState>) {
        for index in 0..<count {
            let state = unsafe states[Int(endpoints[index])]
            unsafe usable[index] = state.isUsable
            unsafe eligible[index] = state.isEligible
        }
    }

    /// Whether an endpoint is up and not draining that hasn't failed a request.
    func hasEligible(besides tried: TriedEndpoints) -> Bool {
        for index in 0..<count where unsafe eligible[index] && !tried.contains(endpoints[index]) { return true }
        return false
    }

    /// Index of an endpoint in the pool, by its number.
    func index(of number: UInt32) -> Int? {
        for index in 0..<count where unsafe endpoints[index] == number { return index }
        return nil
    }

    /// Whether an endpoint is up, not draining, not suspected and not ejected.
    var hasUsable: Bool {
        for index in 0..<count where unsafe usable[index] { return true }
        return false
    }

    func requestBegan(_ index: Int) { unsafe active[index] &+= 1 }

    func requestEnded(_ index: Int) { unsafe active[index] &-= 1 }

    /// Takes over what is known of an endpoint.
    func update(_ number: UInt32, _ state: EndpointState) {
        for index in 0..<count where unsafe endpoints[index] == number {
            unsafe usable[index] = state.isUsable
            unsafe eligible[index] = state.isEligible
        }
    }
}

/// What one worker knows of an endpoint, by its number; outlives snapshots.
@safe
struct EndpointState: BitwiseCopyable {
    /// The first idle connection.
    var idle = EndpointConnection.none
    var idleCount = 0
    /// Connections of this worker, idle ones included.
    var connectionCount = 0
    /// Connections of all workers.
    var budget: UnsafeMutablePointer<EndpointBudget>
    /// Of its pool, once connections were bounded; kept when the bound goes, as requests may still wait.
    var queue: UnsafeMutablePointer<PoolQueue>?
    /// Requests under way.
    var active: UInt32 = 0
    /// The site in force has it.
    var isNamed = true
    var isDown = false
    var isDraining = false
    /// Connecting failed a moment ago; others are preferred until the timer ends it.
    var isSuspected = false
    /// It fails real requests; others are preferred until its time is over.
    var isEjected = false
    /// nil: its pool doesn't detect outliers.
    var outlier: UnsafeMutablePointer<OutlierCounters>?
    /// Failures in a row that the agent is told of; 0: never.
    var consecutiveErrors: UInt32 = 0
    /// Failed connects and broken exchanges.
    var failures: UInt64 = 0
    /// Requests answered by it, by status; nil before the first.
    var answers: UnsafeMutablePointer<UInt64>?

    init(budget: UnsafeMutablePointer<EndpointBudget>) {
        unsafe self.budget = unsafe budget
        unsafe queue = nil
        unsafe outlier = nil
        unsafe answers = nil
    }

    var isEligible: Bool { !isDown && !isDraining }
    var isUsable: Bool { isEligible && !isSuspected && !isEjected }
}
