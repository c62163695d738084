import Balancing
import EventLoop
import Snapshot
import TLS
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
    /// By the index of the listener; nil when none speaks TLS.
    private let serverContexts: UnsafeMutablePointer<Unmanaged<TLSServerContext>?>?

    init(_ site: CompiledSite, worker: Int) {
        unsafe compiled = .passRetained(site)
        unsafe tables = unsafe site.tables
        poolCount = unsafe tables.pointee.poolCount
        unsafe pools = .allocate(capacity: max(poolCount, 1))
        connectionCountMax = site.connectionCountMax
        unsafe limits = unsafe tables.pointee.limits
        limitCount = unsafe tables.pointee.limitCount
        log = site.accessLog.flatMap { log in site.logNames.map { WorkerLog(ring: log.rings[worker], names: $0) } }
        unsafe serverContexts = site.serverContexts.map { contexts in
            let copies = UnsafeMutablePointer<Unmanaged<TLSServerContext>?>.allocate(capacity: contexts[worker].count)
            for (index, context) in contexts[worker].enumerated() {
                unsafe (copies + index).initialize(to: context.map { unsafe Unmanaged.passUnretained($0) })
            }
            return unsafe copies
        }
        for index in 0..<poolCount {
            unsafe (pools + index).initialize(
                to: PoolState(
                    tables.pointee.pools[index], worker: worker, tls: site.clientContexts[index]?.contexts[worker]))
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
        unsafe serverContexts?.deallocate()
        unsafe compiled.release()
    }

    /// nil: the listener with that number speaks in the clear, or isn't there.
    func serverContext(ofListener number: UInt32) -> TLSServerContext? {
        guard let contexts = unsafe serverContexts, let index = unsafe tables.pointee.listener(number: number),
            let context = unsafe contexts[index]
        else { return nil }
        return unsafe context.takeUnretainedValue()
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
    /// The first of this worker's HTTP/2 sessions that may take new streams.
    var firstSession = EndpointSession.none
    /// By ALPN it chose HTTP/1.1 the last time.
    var choseHTTP1 = false
    /// Connections of all workers.
    var budget: UnsafeMutablePointer<EndpointBudget>
    /// Of its pool, once connections were bounded; kept when the bound goes, as requests may still wait.
    var queue: UnsafeMutablePointer<PoolQueue>?
    /// The site in force has it.
    var isNamed = true
    var isDown = false
    var isDraining = false
    /// Connecting failed a moment ago; others are preferred until the timer ends it.
    var isSuspected = false
    /// How the site in force speaks to it; see `CompiledPool.tlsIdentity`.
    var tlsIdentity: UInt32 = 0
    /// What the next TLS connection begins with.
    var session: TLSSession?
    /// Handshakes that failed.
    var tlsFailures: UInt64 = 0
    /// It fails real requests; others are preferred until its time is over.
    var isEjected = false
    /// nil: its pool doesn't detect outliers.
    var outlier: UnsafeMutablePointer<OutlierCounters>?
    /// Failures in a row that the agent is told of; 0: never.
    var consecutiveErrors: UInt32 = 0
    /// Failed connects and broken exchanges.
    var failures: UInt64 = 0
    /// nil before the first answer.
    var latency: UnsafeMutablePointer<EndpointLatency>?
    /// Requests answered by it, by status; nil before the first.
    var answers: UnsafeMutablePointer<UInt64>?

    /// The number of its pool.
    let pool: Int

    init(budget: UnsafeMutablePointer<EndpointBudget>, pool: Int) {
        self.pool = pool
        unsafe self.budget = unsafe budget
        unsafe queue = nil
        unsafe outlier = nil
        unsafe latency = nil
        unsafe answers = nil
    }

    var isEligible: Bool { !isDown && !isDraining }

    /// What balancing is told of it. An endpoint that is ejected is passed over like one that is suspected.
    var standing: EndpointStanding {
        var standing: EndpointStanding = []
        if !isDown { standing.insert(.up) }
        if isDraining { standing.insert(.draining) }
        if isSuspected { standing.insert(.suspected) }
        if isEjected { standing.insert(.ejected) }
        return standing
    }
}
