/// What active health checks have found out about one endpoint.
///
///     unknown ──pass──▶ up
///     unknown ──fail──▶ down
///     up   ──`fall` failures in a row──▶ down
///     down ──`rise` passes in a row────▶ up
///
/// The first probe decides at once, whatever the thresholds, as in HAProxy and Envoy: a site that
/// starts must not send requests to a dead endpoint for `fall` intervals, nor wait `rise` intervals for a good one.
package struct HealthState: Equatable, BitwiseCopyable, Sendable {
    package enum Status: UInt8, BitwiseCopyable, Sendable {
        /// Not probed yet. Counts as usable: a pool without health checks stays here.
        case unknown
        case up
        case down
    }

    /// What one probe changed.
    package enum Transition: UInt8, BitwiseCopyable, Sendable {
        case none, becameUp, becameDown
    }

    package private(set) var status: Status = .unknown
    /// Probes in a row whose result speaks against `status`; below the threshold that would change it.
    private var contrary: UInt16 = 0
    private var rise: UInt16
    private var fall: UInt16

    /// - Parameters:
    ///   - rise: Passes in a row that bring an endpoint up again; 0 is taken as 1.
    ///   - fall: Failures in a row that bring it down; 0 is taken as 1.
    package init(rise: UInt16, fall: UInt16) {
        self.rise = max(rise, 1)
        self.fall = max(fall, 1)
    }

    /// Whether the endpoint may be given requests.
    package var isUsable: Bool {
        status != .down
    }

    /// The next probes decide: none has yet, or the last one spoke against `status`.
    package var isChanging: Bool { status == .unknown || contrary > 0 }

    package mutating func probePassed() -> Transition {
        switch status {
        case .unknown:
            return enter(.up)
        case .up:
            contrary = 0
            return .none
        case .down:
            contrary += 1
            return contrary >= rise ? enter(.up) : .none
        }
    }

    package mutating func probeFailed() -> Transition {
        switch status {
        case .unknown:
            return enter(.down)
        case .up:
            contrary += 1
            return contrary >= fall ? enter(.down) : .none
        case .down:
            contrary = 0
            return .none
        }
    }

    /// Takes the thresholds of a new revision. The status and the count stay; the next probe is judged by the new ones.
    package mutating func adopt(rise: UInt16, fall: UInt16) {
        self.rise = max(rise, 1)
        self.fall = max(fall, 1)
    }

    private mutating func enter(_ new: Status) -> Transition {
        status = new
        contrary = 0
        return new == .up ? .becameUp : .becameDown
    }
}
