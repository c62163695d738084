/// Picks the endpoint with the fewest active requests for its weight.
///
/// Up to `scannedMax` endpoints are all compared. Of more, two are drawn at random and the better one wins (Mitzenmacher,
/// "The Power of Two Choices in Randomized Load Balancing", 2001): O(1), and workers that each see only their own
/// requests don't all run to the same endpoint. Draws and ties go by weight, so an idle pool is shared by weight too.
@usableFromInline
package struct LeastRequest: BitwiseCopyable, Sendable {
    /// Most endpoints that are all compared: in a small pool two draws would often miss the idle one, and a scan of
    /// eight with unlike weights was measured at 25 ns, two draws among a hundred at 40.
    @inlinable static var scannedMax: Int { 8 }
    /// Draws before the search goes on in order. With half of the endpoints usable, one pick in 2³² gets there.
    @inlinable static var drawsMax: Int { 32 }

    @usableFromInline let weightMax: UInt16

    /// Make a new one when the weights or the number of endpoints change.
    ///
    /// - Parameters:
    ///   - weights: Share of the load per endpoint; 0 takes none.
    ///   - count: Number of endpoints, up to `UInt32.max`.
    package init(weights: UnsafePointer<UInt16>, count: Int) {
        precondition(count >= 0 && count <= UInt32.max, "least request among \(count)")
        var heaviest: UInt16 = 0
        for index in 0..<count { heaviest = unsafe max(heaviest, weights[index]) }
        weightMax = heaviest
    }

    /// The endpoint for the next request. The caller counts the request in `active` when it starts and ends.
    ///
    /// - Parameters:
    ///   - active: Requests that each endpoint is working on.
    ///   - weights: As given to `init`.
    ///   - usable: Whether an endpoint may be picked.
    ///   - count: As given to `init`.
    /// - Returns: Index of the endpoint; nil when none with a weight is usable.
    @inlinable
    package func pick(
        active: UnsafePointer<UInt32>, weights: UnsafePointer<UInt16>, usable: UnsafePointer<Bool>, count: Int,
        random: inout RandomSource
    ) -> Int? {
        if count <= Self.scannedMax {
            return unsafe pickOfAll(active: active, weights: weights, usable: usable, count: count, random: &random)
        }
        let first = unsafe draw(weights: weights, usable: usable, count: count, besides: -1, random: &random)
        if first < 0 { return nil }
        let second = unsafe draw(weights: weights, usable: usable, count: count, besides: first, random: &random)
        if second < 0 { return first }
        // On a tie the first draw stays, and that one went by weight.
        return unsafe load(second, active, comparedWith: first, weights) < 0 ? second : first
    }

    @inlinable
    func pickOfAll(
        active: UnsafePointer<UInt32>, weights: UnsafePointer<UInt16>, usable: UnsafePointer<Bool>, count: Int,
        random: inout RandomSource
    ) -> Int? {
        var best = -1
        // Sum of the weights of those that are as good as `best`.
        var tied: UInt32 = 0
        for index in 0..<count {
            let weight = unsafe UInt32(weights[index])
            if unsafe !usable[index] || weight == 0 { continue }
            let order = best < 0 ? -1 : unsafe load(index, active, comparedWith: best, weights)
            if order < 0 {
                best = index
                tied = weight
            } else if order == 0 {
                tied += weight
                // Each of the tied ends up with a chance of weight / tied.
                if random.next(below: tied) < weight { best = index }
            }
        }
        return best < 0 ? nil : best
    }

    /// A usable endpoint other than `other`, by weight; -1 when there is none.
    @inlinable
    func draw(
        weights: UnsafePointer<UInt16>, usable: UnsafePointer<Bool>, count: Int, besides other: Int,
        random: inout RandomSource
    ) -> Int {
        for _ in 0..<Self.drawsMax {
            let index = Int(random.next(below: UInt32(truncatingIfNeeded: count)))
            let weight = unsafe weights[index]
            if unsafe !usable[index] || weight == 0 || index == other { continue }
            // Kept with a chance of weight / weightMax: what is kept is spread by weight.
            if weight == weightMax || random.next(below: UInt32(weightMax)) < UInt32(weight) { return index }
        }
        var index = Int(random.next(below: UInt32(truncatingIfNeeded: count)))
        for _ in 0..<count {
            if unsafe usable[index] && weights[index] > 0 && index != other { return index }
            index = index &+ 1 == count ? 0 : index &+ 1
        }
        return -1
    }

    /// Below 0 when `first` has fewer active requests for its weight than `second`, 0 when as many.
    @inlinable
    func load(
        _ first: Int, _ active: UnsafePointer<UInt32>, comparedWith second: Int, _ weights: UnsafePointer<UInt16>
    ) -> Int64 {
        // Cross-multiplied: 32 bits by 16 bits, the difference fits.
        unsafe Int64(active[first]) &* Int64(weights[second]) &- Int64(active[second]) &* Int64(weights[first])
    }
}
