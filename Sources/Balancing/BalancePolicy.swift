/// How an endpoint of a pool is chosen.
package enum BalancePolicy: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    /// In turn, by weight.
    case roundRobin = 0
    /// The fewest requests under way for its weight; of many endpoints the better of two drawn ones.
    case leastRequest = 1
    /// As `leastRequest`, with what the endpoint takes for a request counted in (`EndpointLoad.latency(at:)`).
    case peakEWMA = 2
    /// Drawn by weight.
    case random = 3
    /// By a key of the request, through a Maglev table.
    case hash = 4

    /// The word in the site file.
    package var name: String {
        switch self {
        case .roundRobin: "round-robin"
        case .leastRequest: "least-request"
        case .peakEWMA: "peak-ewma"
        case .random: "random"
        case .hash: "hash"
        }
    }
}
