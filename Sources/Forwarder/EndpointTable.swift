import Balancing
import EventLoop
import NodeAgent
import Snapshot

/// One endpoint as one worker sees it.
struct EndpointRecord: BitwiseCopyable {
    /// Index of its pool; -1: no snapshot names it any more.
    var pool: Int32 = -1
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

/// The pools of `tcp` and `tls-passthrough` listeners in one worker. Indices and slots live as long as the worker, so that connections may
/// keep them across snapshots; a pool that comes back under its name is the same pool.
@safe
struct EndpointTable: ~Copyable {
    private struct PoolState {
        var name: String
        var slots: [UInt32] = []
        /// What `balancer` is over.
        var shape: PoolShape
        var balancer: PoolBalancer
        /// Connections under way; counted for `balance: hash`.
        var active: UInt32 = 0
        /// When a failed connect is forgotten, monotonic nanoseconds.
        var recoversAt: UInt64 = .max
    }

    private var pools: [PoolState] = []
    private var poolIndices: [String: Int32] = [:]
    private(set) var keys: [EndpointKey] = []
    private(set) var records: [EndpointRecord] = []
    private var slots: [EndpointKey: UInt32] = [:]
    /// By slot: what balancing knows of an endpoint.
    private var loads: UnsafeMutablePointer<EndpointLoad>
    private var loadsCapacity = 16
    private var random: RandomSource

    init(worker: Int) {
        random = RandomSource(seed: Clock.monotonicNanoseconds() &+ UInt64(worker))
        unsafe loads = .allocate(capacity: loadsCapacity)
    }

    deinit {
        for pool in pools { pool.balancer.destroy() }
        unsafe loads.deallocate()
    }

    /// The index of a pool, now and later.
    mutating func index(ofPool name: String) -> Int32 {
        if let index = poolIndices[name] { return index }
        let shape = PoolShape([], rules: BalanceRules())
        pools.append(PoolState(name: name, shape: shape, balancer: PoolBalancer(shape)))
        let index = Int32(pools.count - 1)
        poolIndices[name] = index
        return index
    }

    /// Takes the pools of a snapshot; all others have no endpoints from now on.
    mutating func update(_ settings: [Pool]) {
        for slot in records.indices { records[slot].pool = -1 }
        for index in pools.indices { fill(index, with: Pool(name: pools[index].name, endpoints: [])) }
        for pool in settings { fill(Int(index(ofPool: pool.name)), with: pool) }
    }

    private mutating func fill(_ index: Int, with pool: Pool) {
        var members: [PoolMember] = []
        for endpoint in pool.endpoints {
            let slot = self.slot(of: EndpointKey(pool: pool.name, address: endpoint.address))
            records[Int(slot)].pool = Int32(index)
            if pool.health == nil { records[Int(slot)].isDown = false }
            members.append(
                PoolMember(
                    name: endpoint.address.description, number: slot, weight: UInt16(clamping: endpoint.weight),
                    isBackup: endpoint.isBackup))
        }
        var rules = pool.rules
        rules.slowStartNanoseconds = 0
        rules.subsetCount = nil
        let shape = PoolShape(members, rules: rules)
        pools[index].balancer.destroy()
        pools[index].balancer = PoolBalancer(shape)
        pools[index].shape = shape
        pools[index].slots = members.map(\.number)
        // Connections to endpoints that have left count for nobody any more.
        pools[index].active = pools[index].slots.reduce(0) { $0 &+ records[Int($1)].active }
        pools[index].recoversAt = 0
    }

    private mutating func slot(of key: EndpointKey) -> UInt32 {
        if let slot = slots[key] { return slot }
        let slot = UInt32(records.count)
        slots[key] = slot
        keys.append(key)
        records.append(EndpointRecord())
        if records.count > loadsCapacity {
            let grown = UnsafeMutablePointer<EndpointLoad>.allocate(capacity: loadsCapacity * 2)
            unsafe grown.update(from: loads, count: records.count - 1)
            unsafe loads.deallocate()
            unsafe loads = unsafe grown
            loadsCapacity *= 2
        }
        unsafe (loads + Int(slot)).initialize(to: EndpointLoad())
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
        if pool >= 0 { pools[pool].recoversAt = 0 }
    }

    func endpointCount(inPool pool: Int32) -> Int { pools[Int(pool)].slots.count }

    /// The endpoint for the next connection. When connects to all have failed lately, that is held against none.
    ///
    /// - Parameter client: Its address decides with `balance: hash`.
    /// - Returns: nil when there is none.
    mutating func pick(pool: Int32, client: IPEndpoint, now: UInt64) -> (slot: UInt32, address: SocketAddress)? {
        let pool = Int(pool)
        if pools[pool].recoversAt <= now { updateStandings(pool, now: now) }
        let picked = unsafe pools[pool].balancer.pick(
            loads, active: pools[pool].active, key: client.balanceKey, now: now, random: &random)
        return picked.map { ($0, keys[Int($0)].address) }
    }

    /// Whether the pool has an endpoint that is up and hasn't failed lately.
    ///
    /// Asked of the records: below its panic threshold the balancer has candidates that are down.
    func hasUsable(pool: Int32, now: UInt64) -> Bool {
        for slot in pools[Int(pool)].slots {
            let record = records[Int(slot)]
            if !record.isDown && !record.isDraining && record.outUntil <= now { return true }
        }
        return false
    }

    private mutating func updateStandings(_ pool: Int, now: UInt64) {
        var recovery = UInt64.max
        for slot in pools[pool].slots {
            let record = records[Int(slot)]
            var standing: EndpointStanding = []
            if !record.isDown { standing.insert(.up) }
            if record.isDraining { standing.insert(.draining) }
            if record.outUntil > now {
                standing.insert(.suspected)
                recovery = min(recovery, record.outUntil)
            }
            unsafe loads[Int(slot)].standing = standing
        }
        pools[pool].recoversAt = recovery
        pools[pool].balancer.changed()
    }

    /// A connection to the endpoint begins; `finished` ends it.
    mutating func started(_ slot: UInt32) {
        records[Int(slot)].active += 1
        unsafe loads[Int(slot)].active = records[Int(slot)].active
        let pool = Int(records[Int(slot)].pool)
        if pool >= 0 { pools[pool].active &+= 1 }
    }

    /// - Parameter nanoseconds: What connecting took: what `balance: peak-ewma` goes by.
    mutating func connected(_ slot: UInt32, nanoseconds: UInt64, now: UInt64) {
        records[Int(slot)].connected += 1
        unsafe loads[Int(slot)].observe(nanoseconds: nanoseconds, now: now)
    }

    /// A connect failed, or the endpoint reset a connection.
    ///
    /// - Parameter outUntil: Nothing new before then; 0 to leave it as it is.
    mutating func failed(_ slot: UInt32, outUntil: UInt64) {
        records[Int(slot)].failed += 1
        guard outUntil > 0 else { return }
        records[Int(slot)].outUntil = outUntil
        refresh(Int(slot))
    }

    mutating func finished(_ slot: UInt32) {
        records[Int(slot)].active -= 1
        unsafe loads[Int(slot)].active = records[Int(slot)].active
        let pool = Int(records[Int(slot)].pool)
        if pool >= 0 { pools[pool].active &-= 1 }
    }
}
