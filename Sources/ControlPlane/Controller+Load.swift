import Balancing
import Logging
import NodeLink
import Snapshot

/// `forwarder: {balance: load}`: shares of the nodes by how busy they are.
extension Controller {
    /// CPU time of a node, and when it said so.
    struct CPUTime: Sendable {
        let seconds: Double
        let at: ContinuousClock.Instant
    }

    /// To be called when another site is in force.
    func followLoad() {
        let isWanted = current?.snapshot.forwarder.balance == .load
        guard isWanted != (loadTask != nil) else { return }
        loadTask?.cancel()
        loadTask = nil
        guard isWanted else {
            members.weights = nil
            loadWeights = LoadWeights()
            return
        }
        loadTask = Task {
            while !Task.isCancelled {
                await self.measureLoad()
                try? await Task.sleep(for: self.timing.load)
            }
        }
    }

    private func measureLoad() async {
        let figures = await figures()
        guard !Task.isCancelled, !isStopping else { return }
        let now = ContinuousClock.now
        var loads: [String: Double] = [:]
        for (id, report) in figures.reports {
            guard let node = members.nodes[id], node.role == .proxy, node.state == .up else { continue }
            let seconds = report.samples.sum("sluice_node_cpu_seconds_total")
            defer { cpuTimes[id] = CPUTime(seconds: seconds, at: now) }
            // A node that was started again counts from 0.
            guard let before = cpuTimes[id], before.seconds <= seconds else { continue }
            let elapsed = (now - before.at) / .seconds(1)
            loads[id] = (seconds - before.seconds) / max(elapsed, 0.001) / Double(node.workers)
        }
        cpuTimes = cpuTimes.filter { members.nodes[$0.key] != nil }
        if loadWeights.measured(loads, of: Set(members.nodes.keys)) {
            logger.info(
                "shares of the nodes: \(loadWeights.weights.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))"
            )
        }
        members.weights = loadWeights.weights
        advance()
    }
}
