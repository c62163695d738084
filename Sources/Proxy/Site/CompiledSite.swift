import Balancing
import EventLoop
import HTTP1
import NodeAgent
import Pattern
import Snapshot
import TLS
import Telemetry

/// A snapshot as the workers read it: plain tables, immutable, shared by all workers and freed with the last of them.
///
/// Compiled on the agent's thread; a worker switches to it between two turns.
@safe
final class CompiledSite: @unchecked Sendable {
    // Unchecked: everything is written in `init` and only read after that.

    let revision: UInt64
    /// `proxy.drain_timeout`
    let drainNanoseconds: UInt64
    /// One worker's share of `limits.connections`.
    let connectionCountMax: Int
    let overload: OverloadLimits
    /// One worker's share of `proxy.memory`.
    let bufferBlocksMax: Int
    let tables: UnsafePointer<SiteTables>
    /// By number; everything that this and earlier snapshots have named.
    let endpoints: [EndpointKey]
    /// By endpoint number.
    let endpointPools: [Int]
    let budgets: [UnsafeMutablePointer<EndpointBudget>]
    /// By endpoint number.
    let outliers: [CompiledOutlier?]
    let queueNames: [String]
    /// By pool number.
    let poolNames: [String]
    let series: [IdentityRegistry.Series]
    let listenerNames: [String]
    let mirrors: [IdentityRegistry.Mirror]
    /// Kept as long as an exchange may write to it; nil: requests are not logged.
    let accessLog: AccessLog?
    let logNames: AccessLogNames?
    /// By worker and listener; nil when no listener speaks TLS.
    let serverContexts: [[TLSServerContext?]]?
    /// By pool; nil for those without TLS.
    let clientContexts: [ClientContexts.Entry?]

    /// Of `tables`; workers balance over them.
    private let shapes: [PoolShape]
    private let stickyTables: [StickyTable]
    private let arena: Arena

