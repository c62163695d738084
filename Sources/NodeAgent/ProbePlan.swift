package import NodeLink
package import Snapshot

extension Snapshot {
    /// Pools that a node of that role sends anything to, by index, in order: a proxy those of the routes, a forwarder
    /// those of the `tcp` listeners.
    package func pools(usedBy role: Hello.Role) -> [Int] {
        let used: Set<Int> =
            switch role {
            case .proxy:
                Set(routes.flatMap { route in route.targets.map(\.pool) + (route.mirror.map { [$0.pool] } ?? []) })
            case .forwarder: Set(listeners.filter { $0.application == .tcp }.compactMap(\.pool))
            }
        return used.sorted()
    }

    /// Endpoints that such a node probes, and how.
    package func probes(by role: Hello.Role) -> [PlannedProbe] {
        pools(usedBy: role).flatMap { index -> [PlannedProbe] in
            let pool = pools[index]
            guard let check = pool.health else { return [] }
            return pool.endpoints.map {
                PlannedProbe(EndpointKey(pool: pool.name, address: $0.address), check, tls: pool.tls)
            }
        }
    }
}
