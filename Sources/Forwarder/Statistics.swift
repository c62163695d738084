import NodeAgent
import NodeLink

/// What one worker has counted since it started.
struct Statistics: ~Copyable {
    struct ListenerCounters {
        let name: String
        var accepted: UInt64 = 0
        /// Relayed now.
        var open: UInt64 = 0
        /// Their hellos aren't whole.
        var reading: UInt64 = 0
        /// By `HelloRefusal.rawValue`.
        var helloRefusals = [UInt64](repeating: 0, count: HelloRefusal.allCases.count)
        /// It is, or was, a `tls-passthrough` listener.
        var readsHellos = false
    }

    /// What a route of a `tls-passthrough` listener has got.
    struct HelloRouteCounters {
        let listener: Int32
        /// Empty for the listener's own `to`.
        let route: String
        var placed: UInt64 = 0
    }

    struct NodeCounters {
        let id: String
        var handedOver: UInt64 = 0
        var relayed: UInt64 = 0
        /// Relayed connections that have moved bulk by `splice(2)`; they are among `relayed` too.
        var spliced: UInt64 = 0
        /// Answers "refused".
        var refused: UInt64 = 0
        /// Links that were given up as the node didn't answer; they are among `failed` too.
        var stalled: UInt64 = 0
        /// Connects, links and relayed connections that broke.
        var failed: UInt64 = 0
    }

    /// Why a client was reset before it had a node or an endpoint.
    struct Refusals {
        /// No node took it within `ForwarderLimits.parkedNanoseconds`.
        var noNode: UInt64 = 0
        /// More than `ForwarderLimits.parkedMax` waited already.
        var queueFull: UInt64 = 0
        /// No endpoint of the pool is up, or none could be connected to.
        var noEndpoint: UInt64 = 0
        /// No descriptor or memory left for the second socket.
        var resources: UInt64 = 0
    }

    var listeners: [ListenerCounters] = []
    var helloRoutes: [HelloRouteCounters] = []
    /// Where they stand, so that a site with thousands of them is adopted in no time.
    private var helloRouteIndices: [HelloRouteKey: Int32] = [:]
    var nodes: [NodeCounters] = []
    var refusals = Refusals()
    /// Times that a listener rested because no descriptor was left, or because of `limits.connections`.
    var pausesForDescriptors: UInt64 = 0
    var pausesForLimit: UInt64 = 0
    /// Relayed bytes: from clients, to clients.
    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0

    /// Indices stay good: names come from the site file, so there are few.
    mutating func index(ofListener name: String) -> Int32 {
        if let index = listeners.firstIndex(where: { $0.name == name }) { return Int32(index) }
        listeners.append(ListenerCounters(name: name))
        return Int32(listeners.count - 1)
    }

    private struct HelloRouteKey: Hashable {
        let listener: Int32
        let route: String
    }

    mutating func index(ofRoute name: String, listener: Int32) -> Int32 {
        listeners[Int(listener)].readsHellos = true
        let key = HelloRouteKey(listener: listener, route: name)
        if let index = helloRouteIndices[key] { return index }
        let index = Int32(helloRoutes.count)
        helloRoutes.append(HelloRouteCounters(listener: listener, route: name))
        helloRouteIndices[key] = index
        return index
    }

    mutating func index(ofNode id: String) -> Int32 {
        if let index = nodes.firstIndex(where: { $0.id == id }) { return Int32(index) }
        nodes.append(NodeCounters(id: id))
        return Int32(nodes.count - 1)
    }

    /// - Parameter connectionCount: Sockets that are the worker's now: relayed, unanswered and waiting.
    func samples(endpoints: borrowing EndpointTable, connectionCount: Int) -> [Sample] {
        var samples: [Sample] = []
        let role = Sample.Label("role", "forwarder")
        for listener in listeners {
            let name = Sample.Label("listener", listener.name)
            samples.append(
                Sample("sluice_connections", [role, name, .init("state", "open")], Double(listener.open)))
            samples.append(Sample("sluice_connections_accepted_total", [role, name], Double(listener.accepted)))
            guard listener.readsHellos else { continue }
            samples.append(
                Sample("sluice_connections", [role, name, .init("state", "hello")], Double(listener.reading)))
            for reason in HelloRefusal.allCases {
                samples.append(
                    Sample(
                        "sluice_passthrough_refused_total", [name, .init("reason", reason.name)],
                        Double(listener.helloRefusals[Int(reason.rawValue)])))
            }
        }
        for route in helloRoutes {
            samples.append(
                Sample(
                    "sluice_passthrough_connections_total",
                    [.init("listener", listeners[Int(route.listener)].name), .init("route", route.route)],
                    Double(route.placed)))
        }
        for node in nodes {
            let id = Sample.Label("node", node.id)
            for (path, count) in [
                ("hand_over", node.handedOver), ("relay", node.relayed), ("splice", node.spliced),
            ] {
                samples.append(
                    Sample("sluice_forwarder_connections_total", [id, .init("path", path)], Double(count)))
            }
            samples.append(Sample("sluice_forwarder_node_refusals_total", [id], Double(node.refused)))
            samples.append(Sample("sluice_forwarder_node_failures_total", [id], Double(node.failed)))
            samples.append(Sample("sluice_forwarder_node_stalls_total", [id], Double(node.stalled)))
        }
        samples.append(Sample("sluice_bytes_total", [.init("direction", "in")], Double(bytesIn)))
        samples.append(Sample("sluice_bytes_total", [.init("direction", "out")], Double(bytesOut)))
        for (reason, count) in [
            ("no_node", refusals.noNode), ("queue_full", refusals.queueFull),
            ("no_endpoint", refusals.noEndpoint), ("resources", refusals.resources),
        ] {
            samples.append(Sample("sluice_forwarder_refused_total", [.init("reason", reason)], Double(count)))
        }
        for (reason, count) in [("descriptors", pausesForDescriptors), ("limit", pausesForLimit)] {
            samples.append(Sample("sluice_forwarder_pauses_total", [.init("reason", reason)], Double(count)))
        }
        for (slot, key) in endpoints.keys.enumerated() {
            let record = endpoints.records[slot]
            // A health vote may name an endpoint of an http pool, which is not ours.
            guard record.pool >= 0 || record.connected + record.failed > 0 || record.active > 0 else { continue }
            let labels: [Sample.Label] = [.init("pool", key.pool), .init("endpoint", "\(key.address)")]
            samples.append(
                Sample("sluice_endpoint_requests_total", labels + [.init("code", "connect")], Double(record.connected)))
            samples.append(Sample("sluice_endpoint_active", labels, Double(record.active)))
            samples.append(Sample("sluice_endpoint_failures_total", labels, Double(record.failed)))
        }
        samples.append(Sample("sluice_node_connections", [], Double(connectionCount)))
        return samples
    }
}
