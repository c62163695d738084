import Balancing
import EventLoop
import Glibc
import NodeLink
import Snapshot

/// What the agent itself adds to a report.
extension NodeAgent {
    func ownSamples() -> [Sample] {
        processSamples() + endpointSamples() + prober.counts.samples + role.trustSamples()
    }

    private func processSamples() -> [Sample] {
        var samples = [Sample("sluice_node_start_time_seconds", [], Double(startedAtWallSeconds))]
        var clock = timespec()
        if unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &clock) == 0 {
            let seconds = Double(clock.tv_sec) + Double(clock.tv_nsec) / 1_000_000_000
            samples.append(Sample("sluice_node_cpu_seconds_total", [], seconds))
        }
        if let bytes = NodeAgent.residentBytes() {
            samples.append(Sample("sluice_node_resident_memory_bytes", [], Double(bytes)))
        }
        return samples
    }

    /// The second figure of `/proc/self/statm` is resident pages (`proc(5)`).
    private static func residentBytes() -> Int? {
        guard let text = try? FileSystem.read("/proc/self/statm", bytesMax: 4096) else { return nil }
        let figures = text.split(separator: 0x20, maxSplits: 2)
        guard figures.count == 3, let pages = Int(String(decoding: figures[1], as: UTF8.self)) else { return nil }
        return pages * sysconf(CInt(_SC_PAGESIZE))
    }

    private func endpointSamples() -> [Sample] {
        guard let snapshot = current?.snapshot else { return [] }
        let draining = Set(
            (membership?.endpoints ?? []).filter { $0.state == .draining }
                .map { EndpointKey(pool: $0.pool, address: $0.address) })
        let ejected = role.ejected
        return snapshot.pools(usedBy: role.role).flatMap { index in
            let pool = snapshot.pools[index]
            return pool.endpoints.flatMap { endpoint in
                let key = EndpointKey(pool: pool.name, address: endpoint.address)
                return NodeAgent.samples(
                    of: key, isUp(key) ? prober.status(of: key) : .down, isDraining: draining.contains(key),
                    isEjected: ejected.contains(key))
            }
        }
    }

    private static func samples(
        of key: EndpointKey, _ status: HealthState.Status, isDraining: Bool, isEjected: Bool
    ) -> [Sample] {
        let labels = [Sample.Label("pool", key.pool), Sample.Label("endpoint", key.address.description)]
        let state: Double =
            switch status {
            case .down: 0
            case _ where isDraining: 2
            case _ where isEjected: 4
            case .up: 1
            case .unknown: 3
            }
        return [
            Sample("sluice_endpoint_state", labels, state),
            Sample("sluice_endpoint_up", labels, status == .down ? 0 : 1),
        ]
    }
}