    /// - Throws: `PatternError` for a snapshot that no compiler of site files made.
    init(
        _ snapshot: Snapshot, registry: IdentityRegistry, workers: Int, node: NodeIdentity = NodeIdentity(),
        accessLog: AccessLog? = nil, contexts: [[TLSServerContext?]]? = nil,
        clientContexts: [ClientContexts.Entry?]? = nil
    ) throws(PatternError) {
        let clientContexts = clientContexts ?? snapshot.pools.map { _ in nil }
        let arena = Arena()
        let matches = try CompiledMatches(snapshot.routes, arena: arena)
        self.arena = arena
        revision = snapshot.revision
        drainNanoseconds = snapshot.proxy.drainTimeout.nanosecondsUnsigned
        connectionCountMax = (snapshot.limits.connectionCountMax + workers - 1) / workers
        overload = snapshot.limits.overload
        bufferBlocksMax =
            snapshot.proxy.memoryBytesMax.map { max(1, $0 / BufferPool.blockBytes / workers) }
            ?? WorkerLimits.bufferBlocksMax
        let shapes = snapshot.pools.map { PoolShape($0, registry, node: node.id, zone: node.zone(snapshot)) }
        self.shapes = shapes
        var stickyTables: [StickyTable] = []
        let pools = zip(snapshot.pools, shapes).enumerated().map { index, entry in
            let (pool, shape) = entry
            let numbers = pool.endpoints.map { registry.number(of: EndpointKey(pool: pool.name, address: $0.address)) }
            var sticky: CompiledSticky?
            if let cookie = pool.sticky {
                let table = StickyTable(pool, cookie, site: snapshot.site, numbers)
                stickyTables.append(table)
                sticky = CompiledSticky(cookie, table.lookup, arena: arena)
            }
            return unsafe CompiledPool(
                number: registry.number(ofPool: pool.name), endpoints: arena.make(numbers),
                count: pool.endpoints.count, shape: .passUnretained(shape),
                hashKey: pool.balance == .hash ? CompiledHashKey(pool.hashKey, arena: arena) : nil, sticky: sticky,
                connections: CompiledConnections(pool, registry, workers: workers, arena: arena),
                requests: CompiledRequestLimits(pool, registry),
                tlsIdentity: clientContexts[index]?.identity
                    ?? (pool.endpointProtocol == .http2 ? CompiledPool.plainHTTP2 : 0))
        }
        self.stickyTables = stickyTables
        self.clientContexts = clientContexts
        let routes = snapshot.routes.map { route in
            let mirror = route.mirror.map { mirror in
                let number = registry.number(of: .init(route: route.name, pool: snapshot.pools[mirror.pool].name))
                return CompiledMirror(mirror, number: number, workers: workers)
            }
            return CompiledRoute(route, mirror: mirror, arena: arena)
        }
        let listeners = snapshot.listeners.enumerated().map { index, listener in
            let series = (snapshot.routes.map(\.name) + [""]).map {
                registry.number(of: .init(listener: listener.name, route: $0))
            }
            return unsafe CompiledListener(
                name: arena.make(listener.name), nameHash: Hash64.xxh64(listener.name.utf8),
                number: registry.number(ofListener: listener.name), isHTTP: listener.application == .http,
                router: Router(snapshot.routes, matches, listener: index, arena: arena),
                series: arena.make(series), unrouted: series[series.count - 1],
                addresses: arena.make(listener.addresses), addressCount: listener.addresses.count)
        }
        // By listener number: connections keep it when the listener leaves the site, and have the site's limits then.
        var limits = [ClientLimits](
            repeating: ClientLimits(snapshot.limits, workers: workers), count: registry.listeners.count + 1)
        for (listener, compiled) in zip(snapshot.listeners, listeners) {
            limits[Int(compiled.number)] = ClientLimits(
                snapshot.limits, listener.limits, number: compiled.number, workers: workers)
        }
        unsafe tables = UnsafePointer(
            arena.make([
                SiteTables(
                    pools: arena.make(pools), poolCount: pools.count, routes: arena.make(routes),
                    listeners: arena.make(listeners), listenerCount: listeners.count,
                    limits: arena.make(limits), limitCount: registry.listeners.count,
                    trusted: arena.make(snapshot.trustedProxies), trustedCount: snapshot.trustedProxies.count,
                    statesForwarded: snapshot.statesForwarded,
                    errorPages: CompiledErrorPages(snapshot.errorPages, arena: arena))
            ]))
        endpoints = registry.endpoints
        endpointPools = registry.endpointPools
        unsafe budgets = unsafe registry.budgets
        outliers = CompiledOutlier.table(snapshot, registry, workers: workers)
        queueNames = registry.queueNames
        poolNames = registry.poolNames
        series = registry.series
        listenerNames = registry.listeners
        mirrors = registry.mirrors
        self.accessLog = accessLog
        logNames = accessLog == nil ? nil : AccessLogNames(snapshot, registry, arena: arena)
        serverContexts = contexts
    }
}

@safe
struct SiteTables {
    let pools: UnsafeMutablePointer<CompiledPool>
    let poolCount: Int
    /// In the order of the snapshot: a router's answer is an index into this.
    let routes: UnsafeMutablePointer<CompiledRoute>
    let listeners: UnsafeMutablePointer<CompiledListener>
    let listenerCount: Int
    /// By listener number; the last one, those of the site, for connections whose listener isn't known yet.
    let limits: UnsafeMutablePointer<ClientLimits>
    let limitCount: Int
    let trusted: UnsafeMutablePointer<AddressRange>
    let trustedCount: Int
    let statesForwarded: Bool
    let errorPages: CompiledErrorPages

    /// Whether `X-Forwarded-*` of this peer is believed.
    func trusts(_ peer: IPEndpoint) -> Bool {
        for index in 0..<trustedCount where unsafe trusted[index].contains(peer) { return true }
        return false
    }

    /// Index of the `http` listener with that name hash; nil when the site has none.
    func listener(nameHash: UInt64) -> Int? {
        for index in 0..<listenerCount
        where unsafe listeners[index].nameHash == nameHash && listeners[index].isHTTP { return index }
        return nil
    }

    /// Index of the `http` listener with that number; nil when the site has none any more.
    func listener(number: UInt32) -> Int? {
        for index in 0..<listenerCount
        where unsafe listeners[index].number == number && listeners[index].isHTTP { return index }
        return nil
    }

