import Balancing
import EventLoop
import HTTP1
import NodeAgent
import Pattern
import Snapshot
import Telemetry

/// A snapshot as the workers read it: plain tables, immutable, shared by all workers and freed with the last of them.
///
/// Compiled on the agent's thread; a worker switches to it between two turns.
@safe
final class CompiledSite: @unchecked Sendable {
    // Unchecked: everything is written in `init` and only read after that.

    let revision: UInt64
    /// One worker's share of `limits.connections`.
    let connectionCountMax: Int
    let tables: UnsafePointer<SiteTables>
    /// By number; everything that this and earlier snapshots have named.
    let endpoints: [EndpointKey]
    /// By endpoint number.
    let budgets: [UnsafeMutablePointer<EndpointBudget>]
    /// By endpoint number.
    let outliers: [CompiledOutlier?]
    let queueNames: [String]
    /// By pool number.
    let poolNames: [String]
    let series: [IdentityRegistry.Series]
    let listenerNames: [String]
    /// Kept as long as an exchange may write to it; nil: requests are not logged.
    let accessLog: AccessLog?
    let logNames: AccessLogNames?

    private let arena: Arena

    /// - Throws: `PatternError` for a snapshot that no compiler of site files made.
    init(
        _ snapshot: Snapshot, registry: IdentityRegistry, workers: Int, accessLog: AccessLog? = nil
    ) throws(PatternError) {
        let arena = Arena()
        let matches = try CompiledMatches(snapshot.routes, arena: arena)
        self.arena = arena
        revision = snapshot.revision
        connectionCountMax = (snapshot.limits.connectionCountMax + workers - 1) / workers
        let pools = snapshot.pools.map { pool in
            let numbers = pool.endpoints.map { registry.number(of: EndpointKey(pool: pool.name, address: $0.address)) }
            return unsafe CompiledPool(
                number: registry.number(ofPool: pool.name), endpoints: arena.make(numbers),
                weights: arena.make(pool.endpoints.map { UInt16($0.weight) }),
                count: pool.endpoints.count, balance: pool.balance,
                connections: CompiledConnections(pool, registry))
        }
        let routes = snapshot.routes.map { CompiledRoute($0, arena: arena) }
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
        unsafe budgets = unsafe registry.budgets
        outliers = CompiledOutlier.table(snapshot, registry, workers: workers)
        queueNames = registry.queueNames
        poolNames = registry.poolNames
        series = registry.series
        listenerNames = registry.listeners
        self.accessLog = accessLog
        logNames = accessLog == nil ? nil : AccessLogNames(snapshot, registry, arena: arena)
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
    let weights: UnsafeMutablePointer<UInt16>
    let count: Int
    let balance: Pool.Balance
    let connections: CompiledConnections
}

/// `connections` of a pool.
@safe
struct CompiledConnections: BitwiseCopyable {
    /// Where requests wait; nil when connections are not bounded.
    let queue: UnsafeMutablePointer<PoolQueue>?
    /// Of one node to one endpoint.
    let countMax: Int
    let queueCountMax: Int
    let queueNanoseconds: UInt64
    let idleNanoseconds: UInt64
    /// `UInt64.max` for no bound.
    let lifetimeNanoseconds: UInt64

    init(_ pool: Pool, _ registry: IdentityRegistry) {
        let limits = pool.connections
        unsafe queue = unsafe limits.countMax == nil ? nil : registry.queue(ofPool: pool.name)
        countMax = limits.countMax ?? .max
        queueCountMax = limits.queueCountMax
        queueNanoseconds = limits.queueTimeout.nanosecondsUnsigned
        idleNanoseconds = limits.idleTimeout.nanosecondsUnsigned
        lifetimeNanoseconds = limits.lifetime?.nanosecondsUnsigned ?? .max
    }
}

extension Duration {
    /// Nanoseconds; 0 for a negative duration.
    var nanosecondsUnsigned: UInt64 { UInt64(max(0, wholeNanoseconds)) }
}
