import Balancing
package import EventLoop

/// The wire form: magic, format version, the fields in order, and the XXH64 digest of everything before it.
extension Snapshot {
    static let magic: UInt32 = 0x4e53_4c53  // "SLSN"
    /// Grows with every change of the layout; a node refuses what it doesn't know.
    static let formatVersion: UInt16 = 4

    package func encoded() -> [UInt8] {
        var out = WireWriter()
        out.write(Snapshot.magic)
        out.write(Snapshot.formatVersion)
        out.write(revision)
        out.write(site)
        out.write(UInt16(forwarder.workers))
        out.write(forwarder.hash.rawValue)
        out.write(forwarder.handOver.rawValue)
        out.write(forwarder.balance.rawValue)
        out.write(UInt16(proxy.nodes))
        out.write(UInt16(proxy.workers))
        out.write(UInt64(proxy.memoryBytesMax ?? 0))
        out.write(proxy.zone ?? "")
        out.write(proxy.drainTimeout)
        out.write(proxy.leaveTimeout)
        out.write(list: trustedProxies) { $0.write($1) }
        out.write(limits)
        out.write(accessLog)
        out.write(UInt32(pools.count))
        out.write(UInt32(listeners.count))
        for pool in pools { out.write(pool) }
        for listener in listeners { out.write(listener) }
        out.write(list: routes) { $0.write($1) }
        out.write(statesForwarded)
        out.write(errorPages)
        out.write(Hash64.xxh64(out.bytes))
        return out.bytes
    }

    /// The digest that ends an encoded snapshot: what a node reports as applied.
    package static func digest(ofEncoded bytes: [UInt8]) -> UInt64 {
        var reader = WireReader(bytes.suffix(8))
        return (try? reader.read(UInt64.self)) ?? 0
    }

    /// - Throws: `WireError` for anything but a whole snapshot of this format version with the right digest.
    package init(encoded bytes: [UInt8]) throws(WireError) {
        guard bytes.count >= 14 else { throw .truncated }
        let body = bytes.dropLast(8)
        guard Hash64.xxh64([UInt8](body)) == Snapshot.digest(ofEncoded: bytes) else { throw .invalid("digest") }
        var reader = WireReader(body)
        guard try reader.read(UInt32.self) == Snapshot.magic else { throw .invalid("magic") }
        guard try reader.read(UInt16.self) == Snapshot.formatVersion else { throw .invalid("format version") }
        revision = try reader.read()
        site = try reader.readString()
        forwarder = ForwarderSettings(
            workers: Int(try reader.read(UInt16.self)), hash: try reader.readCase(), handOver: try reader.readCase(),
            balance: try reader.readCase())
        proxy = ProxySettings(nodes: Int(try reader.read(UInt16.self)), workers: Int(try reader.read(UInt16.self)))
        let memory = try reader.read(UInt64.self)
        guard memory <= UInt64(Int.max) else { throw .invalid("memory") }
        proxy.memoryBytesMax = memory == 0 ? nil : Int(memory)
        proxy.zone = try reader.readName()
        proxy.drainTimeout = try reader.readDuration()
        proxy.leaveTimeout = try reader.readDuration()
        trustedProxies = try reader.readList { (reader) throws(WireError) in try reader.readAddressRange() }
        limits = try reader.readLimits()
        accessLog = try reader.readAccessLog()
        let poolCount = Int(try reader.read(UInt32.self))
        let listenerCount = Int(try reader.read(UInt32.self))
        pools = []
        listeners = []
        for _ in 0..<poolCount { pools.append(try reader.readPool()) }
        for _ in 0..<listenerCount { listeners.append(try reader.readListener(poolCount: poolCount)) }
        routes = try reader.readList { (reader) throws(WireError) in
            try reader.readRoute(poolCount: poolCount, listenerCount: listenerCount)
        }
        statesForwarded = try reader.readBool()
        errorPages = try reader.readErrorPages()
        try reader.finish()
    }
}

extension WireWriter {
    package mutating func write(_ address: IPEndpoint) {
        write(address.family.rawValue)
        write(address.high)
        write(address.low)
        write(address.port)
    }

