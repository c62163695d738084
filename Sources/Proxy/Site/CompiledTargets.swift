import Balancing
import Snapshot

/// The pools of a route and their shares, as workers choose among them.
@safe
struct CompiledTargets: BitwiseCopyable {
    private let pools: UnsafeMutablePointer<Int32>
    /// The sum of the weights up to and with each pool.
    private let sums: UnsafeMutablePointer<UInt32>
    /// 0 for a route that answers itself.
    let count: Int

    init(_ targets: [WeightedPool], arena: Arena) {
        unsafe pools = arena.make(targets.map { Int32($0.pool) })
        var sum: UInt32 = 0
        let sums = targets.map { target -> UInt32 in
            sum += UInt32(target.weight)
            return sum
        }
        unsafe self.sums = arena.make(sums)
        count = targets.count
    }

    /// Index into `SiteTables.pools` of the pool at a place; 0 when there is none.
    subscript(index: Int) -> Int {
        precondition(index >= 0 && index < max(count, 1))
        return count == 0 ? 0 : unsafe Int(pools[index])
    }

    /// A place, by the shares of all.
    func choose(_ random: inout RandomSource) -> Int {
        precondition(count > 0)
        let ticket = unsafe random.next(below: sums[count - 1])
        var low = 0
        var high = count - 1
        while low < high {
            let middle = (low + high) / 2
            if unsafe sums[middle] > ticket { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// A place, by the shares of those that `isUsable` holds for; nil when there is none.
    func choose(_ random: inout RandomSource, where isUsable: (Int, inout RandomSource) -> Bool) -> Int? {
        var sum: UInt32 = 0
        for index in 0..<count where isUsable(self[index], &random) { sum += weight(index) }
        guard sum > 0 else { return nil }
        var ticket = random.next(below: sum)
        for index in 0..<count where isUsable(self[index], &random) {
            if ticket < weight(index) { return index }
            ticket -= weight(index)
        }
        return nil
    }

    private func weight(_ index: Int) -> UInt32 {
        unsafe index == 0 ? sums[0] : sums[index] - sums[index - 1]
    }
}
