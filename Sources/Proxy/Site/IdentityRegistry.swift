import EventLoop
import NodeAgent

/// Numbers for things that outlive a revision. An endpoint, a listener or a route that a new snapshot names again
/// gets its old number back, and with it its connections, counters and health. Used on the agent's thread only.
final class IdentityRegistry {
    private(set) var endpoints: [EndpointKey] = []
    private var endpointNumbers: [EndpointKey: UInt32] = [:]

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
        return number
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
