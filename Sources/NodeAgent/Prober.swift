package import Balancing
package import EventLoop
import Glibc
import NodeLink
import Snapshot
import TLS
import Telemetry

/// Active health checks of one node, on the agent's thread.
///
/// An endpoint is a slot with one timer: the end of the probe under way, or else the start of the next one.
package struct Prober: ~Copyable {
    /// Probes under way at most; more wait in line, so that thousands of endpoints need few descriptors.
    package static let probesMax = 256
    /// A timeout that is acted on later than this says more of this host (suspended, starved of CPU, busy with a large
    /// snapshot) than of the endpoint: the wheel is at most 17 ms late by itself.
    package static let latenessMax: UInt64 = 100_000_000
    /// How long sessions with an endpoint are taken up again. A resumed session shows no certificate: after this time at the
    /// latest one that has expired, or that has been replaced, is looked at.
    package static let sessionNanosecondsMax: UInt64 = 60_000_000_000
    /// Shortest interval and timeout that is kept to; the site file's own bounds are above it.
    private static let nanosecondsMin: UInt64 = 10_000_000

    private var targets: [ProbeTarget?] = []
    private var free: [UInt32] = []
    private var slots: [EndpointKey: UInt32] = [:]
    private var queue: [UInt32] = []
    /// Probes that have a socket now.
    package private(set) var underWay = 0
    private var generation: UInt32 = 0
    private var random: RandomSource
    private var changes: [HealthChange] = []
    private var contexts = ProbeContexts()
    /// Made with the first pool that is probed inside of TLS.
    private var transport: ProbeTransport?
    package private(set) var counts = ProbeCounts()

    package init(seed: UInt64) { random = RandomSource(seed: seed) }

    /// What a probe has found so far; `.unknown` for an endpoint that isn't probed.
    package func status(of endpoint: EndpointKey) -> HealthState.Status {
        guard let slot = slots[endpoint], let target = targets[Int(slot)] else { return .unknown }
        return target.health.status
    }

    /// When its last probe began; nil for an endpoint that isn't probed.
    package func startedAt(of endpoint: EndpointKey) -> UInt64? {
        slots[endpoint].flatMap { targets[Int($0)]?.startedAt }
    }

    /// Endpoints that are down now.
    package var down: [EndpointKey] {
        targets.compactMap { target in
            guard let target, !target.health.isUsable else { return nil }
            return target.key
        }
    }

    /// What has changed since the last call.
    package mutating func takeChanges() -> [HealthChange] {
        defer { changes = [] }
        return changes
    }

    /// Probes these endpoints from now on. One that was probed before keeps its state; a new one is probed at once.
    package mutating func update(_ probes: [PlannedProbe], in loop: inout AgentLoop) {
        let kept = Set(probes.map(\.key))
        for (key, slot) in slots where !kept.contains(key) { remove(slot, key, in: &loop) }
        let secrecy = contexts.adopt(probes)
        if !secrecy.isEmpty && transport == nil { transport = ProbeTransport() }
        for probe in probes {
            let (key, check) = (probe.key, probe.check)
            let tls = probe.tls == nil ? nil : secrecy[key.pool]
            if let slot = slots[key], let target = targets[Int(slot)] {
                guard target.check != check || target.tls !== tls else { continue }
                target.check = check
                if target.tls !== tls { target.dropSession() }
                target.tls = tls
                target.health.adopt(rise: UInt16(clamping: check.rise), fall: UInt16(clamping: check.fall))
                // A probe under way ends as it began; otherwise the new check speaks at once.
                if target.attempt == nil { enqueue(slot, target) }
            } else {
                let target = ProbeTarget(key, check)
                target.tls = tls
                let slot = free.popLast() ?? UInt32(targets.count)
                if Int(slot) == targets.count { targets.append(target) } else { targets[Int(slot)] = target }
                slots[key] = slot
                enqueue(slot, target)
            }
        }
        startQueued(in: &loop)
    }

    private mutating func remove(_ slot: UInt32, _ key: EndpointKey, in loop: inout AgentLoop) {
        if let target = targets[Int(slot)] {
            if let attempt = target.attempt {
                attempt.end()?.free()
                underWay -= 1
            }
            if !target.health.isUsable { changes.append(HealthChange(endpoint: key, cause: .notProbedAnyMore)) }
        }
        targets[Int(slot)] = nil
        slots[key] = nil
        queue.removeAll { $0 == slot }
        loop.timers.cancel(AgentLoop.Timer.firstProbe + slot)
        free.append(slot)
    }

    // MARK: events

    package mutating func timerFired(slot: UInt32, in loop: inout AgentLoop) {
        guard let target = targets[Int(slot)] else { return }
        if let attempt = target.attempt {
            finish(slot, target, timedOut(target, attempt, now: loop.now), in: &loop)
        } else {
            enqueue(slot, target)
        }
        startQueued(in: &loop)
    }

    /// An answer that has come by now counts, whoever was late; without one, only a timeout that is looked at in time does.
    private func timedOut(_ target: ProbeTarget, _ attempt: ProbeAttempt, now: UInt64) -> ProbeResult {
        if let result = attempt.advance() { return result }
        let lateness = now > target.timeoutAt ? now - target.timeoutAt : 0
        return lateness > Prober.latenessMax ? .late : attempt.exchange.timedOut()
    }

    package mutating func ready(_ token: Token, _ readiness: Readiness, in loop: inout AgentLoop) {
        guard Int(token.slot) < targets.count, let target = targets[Int(token.slot)], let attempt = target.attempt,
            attempt.generation == token.generation
        else { return }
        let result = attempt.advance(readiness)
        // Handshakes take long: what starts after one must not be counted from before it.
        if target.tls != nil { loop.refreshNow() }
        if let result { finish(token.slot, target, result, in: &loop) }
        startQueued(in: &loop)
    }

    // MARK: starting and ending probes

    private mutating func enqueue(_ slot: UInt32, _ target: ProbeTarget) {
        guard !target.isQueued else { return }
        target.isQueued = true
        queue.append(slot)
    }

    private mutating func startQueued(in loop: inout AgentLoop) {
        var taken = 0
        while taken < queue.count, underWay < Prober.probesMax {
            let slot = queue[taken]
            taken += 1
            guard let target = targets[Int(slot)] else { continue }
            target.isQueued = false
            start(slot, target, in: &loop)
        }
        queue.removeFirst(taken)
    }

    private mutating func start(_ slot: UInt32, _ target: ProbeTarget, in loop: inout AgentLoop) {
        target.startedAt = loop.now
        var exchange = ProbeExchange(target.check.probe, to: target.key.address, tls: target.tls?.settings)
        do throws(SocketError) {
            switch try Socket.connect(to: target.key.address) {
            case .inProgress(let socket):
                try watch(slot, target, socket, exchange, in: &loop)
            case .connected(let socket):
                if let result = exchange.connected() { return finish(slot, target, result, in: &loop) }
                try watch(slot, target, socket, exchange, in: &loop)
            }
        } catch {
            finish(slot, target, ProbeExchange.unconnected(error.code), in: &loop)
        }
    }

    private mutating func watch(
        _ slot: UInt32, _ target: ProbeTarget, _ socket: consuming OwnedDescriptor,
        _ exchange: consuming ProbeExchange, in loop: inout AgentLoop
    ) throws(SocketError) {
        generation = (generation + 1) & 0xff_ffff
        let attempt = ProbeAttempt(socket, generation: generation, exchange)
        let token = Token(kind: AgentLoop.Source.probe.rawValue, slot: slot, generation: generation)
        try loop.poller.add(attempt.socket.rawValue, token, .stream)
        target.attempt = attempt
        underWay += 1
        target.timeoutAt = loop.now + Prober.nanoseconds(target.check.timeout)
        loop.timers.set(AgentLoop.Timer.firstProbe + slot, at: target.timeoutAt)
        if !secure(attempt, target, now: loop.now) { finish(slot, target, .inconclusive(ENOMEM), in: &loop) }
    }

    /// - Returns: false when this host lacks what TLS needs.
    private func secure(_ attempt: ProbeAttempt, _ target: ProbeTarget, now: UInt64) -> Bool {
        guard let tls = target.tls, let transport else { return true }
        let address = if case .ip(let address) = target.key.address { address.host } else { "" }
        return attempt.secure(tls, transport, address: address, session: target.session(now: now))
    }

    /// Ends TLS of a probe, and keeps what the next one can take up.
    private mutating func endAttempt(_ target: ProbeTarget, _ result: ProbeResult, now: UInt64) {
        guard let attempt = target.attempt else { return }
        underWay -= 1
        target.attempt = nil
        guard let secrecy = attempt.secrecy else { return }
        if secrecy.isDone { counts.handshakes[secrecy.isResumed ? 1 : 0] &+= 1 }
        let offered = attempt.end()
        // A session may be what the endpoint took offence at.
        if case .failed(.tls) = result { target.dropSession() }
        guard let offered else { return }
        guard secrecy.isDone, secrecy.tls === target.tls else { return offered.free() }
        // Not all at the same time, for endpoints that were first probed at the same time.
        let spread = UInt64(random.next(below: 15_000)) * 1_000_000
        target.keep(offered, endsAt: secrecy.isResumed ? nil : now + Prober.sessionNanosecondsMax - spread)
    }

    private mutating func finish(
        _ slot: UInt32, _ target: ProbeTarget, _ result: ProbeResult, in loop: inout AgentLoop
    ) {
        endAttempt(target, result, now: loop.now)
        counts.note(target.check.probe, result)
        defer { schedule(slot, target, in: &loop) }
        switch result {
        case .passed:
            target.isInconclusive = false
            if target.health.probePassed() == .becameUp {
                changes.append(HealthChange(endpoint: target.key, cause: .probesPass))
            }
        case .failed(let failure):
            target.isInconclusive = false
            if target.health.probeFailed() == .becameDown {
                changes.append(HealthChange(endpoint: target.key, cause: .probesFail(failure)))
            }
        case .inconclusive(let code):
            let error = SocketError(call: "connect", code: code)
            noteInconclusive(target, "can't be probed: \(error)")
        case .late: noteInconclusive(target, "was probed too late for a result: this host is overloaded")
        }
    }

    private func noteInconclusive(_ target: ProbeTarget, _ what: String) {
        if !target.isInconclusive { Log.warning("health", "\(target.key.pool)/\(target.key.address) \(what)") }
        target.isInconclusive = true
    }

    /// The next probe begins an interval (the fast one while the state is changing) after the last one began, 10 % sooner or later at most, so that many nodes
    /// don't probe in step.
    private mutating func schedule(_ slot: UInt32, _ target: ProbeTarget, in loop: inout AgentLoop) {
        let isChanging = target.health.isChanging
        let interval = Prober.nanoseconds(isChanging ? target.check.fastInterval : target.check.interval)
        let spread = interval / 5
        let jitter = UInt64(random.next(below: UInt32(clamping: spread / 1000))) * 1000
        loop.timers.set(
            AgentLoop.Timer.firstProbe + slot, at: target.startedAt + interval - interval / 10 + jitter)
    }

    private static func nanoseconds(_ duration: Duration) -> UInt64 {
        max(UInt64(clamping: duration.wholeNanoseconds), nanosecondsMin)
    }
}
