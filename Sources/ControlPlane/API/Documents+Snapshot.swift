import Balancing
import EventLoop
import NodeLink
package import SiteFile
import Snapshot

extension DiagnosticDocument {
    package init(_ diagnostic: Diagnostic) {
        self.init(
            severity: diagnostic.severity.rawValue, file: diagnostic.location.file, line: diagnostic.location.line,
            column: diagnostic.location.column, message: diagnostic.message, hint: diagnostic.hint)
    }
}

extension PoolsDocument {
    /// - Parameters:
    ///   - totals: Counters and gauges over all nodes.
    ///   - ledger: What nodes have said of endpoints.
    ///   - reports: Of the nodes that answered: what each thinks of an endpoint.
    init(
        _ snapshot: Snapshot, _ ledger: EndpointLedger, totals: [Sample], reports: [Report], unanswered: [String],
        clock: WallClock
    ) {
        let counts = Figures(totals)
        let perEndpoint = EndpointCounts.byEndpoint(totals)
        let states = EndpointStates(reports)
        self.init(
            pools: snapshot.pools.map { pool in
                Pool(
                    name: pool.name, balance: pool.balance.name,
                    queued: counts.sum("sluice_pool_queue", ["pool": pool.name]),
                    panic: counts.sum("sluice_pool_panic", ["pool": pool.name]) > 0,
                    endpoints: pool.endpoints.map { endpoint in
                        let key = Members.EndpointKey(pool: pool.name, address: endpoint.address)
                        let view = ledger.view(of: key)
                        // Of endpoints that nobody votes on, as they aren't probed, reports say what is known.
                        let state = view.map { $0.state == .unknown ? states.state(of: key.text) : $0.state.rawValue }
                        return Endpoint(
                            endpoint.address, weight: endpoint.weight, perEndpoint[key] ?? EndpointCounts(),
                            state: state ?? "unknown", view,
                            clock: clock)
                    })
            }, unanswered: unanswered)
    }
}

/// What nodes think of endpoints: `up` if one can use it, else the best that any says.
private struct EndpointStates {
    private var values: [String: Set<Int>] = [:]

    init(_ reports: [Report]) {
        for sample in reports.lazy.flatMap(\.samples) where sample.name == "sluice_endpoint_state" {
            let labels = Dictionary(sample.labels.map { ($0.name, $0.value) }) { first, _ in first }
            guard let pool = labels["pool"], let endpoint = labels["endpoint"] else { continue }
            values["\(pool)/\(endpoint)", default: []].insert(Int(sample.value))
        }
    }

    func state(of endpoint: String) -> String {
        let said = values[endpoint] ?? []
        if said.contains(1) { return "up" }
        if said.contains(2) { return "draining" }
        if said.contains(4) { return said.contains(3) ? "unknown" : "ejected" }
        if said.contains(0) { return "down" }
        return "unknown"
    }
}

extension ListenersDocument {
    init(_ snapshot: Snapshot, totals: [Sample], unanswered: [String]) {
        let counts = Figures(totals)
        self.init(
            listeners: snapshot.listeners.map { listener in
                // A relayed connection is open at the forwarder and at the node: count it where it is served.
                let role: Hello.Role = listener.application == .http ? .proxy : .forwarder
                return Listener(
                    name: listener.name, protocol: listener.scheme,
                    addresses: listener.addresses.map(\.description),
                    connections: counts.sum("sluice_connections", ["listener": listener.name, "role": role.name]),
                    accepted: counts.sum(
                        "sluice_connections_accepted_total",
                        ["listener": listener.name, "role": Hello.Role.forwarder.name]))
            }, unanswered: unanswered)
    }
}

extension RoutesDocument {
    init(_ snapshot: Snapshot, totals: [Sample], unanswered: [String]) {
        let counts = Figures(totals)
        self.init(
            routes: snapshot.routes.map { route in
                Route(
                    name: route.name, listeners: route.listeners.map { snapshot.listeners[$0].name },
                    match: Match(route.match),
                    to: route.targets.map { Target(pool: snapshot.pools[$0.pool].name, weight: $0.weight) },
                    answer: route.answer.map {
                        Answer(status: $0.status, location: $0.location.map { RoutesDocument.text($0) })
                    },
                    connect: route.connect == .none ? nil : route.connect.name,
                    mirror: route.mirror.map {
                        Mirror(pool: snapshot.pools[$0.pool].name, share: Double($0.share) / 100)
                    },
                    requests: counts.sum(
                        snapshot.isPassthrough(route)
                            ? "sluice_passthrough_connections_total" : "sluice_requests_total",
                        ["route": route.name]))
            }, unanswered: unanswered)
    }
}

extension RoutesDocument {
    /// A value as it stands in the site file.
    fileprivate static func text(_ value: [ValuePart]) -> String {
        value.map { part in
            switch part {
            case .literal(let text): text.replacing("{", with: "{{")
            case .variable(let variable): "{\(variable.name)}"
            case .field(let name): "{header.\(name)}"
            }
        }.joined()
    }
}

/// Samples by name, so that a site with many pools is not walked once for each.
private struct Figures {
    private let samples: [String: [Sample]]

    init(_ samples: [Sample]) { self.samples = Dictionary(grouping: samples, by: \.name) }

    func sum(_ name: String, _ labels: [String: String]) -> Int {
        Int((samples[name] ?? []).sum(name, labels).rounded())
    }
}
