import Balancing
import EventLoop
import NodeAgent
import Snapshot

/// One endpoint as one worker sees it.
struct EndpointRecord: BitwiseCopyable {
    /// Index of its pool, and of itself in the pool; -1: no snapshot names it any more.
    var pool: Int32 = -1
    var position: Int32 = -1
    /// Health checks fail.
    var isDown = false
    /// An operator drains it.
    var isDraining = false
    /// A connect failed: nothing new before then, monotonic nanoseconds.
    var outUntil: UInt64 = 0
    /// Connections under way.
    var active: UInt32 = 0
    /// Connections made since the start.
    var connected: UInt64 = 0
    /// Failed connects and connections that the endpoint has reset, since the start.
    var failed: UInt64 = 0
}

/// The pools of `tcp` listeners in one worker. Indices and slots live as long as the worker, so that connections may
/// keep them across snapshots; a pool that comes back under its name is the same pool.
struct EndpointTable: ~Copyable {
    private struct PoolState {
        var name: String
        var balance = Pool.Balance.roundRobin
        var slots: [UInt32] = []
        var addresses: [SocketAddress] = []
        var weights: [UInt16] = []
        var usable: [Bool] = []
        var active: [UInt32] = []
        var account: [Int32] = []
        var roundRobin: RoundRobinState?
        var leastRequest: LeastRequest?
        /// When `usable` must be computed anew, monotonic nanoseconds.
        var staleAt: UInt64 = 0
    }

    private var pools: [PoolState] = []
    private(set) var keys: [EndpointKey] = []
    private(set) var records: [EndpointRecord] = []
    private var slots: [EndpointKey: UInt32] = [:]
    private var random: RandomSource
    private let worker: Int

    init(worker: Int) {
        self.worker = worker
        random = RandomSource(seed: Clock.monotonicNanoseconds() &+ UInt64(worker))
    }

    /// The index of a pool, now and later.
    mutating func index(ofPool name: String) -> Int32 {
        if let index = pools.firstIndex(where: { $0.name == name }) { return Int32(index) }
        pools.append(PoolState(name: name))
        return Int32(pools.count - 1)
    }

    /// Takes the pools of a snapshot; all others have no endpoints from now on.
    mutating func update(_ settings: [Pool]) {
        for slot in records.indices {
            records[slot].pool = -1
            records[slot].position = -1
        }
        for index in pools.indices { fill(index, with: Pool(name: pools[index].name, endpoints: [])) }
        for pool in settings { fill(Int(index(ofPool: pool.name)), with: pool) }
    }

    private mutating func fill(_ index: Int, with pool: Pool) {
        var state = PoolState(name: pool.name)
        state.balance = pool.balance
        for (position, endpoint) in pool.endpoints.enumerated() {
            let slot = self.slot(of: EndpointKey(pool: pool.name, address: endpoint.address))
            records[Int(slot)].pool = Int32(index)
            records[Int(slot)].position = Int32(position)
            if pool.health == nil { records[Int(slot)].isDown = false }
            state.slots.append(slot)
            state.addresses.append(endpoint.address)
            state.weights.append(UInt16(clamping: endpoint.weight))
            state.active.append(records[Int(slot)].active)
        }
        let count = state.slots.count
        state.usable = [Bool](repeating: false, count: count)
        state.account = [Int32](repeating: 0, count: count)
        unsafe state.roundRobin = RoundRobinState(
            weights: state.weights, current: &state.account, count: count, startingAt: worker)
        unsafe state.leastRequest = LeastRequest(weights: state.weights, count: count)
        pools[index] = state
    }

    private mutating func slot(of key: EndpointKey) -> UInt32 {
        if let slot = slots[key] { return slot }
        let slot = UInt32(records.count)
        slots[key] = slot
        keys.append(key)
        records.append(EndpointRecord())
        return slot
    }

    mutating func setHealth(of key: EndpointKey, isUp: Bool) {
        let slot = Int(self.slot(of: key))
        records[slot].isDown = !isUp
        // A probe has just connected: better news than our last failure.
        if isUp { records[slot].outUntil = 0 }
        refresh(slot)
    }

    mutating func setDraining(_ keys: Set<EndpointKey>) {
        for slot in records.indices {
            records[slot].isDraining = keys.contains(self.keys[slot])
            refresh(slot)
        }
    }

    private mutating func refresh(_ slot: Int) {
        let pool = Int(records[slot].pool)
        if pool >= 0 { pools[pool].staleAt = 0 }
    }

    func endpointCount(inPool pool: Int32) -> Int { pools[Int(pool)].slots.count }

    /// The endpoint for the next connection. When connects to all have failed lately, that is held against none.
    ///
    /// - Returns: nil when all are down or draining.
    mutating func pick(pool: Int32, now: UInt64) -> (slot: UInt32, address: SocketAddress)? {
        let pool = Int(pool)
        if pools[pool].staleAt <= now { computeUsable(pool, now: now) }
        guard let position = EndpointTable.pickPosition(&pools[pool], random: &random) else { return nil }
        return (pools[pool].slots[position], pools[pool].addresses[position])
    }

    private static func pickPosition(_ pool: inout PoolState, random: inout RandomSource) -> Int? {
        let count = pool.slots.count
        switch pool.balance {
        case .roundRobin:
            return unsafe pool.roundRobin?.pick(
                weights: pool.weights, usable: pool.usable, current: &pool.account, count: count)
        case .leastRequest:
            return unsafe pool.leastRequest?.pick(
                active: pool.active, weights: pool.weights, usable: pool.usable, count: count, random: &random)
        }
    }

    private mutating func computeUsable(_ pool: Int, now: UInt64) {
        var recovery = UInt64.max
        var any = false
        for (position, slot) in pools[pool].slots.enumerated() {
            let record = records[Int(slot)]
            let isUsable = !record.isDown && !record.isDraining && record.outUntil <= now
            pools[pool].usable[position] = isUsable
            any = any || isUsable
            if record.outUntil > now { recovery = min(recovery, record.outUntil) }
        }
        if !any {
            for (position, slot) in pools[pool].slots.enumerated() {
                pools[pool].usable[position] = !records[Int(slot)].isDown && !records[Int(slot)].isDraining
            }
        }
        pools[pool].staleAt = recovery
    }

    /// A connection to the endpoint begins; `finished` ends it.
    mutating func started(_ slot: UInt32) { addActive(slot, 1) }

    mutating func connected(_ slot: UInt32) { records[Int(slot)].connected += 1 }

    /// A connect failed, or the endpoint reset a connection.
    ///
    /// - Parameter outUntil: Nothing new before then; 0 to leave it as it is.
    mutating func failed(_ slot: UInt32, outUntil: UInt64) {
        records[Int(slot)].failed += 1
        guard outUntil > 0 else { return }
        records[Int(slot)].outUntil = outUntil
        refresh(Int(slot))
    }

    mutating func finished(_ slot: UInt32) { addActive(slot, -1) }

    private mutating func addActive(_ slot: UInt32, _ change: Int32) {
        let record = records[Int(slot)]
        let active = UInt32(Int32(record.active) + change)
        records[Int(slot)].active = active
        if record.pool >= 0 { pools[Int(record.pool)].active[Int(record.position)] = active }
    }
}
