import EventLoop
import NodeLink
import Telemetry

/// Frames of the control plane and the node's answers.
extension NodeAgent {
    func linkReady(_ readiness: Readiness) {
        if readiness.isWritable, let failure = link.flush() { return linkLost(failure) }
        guard readiness.isReadable else { return }
        while link.isOpen {
            switch link.next() {
            case .frame(let frame): handle(frame)
            case .wouldBlock: return
            case .lost(let reason): return linkLost(reason)
            }
        }
    }

    private func handle(_ frame: Frame) {
        loop.refreshNow()
        switch frame {
        case .snapshot(let bytes): receive(snapshot: bytes)
        case .membership(let membership): receive(membership)
        case .reportRequest(let id):
            reports.begin(id: id)
            role.requestReport(id: id)
        case .drain(let duration): follow(lifecycle.drainOrdered(until: deadline(after: duration)))
        case .resume: follow(lifecycle.resumeOrdered())
        case .reopenLog: role.reopenLog()
        case .stop(let duration):
            Log.info("node", "\(id): told to stop")
            follow(lifecycle.stopOrdered(until: deadline(after: duration)))
        case .hello, .applied, .rejected, .membershipApplied, .report, .drained, .votes:
            linkLost("the peer is no control plane")
        }
    }

    /// Without a link nothing is sent: `hello` says where the node stands when there is one again.
    func send(_ frame: Frame) {
        if let failure = link.send(frame) { linkLost(failure) }
    }
}
