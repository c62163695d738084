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
        reader.read(PoolKeys.balance, into: &pool.balance)
        pool.health = reader.open(PoolKeys.health).flatMap(compile(health:))
        pool.outlier = reader.open(PoolKeys.outlier).map(compile(outlier:))
        if let connections = reader.open(PoolKeys.connections) { pool.connections = compile(connections: connections) }
        return pool
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
            guard let (written, weight, mark) = endpoint(node, field) else { continue }
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
                    endpoints.append(Endpoint(address: address, weight: weight))
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
    private func endpoint(_ node: YAMLNode, _ field: Field) -> (WrittenAddress, weight: Int, YAMLNode.Mark)? {
        guard case .map = node.content else {
            return Form<WrittenAddress>.endpointAddress.read(node, field).map { ($0, 1, node.mark) }
        }
        let reader = SectionReader(node, EndpointKeys.section, diagnostics)
        var weight = 1
        reader.read(EndpointKeys.weight, into: &weight)
        guard let address = reader.require(EndpointKeys.address, hint: "as in `address: \"10.0.0.1:9000\"`") else {
            return nil
        }
        return (address, weight, reader[node: EndpointKeys.address]?.mark ?? node.mark)
    }

    private func resolve(_ written: WrittenAddress, _ mark: YAMLNode.Mark) -> [SocketAddress] {
        switch written {
        case .address(let address): [address]
        case .name(let name, let port):
            (names.addresses(of: name, port: port, at: mark, diagnostics) ?? []).map { .ip($0) }
        }
    }

    private func compile(health reader: SectionReader) -> HealthCheck? {
        var health = HealthCheck(probe: .tcp)
        reader.read(HealthKeys.interval, into: &health.interval)
        reader.read(HealthKeys.rise, into: &health.rise)
        reader.read(HealthKeys.fall, into: &health.fall)
        if let timeout = reader.read(HealthKeys.timeout) {
            health.timeout = timeout
            if timeout > health.interval {
                diagnostics.warning(
                    reader[node: HealthKeys.timeout]?.mark ?? reader.mark,
                    "\"timeout\" (\(Form<Duration>.render(timeout))) is longer than \"interval\" (\(Form<Duration>.render(health.interval)))",
                    hint: "a probe that takes longer than the interval delays the next one")
            }
        } else {
            health.timeout = min(health.timeout, health.interval)
        }
        let path = reader.read(HealthKeys.path)
        let expect = reader.read(HealthKeys.expect) ?? [200...399]
        let isTCP = reader.read(HealthKeys.tcp) ?? false
        switch (reader.has(HealthKeys.path), isTCP) {
        case (true, true):
            diagnostics.error(
                reader.mark(of: HealthKeys.tcp), "a health check has either `path` or `tcp: true`",
                hint: "a probe with `path` connects as well")
        case (false, false):
            if !reader.has(HealthKeys.tcp) || reader[node: HealthKeys.tcp]?.truth == false {
                diagnostics.error(
                    reader.mark, "a health check needs `path` or `tcp: true`", hint: "as in `health: {path: /healthz}`")
            }
        case (true, false):
            health.probe = .http(path: path ?? "/", expect: expect)
        case (false, true):
            if reader.has(HealthKeys.expect) {
                diagnostics.error(
                    reader.mark(of: HealthKeys.expect), "a probe by connecting has no status to expect",
                    hint: "use `path` instead of `tcp`")
            }
        }
        return health
    }
}
