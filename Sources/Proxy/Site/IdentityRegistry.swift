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

    private(set) var poolNames: [String] = []
    private var poolNumbers: [String: Int] = [:]
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

    /// Lives as long as the process, too.
    func queue(ofPool name: String) -> UnsafeMutablePointer<PoolQueue> {
        if let queue = unsafe queues[name] { return unsafe queue }
        let queue = UnsafeMutablePointer<PoolQueue>.allocate(capacity: 1)
        unsafe queue.initialize(to: PoolQueue(number: queueNames.count))
        queueNames.append(name)
        unsafe queues[name] = unsafe queue
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

    func number(ofListener name: String) -> UInt32 {
        if let number = listenerNumbers[name] { return number }
        let number = UInt32(listeners.count)
        listeners.append(name)
        listenerNumbers[name] = number
        return number
    }
}
