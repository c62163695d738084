import Balancing
import EventLoop
import NodeAgent
import NodeLink
import TLS

/// What the agent asks for, between requests.
extension ProxyWorker {
    mutating func takeCommands() {
        for command in mailbox.takeAll() {
            switch command {
            case .serve(let site): serve(site)
            case .membership(let version, let draining, let ticketKeys):
                setDraining(draining)
                if let ticketKeys { tls.use(ticketKeys) }
                agent.post(.membershipApplied(version: version, worker: index))
            case .health(let endpoint, let isUp):
                guard Int(endpoint) < endpointCapacity else { continue }
                unsafe endpoints[Int(endpoint)].isDown = !isUp
                endpointChanged(endpoint)
            case .trust(let endpoint, let isEjected): setEjected(endpoint, isEjected)
            case .queueBegan(let number): mark(number)
            case .room(let room): take(room)
            case .pulse(let sentAt): pulseReturned(sentAt: sentAt)
            case .report(let id): agent.post(.report(id: id, worker: index, samples: samples()))
            case .drain: drain()
            case .cut: if isDraining { cutClients(foreignOnly: false) }
            case .resume:
                isDraining = false
                hasReportedDrained = false
            }
        }
    }

    /// Switches to another site. Exchanges under way keep the one that they began with.
    private mutating func serve(_ compiled: CompiledSite) {
        growEndpoints(compiled)
        while mirrorFigures.count < compiled.mirrors.count { mirrorFigures.append(MirrorFigures()) }
        while listenerClients.count < compiled.listenerNames.count { listenerClients.append(0) }
        adoptOutliers(compiled)
        growQueues(to: compiled.queueNames.count)
        growPools(to: compiled.poolNames.count)
        endpointKeys = compiled.endpoints
        let next = UnsafeMutablePointer<WorkerSite>.allocate(capacity: 1)
        unsafe next.initialize(to: WorkerSite(compiled, worker: index))
        if let old = unsafe site {
            unsafe old.pointee.isCurrent = false
            unsafe releaseIfUnused(old)
        }
        unsafe sites.insert(next, at: 0)
        unsafe site = unsafe next
        unsafe adoptTLS(next)
        closeForeignIdleConnections()
        if hasForeignClients { wheel.set(Timer.foreignClientsID, at: now + compiled.drainNanoseconds) }
        adoptBounds()
        adoptOverloadLimits(compiled)
    }

    private mutating func growEndpoints(_ compiled: CompiledSite) {
        let count = compiled.endpoints.count
        guard count > endpointCapacity else { return }
        let grown = UnsafeMutablePointer<EndpointState>.allocate(capacity: count)
        unsafe grown.initialize(from: endpoints, count: endpointCapacity)
        for number in endpointCapacity..<count {
            unsafe (grown + number).initialize(
                to: EndpointState(budget: compiled.budgets[number], pool: compiled.endpointPools[number]))
        }
        unsafe endpoints.deallocate()
        unsafe endpoints = unsafe grown
        growLoads(from: endpointCapacity, to: count)
        endpointCapacity = count
    }

    private mutating func growPools(to count: Int) {
        guard count > poolFiguresCapacity else { return }
        let grown = UnsafeMutablePointer<PoolFigures>.allocate(capacity: count)
        unsafe grown.initialize(from: poolFigures, count: poolFiguresCapacity)
        for number in poolFiguresCapacity..<count {
            unsafe (grown + number).initialize(to: PoolFigures(now: now))
            heldBack.append(RequestQueue())
        }
        unsafe poolFigures.deallocate()
        unsafe poolFigures = unsafe grown
        poolFiguresCapacity = count
    }

    /// Idle connections to endpoints that the current site doesn't name are of no use any more.
    private mutating func closeForeignIdleConnections() {
        guard let site = unsafe site else { return }
        var isNamed = [Bool](repeating: false, count: endpointCapacity)
        for pool in 0..<(unsafe site.pointee.poolCount) {
            let state = unsafe site.pointee.pools[pool]
            for index in 0..<state.count { unsafe isNamed[Int(state.endpoints[index])] = true }
        }
        for number in 0..<endpointCapacity {
            unsafe endpoints[number].isNamed = isNamed[number]
            if !isNamed[number] { closeIdleConnections(of: UInt32(number)) }
        }
    }

    mutating func closeIdleConnections(of endpoint: UInt32) {
        while unsafe endpoints[Int(endpoint)].idle != EndpointConnection.none {
            unsafe closeConnection(connections[endpoints[Int(endpoint)].idle])
        }
        if unsafe endpoints[Int(endpoint)].firstSession != EndpointSession.none {
            retireSessions(of: endpoint, idleOnly: unsafe endpoints[Int(endpoint)].isEligible)
        }
    }

