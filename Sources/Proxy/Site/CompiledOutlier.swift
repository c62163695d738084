import Balancing
import NodeAgent
import Snapshot

/// `outlier` of an endpoint's pool, as workers need it.
@safe
struct CompiledOutlier: BitwiseCopyable {
    let counters: UnsafeMutablePointer<OutlierCounters>
    /// Failures in a row that the agent is told of; 0: never.
    let consecutiveErrors: UInt32

    /// - Returns: By endpoint number; nil for those of pools without `outlier`.
    static func table(_ snapshot: Snapshot, _ registry: IdentityRegistry, workers: Int) -> [CompiledOutlier?] {
        var table = [CompiledOutlier?](repeating: nil, count: registry.endpoints.count)
        for pool in snapshot.pools {
            guard let outlier = pool.outlier else { continue }
            for endpoint in pool.endpoints {
                let number = registry.number(of: EndpointKey(pool: pool.name, address: endpoint.address))
                table[Int(number)] = unsafe CompiledOutlier(
                    counters: registry.outlierCounters(of: number, workers: workers),
                    consecutiveErrors: UInt32(clamping: outlier.consecutiveErrors))
            }
        }
        return table
    }
}
