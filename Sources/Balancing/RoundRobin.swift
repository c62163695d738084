/// The place of one worker in the rotation over one pool's endpoints.
///
/// Weights spread each endpoint's turns evenly instead of in a row (nginx's smooth weighted round robin: with weights
/// 5, 1, 1 the order is a a b a c a a). With equal weights a turn costs O(1), else O(count). Plain data: the
/// caller owns the arrays, one element per endpoint.
@usableFromInline
package struct RoundRobinState: BitwiseCopyable, Sendable {
    /// Where the search for the next endpoint begins; used when all weights are equal.
    @usableFromInline var cursor: UInt32
    /// All weights are the same and not 0, so that `current` isn't needed.
    @usableFromInline let weightsEqual: Bool

    /// Begins a rotation. Make a new one when the weights or the number of endpoints change.
    ///
    /// - Parameters:
    ///   - weights: Share of the turns per endpoint; 0 takes none.
    ///   - current: The algorithm's account per endpoint; set to 0 here, then only touched by `pick`.
    ///   - count: Number of endpoints.
    ///   - start: First endpoint when weights are equal, modulo `count`. Give each worker another one, or the
    ///     first requests of all workers meet at one endpoint.
    package init(
        weights: UnsafePointer<UInt16>, current: UnsafeMutablePointer<Int32>, count: Int, startingAt start: Int = 0
    ) {
        precondition(count >= 0 && count <= UInt32.max && start >= 0, "rotation of \(count) from \(start)")
        unsafe current.initialize(repeating: 0, count: count)
        var equal = count > 0
        for index in 0..<count {
            let weight = unsafe weights[index]
            if unsafe weight == 0 || weight != weights[0] { equal = false }
        }
        weightsEqual = equal
        cursor = count == 0 ? 0 : UInt32(start % count)
    }

    /// The endpoint whose turn it is, which is thereby taken.
    ///
    /// - Parameters:
    ///   - weights: As given to `init`.
    ///   - usable: Whether an endpoint may be picked. One that may not loses its turns; the others keep theirs.
    ///   - current: As given to `init`.
    ///   - count: As given to `init`.
    /// - Returns: Index of the endpoint; nil when none with a weight is usable.
    @inlinable
    package mutating func pick(
        weights: UnsafePointer<UInt16>, usable: UnsafePointer<Bool>, current: UnsafeMutablePointer<Int32>, count: Int
    ) -> Int? {
        if weightsEqual {
            return unsafe pickEqual(usable: usable, count: count)
        }
        return unsafe pickSmooth(weights: weights, usable: usable, current: current, count: count)
    }

    @inlinable
    mutating func pickEqual(usable: UnsafePointer<Bool>, count: Int) -> Int? {
        var index = Int(cursor)
        for _ in 0..<count {
            if index >= count { index = 0 }
            if unsafe usable[index] {
                cursor = UInt32(truncatingIfNeeded: index &+ 1)
                return index
            }
            index &+= 1
        }
        return nil
    }

    /// Each usable endpoint earns its weight; the richest, the first among equals, pays what all earned.
    @inlinable
    func pickSmooth(
        weights: UnsafePointer<UInt16>, usable: UnsafePointer<Bool>, current: UnsafeMutablePointer<Int32>, count: Int
    ) -> Int? {
        var earned: Int32 = 0
        var richest = -1
        for index in 0..<count {
            let weight = unsafe weights[index]
            if unsafe !usable[index] || weight == 0 { continue }
            // Accounts stay within the sum of the weights while the same endpoints are usable. Wrapping, so that no
            // history of endpoints coming and going can stop the process: it could only disturb the order.
            earned &+= Int32(weight)
            let account = unsafe current[index] &+ Int32(weight)
            unsafe current[index] = account
            if unsafe richest < 0 || account > current[richest] { richest = index }
        }
        if richest < 0 { return nil }
        unsafe current[richest] &-= earned
        return richest
    }
}