    /// An exchange that held a site has ended, or the site was replaced.
    mutating func releaseIfUnused(_ candidate: UnsafeMutablePointer<WorkerSite>) {
        guard unsafe !candidate.pointee.isCurrent && candidate.pointee.exchanges == 0 else { return }
        unsafe sites.removeAll { unsafe $0 == candidate }
        unsafe candidate.pointee.destroy()
        unsafe candidate.deallocate()
    }

    private mutating func setDraining(_ draining: [UInt32]) {
        let drained = Set(draining)
        for number in 0..<UInt32(endpointCapacity) {
            let isDraining = drained.contains(number)
            guard unsafe endpoints[Int(number)].isDraining != isDraining else { continue }
            unsafe endpoints[Int(number)].isDraining = isDraining
            endpointChanged(number)
            if isDraining { closeIdleConnections(of: number) }
        }
    }

    /// Tells every live site what is known of an endpoint now.
    mutating func endpointChanged(_ number: UInt32) {
        updateLoad(of: Int(number))
        let pool = unsafe endpoints[Int(number)].pool
        for index in unsafe sites.indices {
            let site = unsafe sites[index]
            for index in 0..<(unsafe site.pointee.poolCount)
            where unsafe site.pointee.pools[index].number == pool {
                unsafe site.pointee.pools[index].balancer.changed()
            }
        }
        // It may be of use to requests that wait.
        noteRoom(Int(number))
    }

    // MARK: draining

    private mutating func drain() {
        guard !isDraining else { return }
        isDraining = true
        hasReportedDrained = false
        announceShutdowns()
        wheel.set(Timer.drainGraceID, at: now + WorkerLimits.drainGraceNanoseconds)
    }

    /// The grace is over: idle connections, which had no request on its way, are closed.
    mutating func closeIdleClients() {
        guard isDraining else { return }
        shutDownSessions()
        for slot in 0..<clients.slotLimit {
            guard let client = unsafe clients.occupied(slot), unsafe client.pointee.phase == .idle else { continue }
            unsafe closeClient(client)
        }
    }

    /// Connections from clients: those who are clients, and no stream of one.
    var connectionCount: Int { clients.count - streams.count }

    mutating func reportDrainedIfSo() {
        guard !hasReportedDrained, clients.count == 0 else { return }
        hasReportedDrained = true
        agent.post(.drained(worker: index))
    }

    // MARK: reports

    private mutating func samples() -> [Sample] {
        guard let site = unsafe site else { return [] }
        let compiled = unsafe site.pointee.compiled.takeUnretainedValue()
        var samples = statistics.samples(compiled.series)
        for (number, name) in compiled.listenerNames.enumerated() {
            samples.append(
                Sample(
                    "sluice_connections",
                    [.init("role", "proxy"), .init("listener", name), .init("state", "open")],
                    Double(listenerClients[number])))
        }
        samples.append(Sample("sluice_node_connections", [], Double(connectionCount)))
        samples.append(Sample("sluice_node_buffers", [], Double(buffers.used)))
        samples += statistics.malformed.samples()
        samples += statistics.handshakes.samples()
        samples.append(Sample("sluice_refused_connections_total", [], Double(statistics.refused)))
        for (number, key) in endpointKeys.enumerated() {
            let state = unsafe endpoints[number]
            // Addresses come and go for ever where names are resolved: what isn't used any more isn't reported.
            guard state.isNamed || state.connectionCount > 0 else { continue }
            let labels: [Sample.Label] = [.init("pool", key.pool), .init("endpoint", key.address.description)]
            samples.append(Sample("sluice_endpoint_active", labels, unsafe Double(loads[number].active)))
            samples.append(Sample("sluice_endpoint_failures_total", labels, Double(state.failures)))
            if state.tlsFailures > 0 {
                samples.append(Sample("sluice_endpoint_tls_failures_total", labels, Double(state.tlsFailures)))
            }
            appendConnections(of: state, labels, to: &samples)
            if let latency = unsafe state.latency { samples += unsafe latency.pointee.samples(labels, now: now) }
            guard let answers = unsafe state.answers else { continue }
            for code in 0..<Statistics.codes where unsafe answers[code] > 0 {
                samples.append(
                    Sample(
                        "sluice_endpoint_requests_total", labels + [.init("code", String(code + 100))],
                        unsafe Double(answers[code])))
            }
        }
        appendRetries(compiled.poolNames, to: &samples)
        unsafe appendAdmissions(compiled.poolNames, site, to: &samples)
        appendScopes(compiled.poolNames, to: &samples)
        appendQueues(compiled.queueNames, to: &samples)
        appendShortages(to: &samples)
        appendOverload(to: &samples)
        appendLimitSamples(to: &samples)
        appendEarlySamples(to: &samples)
        statistics.http2.append(open: sessions.count, streams.count, to: &samples)
        statistics.endpointHTTP2.append(open: endpointSessions.count, endpointStreams.count, to: &samples)
        appendMirrors(compiled.mirrors, to: &samples)
        appendLogSamples(compiled.accessLog, to: &samples)
        return samples
    }
}