    package mutating func write(_ address: SocketAddress) { write(address.description) }

    mutating func write(_ range: AddressRange) {
        write(range.base)
        write(UInt8(range.prefixLength))
    }

    mutating func write(_ limits: Limits) {
        write(UInt32(limits.headBytesMax))
        write(UInt32(limits.fieldCountMax))
        write(UInt32(limits.connectionCountMax))
        write(limits.headTimeout)
        write(limits.bodyIdleTimeout)
        write(limits.idleTimeout)
        write(limits.tunnelTimeout)
        write(limits.writeTimeout != nil)
        if let timeout = limits.writeTimeout { write(timeout) }
        write(UInt32(limits.connectionsPerSourceMax ?? 0))
        write(UInt32(limits.requestsPerConnectionMax ?? 0))
        write(UInt32(limits.bufferBytesMax))
        write(limits.overload)
    }

    mutating func write(_ pool: Pool) {
        write(pool.name)
        write(list: pool.endpoints) { out, endpoint in
            out.write(endpoint.address)
            out.write(UInt16(endpoint.weight))
            out.write(endpoint.isBackup)
            out.write(endpoint.zone ?? "")
        }
        write(balanceOf: pool)
        write(pool.connections)
        write(pool.tls)
        write(pool.requests)
        write(pool.outlier)
        write(pool.health)
    }

    /// 0 stands for no bound.
    mutating func write(_ connections: ConnectionLimits) {
        write(UInt32(connections.countMax ?? 0))
        write(UInt32(connections.queueCountMax))
        write(connections.queueTimeout)
        write(connections.idleTimeout)
        write(connections.lifetime ?? .zero)
    }

    mutating func write(_ listener: Listener) {
        write(listener.name)
        write(list: listener.addresses) { $0.write($1) }
        write(listener.application.rawValue)
        write(listener.pool != nil)
        if let pool = listener.pool { write(UInt32(pool)) }
        write(listener.tls)
        write(listener.limits)
    }

    mutating func write(_ route: Route) {
        write(route.name)
        write(list: route.listeners) { $0.write(UInt32($1)) }
        write(route.match)
        write(route.request)
        write(route.response)
        write(list: route.targets) { out, target in
            out.write(UInt32(target.pool))
            out.write(UInt16(target.weight))
        }
        write(route.connectTimeout)
        write(route.responseTimeout)
        write(route.answer)
        write(route.rewrite)
        write(route.requestTimeout != nil)
        if let timeout = route.requestTimeout { write(timeout) }
        write(route.errorPages)
        write(route.retry)
        write(route.connect.rawValue)
        write(route.mirror)
        write(route.isShed)
        write(route.hedge)
    }

    mutating func write(_ rules: HeaderRules) {
        for list in [rules.set, rules.add] {
            write(list: list) { out, rule in
                out.write(rule.name)
                out.write(rule.value)
            }
        }
        write(list: rules.remove) { $0.write($1) }
    }
}

extension WireReader {
    package mutating func readIPEndpoint() throws(WireError) -> IPEndpoint {
        let family: IPFamily = try readCase()
        let high: UInt64 = try read()
        let low: UInt64 = try read()
        let port: UInt16 = try read()
        switch family {
        case .v4:
            guard high == 0, let address = UInt32(exactly: low) else { throw .invalid("IPv4 address") }
            return IPEndpoint(v4: address, port: port)
        case .v6: return IPEndpoint(v6High: high, low: low, port: port)
        }
    }

    package mutating func readSocketAddress() throws(WireError) -> SocketAddress {
        guard let address = SocketAddress(try readString()) else { throw .invalid("address") }
        return address
    }

    mutating func readAddressRange() throws(WireError) -> AddressRange {
        let base = try readIPEndpoint()
        let prefixLength = Int(try read(UInt8.self))
        guard prefixLength <= (base.family == .v4 ? 32 : 128) else { throw .invalid("prefix length") }
        return AddressRange(base: base, prefixLength: prefixLength)
    }

