import EventLoop
import NodeAgent

/// Numbers for things that outlive a revision. An endpoint, a listener or a route that a new snapshot names again
/// gets its old number back, and with it its connections, counters and health. Used on the agent's thread only.
@safe
final class IdentityRegistry {
    private(set) var endpoints: [EndpointKey] = []
    private var endpointNumbers: [EndpointKey: UInt32] = [:]
    /// By endpoint number. Workers count in them without a reference to this, so they live as long as the process.
    private(set) var budgets: [UnsafeMutablePointer<EndpointBudget>] = unsafe []

    /// The pool of each, by endpoint number.
    private(set) var endpointPools: [Int] = []
    private(set) var poolNames: [String] = []
    private var poolNumbers: [String: Int] = [:]
    private var requestCounts: [String: UnsafeMutablePointer<EndpointBudget>] = unsafe [:]
    private var outlierCounters: [UInt32: UnsafeMutablePointer<OutlierCounters>] = unsafe [:]

    /// Pools that have, or had, bounded connections.
    private(set) var queueNames: [String] = []
    private var queues: [String: UnsafeMutablePointer<PoolQueue>] = unsafe [:]

    /// What requests are counted by.
    struct Series: Hashable {
        var listener: String
        /// Empty: no route matched.
        var route: String
    }
    private(set) var series: [Series] = []
    private var seriesNumbers: [Series: UInt32] = [:]

    private(set) var listeners: [String] = []
    private var listenerNumbers: [String: UInt32] = [:]

    func number(of endpoint: EndpointKey) -> UInt32 {
        if let number = endpointNumbers[endpoint] { return number }
        let number = UInt32(endpoints.count)
        endpoints.append(endpoint)
        endpointNumbers[endpoint] = number
        endpointPools.append(self.number(ofPool: endpoint.pool))
        let budget = UnsafeMutablePointer<EndpointBudget>.allocate(capacity: 1)
        unsafe budget.initialize(to: EndpointBudget())
        unsafe budgets.append(budget)
        return number
    }

    func number(ofPool name: String) -> Int {
        if let number = poolNumbers[name] { return number }
        let number = poolNames.count
        poolNames.append(name)
        poolNumbers[name] = number
        return number
    }

    /// Requests of a pool that has, or had, a limit. Lives as long as the process, too.
    func requestCount(ofPool name: String) -> UnsafeMutablePointer<EndpointBudget> {
        if let count = unsafe requestCounts[name] { return unsafe count }
        let count = UnsafeMutablePointer<EndpointBudget>.allocate(capacity: 1)
        unsafe count.initialize(to: EndpointBudget())
        unsafe requestCounts[name] = unsafe count
        return unsafe count
    }

    /// Lives as long as the process, too.
    ///
    /// - Parameter worker: The one worker that it is for; nil for a queue of all.
    func queue(ofPool name: String, worker: Int? = nil) -> UnsafeMutablePointer<PoolQueue> {
        let key = worker.map { "\(name)/\($0)" } ?? name
        if let queue = unsafe queues[key] { return unsafe queue }
        let queue = UnsafeMutablePointer<PoolQueue>.allocate(capacity: 1)
        unsafe queue.initialize(to: PoolQueue(number: queueNames.count))
        queueNames.append(name)
        unsafe queues[key] = unsafe queue
        return unsafe queue
    }

    /// Made for the first snapshot whose pool asks for it; lives as long as the process, too.
    func outlierCounters(of number: UInt32, workers: Int) -> UnsafeMutablePointer<OutlierCounters> {
        if let counters = unsafe outlierCounters[number] { return unsafe counters }
        let counters = UnsafeMutablePointer<OutlierCounters>.allocate(capacity: 1)
        unsafe counters.initialize(to: OutlierCounters(workers: workers))
        unsafe outlierCounters[number] = unsafe counters
        return unsafe counters
    }

    /// The number of an endpoint that some snapshot has named.
    func knownNumber(of endpoint: EndpointKey) -> UInt32? { endpointNumbers[endpoint] }

    func number(of series: Series) -> UInt32 {
        if let number = seriesNumbers[series] { return number }
        let number = UInt32(self.series.count)
        self.series.append(series)
        seriesNumbers[series] = number
        return number
    }

    /// What copies are counted by.
    struct Mirror: Hashable {
        var route: String
        var pool: String
    }
    private(set) var mirrors: [Mirror] = []
    private var mirrorNumbers: [Mirror: Int] = [:]

    func number(of mirror: Mirror) -> Int {
        if let number = mirrorNumbers[mirror] { return number }
        let number = mirrors.count
        mirrors.append(mirror)
        mirrorNumbers[mirror] = number
        return number
    }

    func number(ofListener name: String) -> UInt32 {
        if let number = listenerNumbers[name] { return number }
        let number = UInt32(listeners.count)
        listeners.append(name)
        listenerNumbers[name] = number
        return number
    }
}
