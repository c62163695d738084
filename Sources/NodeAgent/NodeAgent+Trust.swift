import Balancing
import EventLoop
import Telemetry

/// Passive health: the role's detectors decide, the agent gives them time and tells of it.
extension NodeAgent {
    func reviewTrust() {
        role.reviewTrust(now: loop.now)
        trustReviewed()
    }

    /// To be called after everything that may have changed what the role's detectors wait for.
    func trustReviewed() {
        for change in role.takeTrustChanges() {
            let name = "\(change.endpoint.pool)/\(change.endpoint.address)"
            switch change.kind {
            case .ejected(let cause, let nanoseconds):
                Log.warning("health", "\(name) is ejected for \(nanoseconds / 1_000_000) ms: \(cause.name)")
            case .returned: Log.info("health", "\(name) is no longer ejected")
            case .held: break
            }
        }
        if let deadline = role.trustDeadline {
            loop.timers.set(AgentLoop.Timer.trust, at: deadline)
        } else {
            loop.timers.cancel(AgentLoop.Timer.trust)
        }
    }
}