    mutating func readLimits() throws(WireError) -> Limits {
        var limits = Limits(
            headBytesMax: Int(try read(UInt32.self)), fieldCountMax: Int(try read(UInt32.self)),
            connectionCountMax: Int(try read(UInt32.self)), headTimeout: try readDuration(),
            bodyIdleTimeout: try readDuration(), idleTimeout: try readDuration(),
            tunnelTimeout: try readDuration(), writeTimeout: try readBool() ? try readDuration() : nil,
            connectionsPerSourceMax: try readBound(),
            requestsPerConnectionMax: try readBound())
        limits.bufferBytesMax = Int(try read(UInt32.self))
        limits.overload = try readOverloadLimits()
        return limits
    }

    /// 0 stands for no bound.
    private mutating func readBound() throws(WireError) -> Int? {
        let bound = Int(try read(UInt32.self))
        return bound == 0 ? nil : bound
    }

    mutating func readPool() throws(WireError) -> Pool {
        var pool = Pool(name: try readString(), endpoints: [])
        pool.endpoints = try readList { (reader) throws(WireError) in
            Endpoint(
                address: try reader.readSocketAddress(), weight: Int(try reader.read(UInt16.self)),
                isBackup: try reader.readBool(), zone: try reader.readName())
        }
        try readBalance(of: &pool)
        pool.connections = try readConnectionLimits()
        pool.tls = try readEndpointTLS()
        pool.requests = try readRequestLimits()
        pool.outlier = try readOutlier()
        pool.health = try readHealth()
        return pool
    }

    mutating func readConnectionLimits() throws(WireError) -> ConnectionLimits {
        let countMax = Int(try read(UInt32.self))
        var connections = ConnectionLimits(
            countMax: countMax == 0 ? nil : countMax, queueCountMax: Int(try read(UInt32.self)),
            queueTimeout: try readDuration(), idleTimeout: try readDuration())
        let lifetime = try readDuration()
        connections.lifetime = lifetime == .zero ? nil : lifetime
        return connections
    }

    mutating func readListener(poolCount: Int) throws(WireError) -> Listener {
        Listener(
            name: try readString(),
            addresses: try readList { (reader) throws(WireError) in try reader.readIPEndpoint() },
            application: try readCase(), pool: try readBool() ? try readIndex(below: poolCount, "pool") : nil,
            tls: try readListenerTLS(),
            limits: try readListenerLimits())
    }

    mutating func readRoute(poolCount: Int, listenerCount: Int) throws(WireError) -> Route {
        let name = try readString()
        let listeners = try readList { (reader) throws(WireError) in
            try reader.readIndex(below: listenerCount, "listener")
        }
        let match = try readRouteMatch()
        let request = try readHeaderRules()
        let response = try readHeaderRules()
        let targets = try readList { (reader) throws(WireError) in
            WeightedPool(
                pool: try reader.readIndex(below: poolCount, "pool"), weight: Int(try reader.read(UInt16.self)))
        }
        var route = Route(
            name: name, listeners: listeners, match: match, request: request,
            response: response, targets: targets, connectTimeout: try readDuration(),
            responseTimeout: try readDuration())
        route.answer = try readAnswer()
        guard targets.isEmpty == (route.answer != nil) else {
            throw .invalid("route with neither a pool nor an answer")
        }
        guard targets.allSatisfy({ $0.weight > 0 }) else { throw .invalid("weight of a pool") }
        route.rewrite = try readRewrite()
        route.requestTimeout = try readBool() ? try readDuration() : nil
        route.errorPages = try readErrorPages()
        route.retry = try readRetryPolicy()
        route.connect = try readCase()
        route.mirror = try readMirror(poolCount: poolCount)
        route.isShed = try readBool()
        route.hedge = try readHedgePolicy()
        return route
    }

    mutating func readHeaderRules() throws(WireError) -> HeaderRules {
        HeaderRules(
            set: try readRuleList(), add: try readRuleList(),
            remove: try readList { (reader) throws(WireError) in try reader.readString() })
    }

    private mutating func readRuleList() throws(WireError) -> [HeaderRule] {
        try readList { (reader) throws(WireError) in
            HeaderRule(
                name: try reader.readString(),
                value: try reader.readValue())
        }
    }
}
