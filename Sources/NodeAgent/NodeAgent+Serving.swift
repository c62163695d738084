import EventLoop
import NodeLink
import Snapshot
import Telemetry

/// What the node serves: stored or received, applied, stored, answered.
extension NodeAgent {
    /// Serves what was served last: a node needs no control plane to start.
    func restore() {
        switch store.loadSnapshot() {
        case .absent: break
        case .unusable(let reason): setAside(.snapshot, reason)
        case .valid(let stored):
            refused = stored
            retryStored()
        }
        switch store.loadMembership() {
        case .absent: break
        case .unusable(let reason): setAside(.membership, reason)
        case .valid(let stored): apply(stored)
        }
    }

    private func setAside(_ file: NodeStore.File, _ reason: String) {
        Log.warning("store", "\(reason); kept aside, waiting for the control plane")
        do { try store.setAside(file) } catch { Log.error("store", "\(error)") }
    }

    /// What hinders a stored snapshot, such as an address that a dying process still holds, may pass by itself.
    func retryStored() {
        guard let stored = refused else { return }
        do throws(RoleError) {
            try serve(stored.snapshot, digest: stored.digest)
            Log.info("node", "\(id): serving the stored revision \(stored.snapshot.revision)")
        } catch {
            if error != refusal {
                let revision = stored.snapshot.revision
                Log.warning("node", "\(id): stored revision \(revision) can't be served yet: \(error.message)")
            }
            refusal = error
            loop.timers.set(AgentLoop.Timer.storedSnapshot, at: deadline(after: .seconds(1)))
        }
    }

    private func serve(_ snapshot: Snapshot, digest: UInt64) throws(RoleError) {
        try role.apply(snapshot)
        // Applying and probing begin apart: a slow start of listeners is no slow endpoint.
        loop.refreshNow()
        refused = nil
        loop.timers.cancel(AgentLoop.Timer.storedSnapshot)
        current = Current(snapshot: snapshot, digest: digest)
        prober.update(snapshot.probes(by: role.role), in: &loop)
        // Workers that built their pools anew learn what they may not use before they use it.
        for endpoint in prober.down { role.setHealth(of: endpoint, isUp: false) }
        reportHealthChanges()
        trustReviewed()
    }

    func receive(snapshot bytes: [UInt8]) {
        let digest = Snapshot.digest(ofEncoded: bytes)
        if let current, current.digest == digest {
            return send(.applied(revision: current.snapshot.revision, digest: digest))
        }
        let snapshot: Snapshot
        do { snapshot = try Snapshot(encoded: bytes) } catch {
            let revision = NodeAgent.revision(ofEncoded: bytes)
            return reject(revision, "the snapshot can't be read: \(error)")
        }
        do { try serve(snapshot, digest: digest) } catch { return reject(snapshot.revision, error.message) }
        Log.info("node", "\(id): serving revision \(snapshot.revision)")
        do { try store.save(snapshot: bytes) } catch {
            Log.error("store", "revision \(snapshot.revision) is served but not stored: \(error)")
        }
        send(.applied(revision: snapshot.revision, digest: digest))
    }

    private func reject(_ revision: UInt64, _ message: String) {
        let serves = current.map { "revision \($0.snapshot.revision)" } ?? "nothing"
        Log.error("node", "\(id): revision \(revision) refused, serving \(serves): \(message)")
        send(.rejected(revision: revision, message: message))
    }

    /// Where every format version has it: behind magic and version. 0 for less than that.
    private static func revision(ofEncoded bytes: [UInt8]) -> UInt64 {
        var reader = WireReader(bytes.dropFirst(6))
        return (try? reader.read(UInt64.self)) ?? 0
    }

    func receive(_ received: Membership) {
        if received == membership {
            if acknowledgements.isComplete { send(.membershipApplied(version: received.version)) }
            return
        }
        // Traffic first, disk second: a node that has gone must not be used while a slow disk flushes.
        apply(received)
        do { try store.save(received) } catch {
            Log.error("store", "membership \(received.version) is in use but not stored: \(error)")
        }
    }

    private func apply(_ new: Membership) {
        membership = new
        acknowledgements.begin(version: new.version)
        role.apply(new)
    }

    func reportHealthChanges() {
        for change in prober.takeChanges() {
            let name = "\(change.endpoint.pool)/\(change.endpoint.address)"
            switch change.cause {
            case .probesPass: Log.info("health", "\(name) is up")
            case .probesFail(let failure): Log.info("health", "\(name) is down: \(failure)")
            case .notProbedAnyMore: Log.info("health", "\(name) is not probed any more")
            }
            role.setHealth(of: change.endpoint, isUp: change.isUp)
        }
    }
}
