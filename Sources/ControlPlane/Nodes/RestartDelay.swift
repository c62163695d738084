/// How long a node that ended waits before it is started again.
///
/// At once after a life of `healthyLife`; else 100 ms, doubling with each short life in a row, up to 5 s: a node that
/// cannot start costs little, one that a single bad event killed is missed for as short as possible.
struct RestartDelay: Equatable, Sendable {
    static let first: Duration = .milliseconds(100)
    static let longest: Duration = .seconds(5)
    static let healthyLife: Duration = .seconds(10)

    /// Lives in a row that were shorter than `healthyLife`.
    private(set) var shortLives = 0

    /// - Parameter lifetime: How long the node that just ended had run.
    mutating func next(afterLifeOf lifetime: Duration) -> Duration {
        guard lifetime < RestartDelay.healthyLife else {
            shortLives = 0
            return .zero
        }
        shortLives += 1
        let doublings = min(shortLives - 1, 6)
        return min(RestartDelay.first * (1 << doublings), RestartDelay.longest)
    }
}
