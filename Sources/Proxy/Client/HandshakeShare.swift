/// Whether a worker spends much of its time on handshakes.
///
/// Judged once a period by the part of it that went into them: large from a quarter on, and until it falls below an eighth.
struct HandshakeShare: BitwiseCopyable {
    static let periodNanoseconds: UInt64 = 10_000_000

    private(set) var isLarge = false
    /// Of the period.
    private var beganAt: UInt64 = 0
    private var spent: UInt64 = 0

    /// A turn is over. Only those with handshakes have to be told, and all of them while the share is large.
    ///
    /// - Parameters:
    ///   - spent: Nanoseconds that went into handshakes.
    ///   - now: When the turn began, nanoseconds.
    /// - Returns: Whether `isLarge` has changed.
    mutating func turnEnded(spent: UInt64, now: UInt64) -> Bool {
        self.spent &+= spent
        let took = now &- beganAt
        guard took >= HandshakeShare.periodNanoseconds else { return false }
        let wasLarge = isLarge
        isLarge = self.spent >= took / (wasLarge ? 8 : 4)
        beganAt = now
        self.spent = 0
        return isLarge != wasLarge
    }
}
