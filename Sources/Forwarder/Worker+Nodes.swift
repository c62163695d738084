import EventLoop
import NodeLink

/// One node of the table as one worker sees it.
struct NodeState {
    /// Index of the counters.
    let counters: Int32
    /// Slots of the links, one per worker of the node; empty for a node on another host.
    let links: [UInt32]
    /// Where a node on another host is reached.
    let address: IPEndpoint?
    /// A connect failed: nothing new before then, monotonic nanoseconds.
    var outUntil: UInt64 = 0
}

/// Which node a client goes to, and those that wait for one.
extension ForwarderWorker {
    /// Takes a table into force: links to nodes that stay are kept, others end with their last answer.
    mutating func adopt(_ table: NodeTable) {
        let oldOut = Dictionary(
            zip(self.table.nodes, nodes).map { ($0.id, $1.outUntil) }, uniquingKeysWith: max)
        for slot in linkSlots.values { unsafe links[slot].pointee.node = -1 }
        self.table = table
        tableGeneration &+= 1
        nodes = []
        nodeUsable = [Bool](repeating: false, count: table.nodes.count)
        for (position, node) in table.nodes.enumerated() {
            let counters = statistics.index(ofNode: node.id)
            switch node.reach {
            case .handOver(let prefix, let workers):
                let slots = (0..<workers).map {
                    adoptLink(path: "\(prefix).\($0).sock", node: Int32(position), counters: counters)
                }
                nodes.append(NodeState(counters: counters, links: slots, address: nil))
            case .relay(let address):
                nodes.append(
                    NodeState(counters: counters, links: [], address: address, outUntil: oldOut[node.id] ?? 0))
            }
            refreshUsable(position)
        }
        for slot in linkSlots.values where unsafe links[slot].pointee.node < 0 { endLinkIfAnswered(slot) }
        recoverNodes()
        retriesParked = true
        yieldIfHandingOver()
    }

    /// With nothing to relay this worker only has work for nodes of this host. One that is busy would have to be interrupted
    /// for it, and comes to it no sooner; so the worker lets it finish. Relayed bytes are waited for by others.
    mutating func yieldIfHandingOver() {
        let handsOver =
            connections.count == 0 && nodes.allSatisfy { $0.address == nil }
            && listenerSlots.allSatisfy { unsafe listeners[$0].pointee.pool == WaitingConnection.poolOfNode }
        guard isYielding != handsOver else { return }
        isYielding = handsOver
        Thread.setYielding(handsOver)
    }

    /// Computes whether a node can take a connection now.
    mutating func refreshUsable(_ node: Int) {
        let state = nodes[node]
        let wasUsable = nodeUsable[node]
        var isUsable = false
        if table.nodes[node].isOpen {
            if state.address != nil {
                isUsable = state.outUntil <= now
            } else {
                for slot in state.links where unsafe links[slot].pointee.canTake { isUsable = true }
            }
        }
        nodeUsable[node] = isUsable
        if isUsable && !wasUsable { retriesParked = true }
    }

    /// Gives a client to the next node of its preference order that can take it, or parks it.
    mutating func sendToNode(_ waiting: WaitingConnection) {
        var waiting = waiting
        if waiting.tableGeneration != tableGeneration {
            waiting.tableGeneration = tableGeneration
            waiting.position = 0
        }
        if nodesRecoverAt <= now { recoverNodes() }
        while let node = unsafe table.next(hash: waiting.hash, position: &waiting.position, usable: nodeUsable) {
            if nodes[node].address != nil {
                if relayToNode(waiting, node) { return }
            } else if enqueue(waiting, node) {
                return
            }
        }
        park(waiting)
    }

    private mutating func park(_ waiting: WaitingConnection) {
        guard parked.count < ForwarderLimits.parkedMax else {
            statistics.refusals.queueFull += 1
            drop(waiting)
            return
        }
        var waiting = waiting
        if waiting.parkedUntil == 0 { waiting.parkedUntil = now + ForwarderLimits.parkedNanoseconds }
        if waiting.parkedUntil <= now {
            statistics.refusals.noNode += 1
            drop(waiting)
            return
        }
        waiting.position = 0
        if parked.isEmpty { parkedRetryAt = now + ForwarderLimits.parkedRetryNanoseconds }
        parked.append(waiting)
    }

    /// At the end of a turn: those that wait are tried again when a node has become usable, and every 100 ms, as one
    /// that has refused may have room again.
    mutating func retryParked() {
        guard !parked.isEmpty else {
            retriesParked = false
            return
        }
        guard retriesParked || parkedRetryAt <= now else { return }
        retriesParked = false
        let waiting = parked
        parked = []
        parkedRetryAt = now + ForwarderLimits.parkedRetryNanoseconds
        for connection in waiting { sendToNode(connection) }
        flushLinks()
        retriesParked = false
    }

    /// A connect to a node on another host has failed: it rests.
    mutating func nodeFailed(counters: Int32, index: Int, generation: UInt32) {
        statistics.nodes[Int(counters)].failed += 1
        guard generation == tableGeneration else { return }
        nodes[index].outUntil = now + ForwarderLimits.outNanoseconds
        nodeUsable[index] = false
        nodesRecoverAt = min(nodesRecoverAt, nodes[index].outUntil)
    }

    /// Nodes whose rest is over may be used again. Checked with each client, so that no timer is needed.
    mutating func recoverNodes() {
        nodesRecoverAt = UInt64.max
        for node in nodes.indices where nodes[node].address != nil {
            refreshUsable(node)
            if nodes[node].outUntil > now { nodesRecoverAt = min(nodesRecoverAt, nodes[node].outUntil) }
        }
    }
}
