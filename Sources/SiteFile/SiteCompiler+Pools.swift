import EventLoop
import Snapshot

extension SiteCompiler {
    func compile(pool named: Named) -> Pool {
        let reader = named.reader
        var pool = Pool(name: named.name, endpoints: [])
        if let node = reader.require(PoolKeys.endpoints, hint: "as in `endpoints: [\"127.0.0.1:9001\"]`") {
            var interval = PoolKeys.resolveStandard
            reader.read(PoolKeys.resolve, into: &interval)
            pool.endpoints = compile(endpoints: node, resolvedEvery: interval)
        }
        let health = reader.open(PoolKeys.health)
        pool.health = health.flatMap(compile(health:))
        pool.outlier = reader.open(PoolKeys.outlier).map(compile(outlier:))
        compile(balance: reader, health, into: &pool)
        compile(protocolOf: reader, into: &pool)
        if let connections = reader.open(PoolKeys.connections) {
            pool.connections = compile(connections: connections, pool)
        }
        if let tls = reader.open(PoolKeys.tls) {
            pool.tls = compile(endpointTLS: tls, pool)
        }
        if let requests = reader.open(PoolKeys.requests) { pool.requests = compile(requests: requests) }
        return pool
    }

    private func compile(protocolOf reader: SectionReader, into pool: inout Pool) {
        reader.read(PoolKeys.protocol, into: &pool.endpointProtocol)
        if pool.endpointProtocol == .auto && !reader.has(PoolKeys.tls) {
            diagnostics.error(
                reader.mark(of: PoolKeys.protocol), "without `tls` nothing tells what an endpoint speaks",
                hint: "write `http1` or `http2`")
        }
        if pool.endpointProtocol == .http2, case .http? = pool.health?.probe, !reader.has(PoolKeys.tls) {
            diagnostics.warning(
                reader.mark(of: PoolKeys.health), "probes with `path` speak HTTP/1.1",
                hint: "if the endpoints don't, write `health: {grpc: SERVICE}` or `{tcp: true}`")
        }
    }

    private func compile(endpoints node: YAMLNode, resolvedEvery interval: Duration) -> [Endpoint] {
        let field = Field(key: PoolKeys.endpoints.name, diagnostics: diagnostics)
        guard case .list(let nodes) = node.content else {
            field.refuse(node, takes: "a list of endpoints", hint: "as in `endpoints: [\"127.0.0.1:9001\"]`")
            return []
        }
        if nodes.isEmpty {
            diagnostics.error(
                node.mark, "a pool has at least one endpoint", hint: "as in `endpoints: [\"127.0.0.1:9001\"]`")
        }
        var endpoints: [Endpoint] = []
        var lines: [SocketAddress: (line: Int, wasName: Bool)] = [:]
        for node in nodes {
            guard let (written, blank, mark) = endpoint(node, field) else { continue }
            var endpoint = blank
            let isName: Bool
            if case .name(let name, _) = written {
                isName = true
                endpointNames[name] = min(endpointNames[name] ?? interval, interval)
            } else {
                isName = false
            }
            for address in resolve(written, mark) {
                guard let earlier = lines[address] else {
                    lines[address] = (mark.line, isName)
                    endpoint.address = address
                    endpoints.append(endpoint)
                    continue
                }
                let message = "the endpoint \(address.description.quoted) is already on line \(earlier.line)"
                // Two names may lead to one address today; the same address written twice is a mistake.
                if isName || earlier.wasName {
                    diagnostics.warning(mark, message, hint: "it counts once, with the weight stated first")
                } else {
                    diagnostics.error(mark, message, hint: "for a larger share of the traffic use `weight`")
                }
            }
        }
        return endpoints
    }

    /// An element of `endpoints`: the address alone, or a map.
    private func endpoint(_ node: YAMLNode, _ field: Field) -> (WrittenAddress, Endpoint, YAMLNode.Mark)? {
        // Its address comes when it is resolved.
        var blank = Endpoint(address: .unix(""))
        guard case .map = node.content else {
            return Form<WrittenAddress>.endpointAddress.read(node, field).map { ($0, blank, node.mark) }
        }
        let reader = SectionReader(node, EndpointKeys.section, diagnostics)
        reader.read(EndpointKeys.weight, into: &blank.weight)
        reader.read(BalanceKeys.backup, into: &blank.isBackup)
        blank.zone = reader.read(BalanceKeys.zone)
        guard let address = reader.require(EndpointKeys.address, hint: "as in `address: \"10.0.0.1:9000\"`") else {
            return nil
        }
        return (address, blank, reader[node: EndpointKeys.address]?.mark ?? node.mark)
    }

    private func resolve(_ written: WrittenAddress, _ mark: YAMLNode.Mark) -> [SocketAddress] {
        switch written {
        case .address(let address): [address]
        case .name(let name, let port):
            (names.addresses(of: name, port: port, at: mark, diagnostics) ?? []).map { .ip($0) }
        }
    }
}