    /// Index of the `http` listener that a connection to this address came in by.
    func listener(address: IPEndpoint) -> Int? {
        for index in 0..<listenerCount where unsafe listeners[index].isHTTP {
            for candidate in 0..<(unsafe listeners[index].addressCount) {
                let bound = unsafe listeners[index].addresses[candidate]
                if bound.port == address.port && (bound.isAny || bound == address) { return index }
            }
        }
        return nil
    }
}

@safe
struct CompiledListener {
    let name: Bytes
    let nameHash: UInt64
    /// Identity across revisions.
    let number: UInt32
    let isHTTP: Bool
    let router: Router
    /// By route index: what its requests are counted in.
    let series: UnsafeMutablePointer<UInt32>
    /// What requests without a route are counted in.
    let unrouted: UInt32
    let addresses: UnsafeMutablePointer<IPEndpoint>
    let addressCount: Int
}

@safe
struct CompiledPool {
    /// Identity across revisions.
    let number: Int
    /// Endpoint numbers.
    let endpoints: UnsafeMutablePointer<UInt32>
    let count: Int
    let shape: Unmanaged<PoolShape>
    /// nil: nothing of a request decides on its endpoint.
    let hashKey: CompiledHashKey?
    let sticky: CompiledSticky?
    let connections: CompiledConnections
    let requests: CompiledRequestLimits
    /// 0: endpoints are spoken to in the clear. Connections and sessions of another identity are of no use.
    let tlsIdentity: UInt32
    /// The identity of all pools that speak HTTP/2 in the clear.
    static let plainHTTP2 = UInt32.max
}

/// `connections` of a pool.
@safe
struct CompiledConnections: BitwiseCopyable {
    let endpointProtocol: EndpointProtocol
    /// Requests under way on one connection of HTTP/2.
    let streamCountMax: Int
    /// Where requests wait; nil when connections are not bounded.
    private(set) var queue: UnsafeMutablePointer<PoolQueue>?
    /// By worker, where each has a queue of its own.
    private let workerQueues: UnsafeMutablePointer<UnsafeMutablePointer<PoolQueue>>?
    private let workers: Int
    /// Of one node to one endpoint; of one worker where each has its own share.
    private(set) var countMax: Int
    private(set) var queueCountMax: Int
    let queueNanoseconds: UInt64
    let idleNanoseconds: UInt64
    /// `UInt64.max` for no bound.
    let lifetimeNanoseconds: UInt64

    init(_ pool: Pool, _ registry: IdentityRegistry, workers: Int, arena: Arena) {
        let limits = pool.connections
        endpointProtocol = pool.endpointProtocol
        streamCountMax = limits.streamCountMax
        self.workers = workers
        unsafe queue = nil
        if limits.countMax != nil && pool.endpointProtocol != .http1 {
            unsafe workerQueues = unsafe arena.make(
                (0..<workers).map { unsafe registry.queue(ofPool: pool.name, worker: $0) })
        } else {
            unsafe workerQueues = nil
            if limits.countMax != nil { unsafe queue = unsafe registry.queue(ofPool: pool.name) }
        }
        countMax = limits.countMax ?? .max
        queueCountMax = limits.queueCountMax
        queueNanoseconds = limits.queueTimeout.nanosecondsUnsigned
        idleNanoseconds = limits.idleTimeout.nanosecondsUnsigned
        lifetimeNanoseconds = limits.lifetime?.nanosecondsUnsigned ?? .max
    }

    /// Each worker has its own queue and its share of the bound. A connection of HTTP/2 serves requests of one worker only, so
    /// that a request of another one couldn't wait for it.
    var isShared: Bool { unsafe workerQueues != nil }

    /// What one worker makes of it.
    func share(of worker: Int) -> CompiledConnections {
        guard let queues = unsafe workerQueues else { return self }
        var share = self
        unsafe share.queue = unsafe queues[worker]
        share.countMax = max(1, countMax / workers + (worker < countMax % workers ? 1 : 0))
        share.queueCountMax = (queueCountMax + workers - 1) / workers
        return share
    }
}

extension Duration {
    /// Nanoseconds; 0 for a negative duration.
    var nanosecondsUnsigned: UInt64 { UInt64(max(0, wholeNanoseconds)) }
}
