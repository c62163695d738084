import Balancing
import Snapshot
import TLS

/// An endpoint that is probed: what is known of it, and the probe under way.
final class ProbeTarget {
    let key: EndpointKey
    var check: HealthCheck
    var health: HealthState
    var attempt: ProbeAttempt?
    var isQueued = false
    /// When the last probe began: the interval counts from there.
    var startedAt: UInt64 = 0
    /// When the probe under way is given up.
    var timeoutAt: UInt64 = 0
    /// The last probe couldn't be made, or came too late; logged once.
    var isInconclusive = false
    /// nil: it is probed in the clear.
    var tls: ProbeTLS?
    /// What the endpoint has offered by `tls`; freed by `dropSession`.
    private var session: TLSSession?
    private var sessionEndsAt: UInt64 = 0

    init(_ key: EndpointKey, _ check: HealthCheck) {
        self.key = key
        self.check = check
        health = HealthState(rise: UInt16(clamping: check.rise), fall: UInt16(clamping: check.fall))
    }

    /// - Parameter endsAt: When the endpoint's certificate is looked at again; nil: as before.
    func keep(_ session: TLSSession, endsAt: UInt64?) {
        dropSession()
        self.session = session
        if let endsAt { sessionEndsAt = endsAt }
    }

    func dropSession() {
        session?.free()
        session = nil
    }

    func session(now: UInt64) -> TLSSession? {
        if now >= sessionEndsAt { dropSession() }
        return session
    }

    deinit { session?.free() }
}
