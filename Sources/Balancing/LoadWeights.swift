/// Shares of the connections that follow the measured load of nodes, in small damped steps.
///
/// Every node begins with `base`. With each measurement a node's weight moves towards the one at which its load would be
/// the mean of all, by `stepPercent` at most, and not at all while its load is within `tolerancePercent` of the mean:
/// loads are noisy, and each change of a weight moves some sources to other nodes.
package struct LoadWeights: Sendable {
    package static let base = 64
    /// Never less than a quarter nor more than twice of what an average node gets.
    package static let bounds = 16...128
    package static let stepPercent = 5
    package static let tolerancePercent = 15
    /// Below this mean nothing is moved: nobody is busy. Hundredths of a worker's time.
    package static let idleLoad = 0.05

    package private(set) var weights: [String: Int] = [:]

    package init() {}

    /// - Parameters:
    ///   - loads: Busy share of each node that takes connections and has said it, 0 to 1 per worker.
    ///   - members: All nodes, those that haven't said anything this time too; others are forgotten. nil: those of `loads`.
    /// - Returns: Whether a weight has changed.
    package mutating func measured(_ loads: [String: Double], of members: Set<String>? = nil) -> Bool {
        let before = weights
        weights = weights.filter { members?.contains($0.key) ?? (loads[$0.key] != nil) }
        for name in loads.keys where weights[name] == nil { weights[name] = LoadWeights.base }
        let mean = loads.values.reduce(0, +) / Double(max(loads.count, 1))
        if loads.count > 1 && mean >= LoadWeights.idleLoad {
            for (name, load) in loads {
                guard let weight = weights[name] else { continue }
                weights[name] = LoadWeights.next(weight, load: load, mean: mean)
            }
        }
        return weights != before
    }

    private static func next(_ weight: Int, load: Double, mean: Double) -> Int {
        guard abs(load - mean) * 100 > mean * Double(tolerancePercent) else { return weight }
        // At least 1, so that small weights move too.
        let step = max(weight * stepPercent / 100, 1)
        let wanted = Double(weight) * mean / max(load, mean / 16)
        let moved = min(max(Int(wanted.rounded()), weight - step), weight + step)
        return min(max(moved, bounds.lowerBound), bounds.upperBound)
    }
}
