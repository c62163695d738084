/// Draws of a place by weight in constant time: one number, one comparison, whatever the weights (Walker, "An Efficient Method
/// for Generating Discrete Random Variables with General Distributions", 1977).
///
/// Each place has a slot of the same width. A place that is lighter than the average fills a part of its own slot, and the rest
/// belongs to a heavier one. Plain data with memory of a fixed size; `destroy` gives it back.
@safe
struct AliasTable {
    struct Slot: BitwiseCopyable {
        /// The part of the slot that is its own place's, of 2³².
        var ownPart: UInt32
        /// Whose the rest is.
        var alias: UInt32
    }

    let slots: UnsafeMutablePointer<Slot>
    private let countMax: Int
    private(set) var count: UInt32 = 0

    init(countMax: Int) {
        unsafe slots = .allocate(capacity: max(countMax, 1))
        self.countMax = countMax
    }

    func destroy() { unsafe slots.deallocate() }

    /// A place, each as often as its weight says. The table isn't empty.
    @inline(__always)
    func draw(_ random: inout RandomSource) -> UInt32 {
        // The slot is the whole part of the product, and where in the slot the fraction's upper half.
        let product = random.next().multipliedFullWidth(by: UInt64(count))
        let place = UInt32(truncatingIfNeeded: product.high)
        let slot = unsafe slots[Int(place)]
        return UInt32(truncatingIfNeeded: product.low >> 32) < slot.ownPart ? place : slot.alias
    }

    /// Builds the table anew, in one sweep over the light places and one over the heavy ones (Hübschle-Schneider and Sanders,
    /// "Parallel Weighted Random Sampling", 2019): a heavy place gives what light slots lack until it is itself no more than
    /// average. Whole numbers, so what is given adds up; a slot's own part is rounded to 2⁻³².
    ///
    /// - Parameters:
    ///   - count: Places, at most as many as announced.
    ///   - total: Sum of the weights, below 2³².
    ///   - weight: By place, at least 1.
    mutating func fill(count: Int, total: UInt32, weight: (Int) -> UInt32) {
        precondition(count <= countMax, "more places than announced")
        self.count = UInt32(count)
        let width = UInt64(total)
        // Weights and slots in units in which both are whole: each slot holds `total` of `count` · `total`.
        func size(_ place: Int) -> UInt64 { UInt64(weight(place)) * UInt64(count) }
        func next(after place: Int, where belongs: (UInt64) -> Bool) -> Int {
            var place = place + 1
            while place < count && !belongs(size(place)) { place += 1 }
            return place
        }
        var light = next(after: -1) { $0 <= width }
        var heavy = next(after: -1) { $0 > width }
        var left = heavy < count ? size(heavy) : 0
        while heavy < count {
            if left > width {
                // Sizes add up to the slots, so a light place is there as long as a heavy one has too much.
                set(light, own: size(light), of: width, alias: heavy)
                left -= width - size(light)
                light = next(after: light) { $0 <= width }
            } else {
                let heavier = next(after: heavy) { $0 > width }
                set(heavy, own: left, of: width, alias: heavier < count ? heavier : heavy)
                left = heavier < count ? size(heavier) - (width - left) : 0
                heavy = heavier
            }
        }
        // Those that are just average.
        while light < count {
            set(light, own: width, of: width, alias: light)
            light = next(after: light) { $0 <= width }
        }
    }

    private func set(_ place: Int, own: UInt64, of width: UInt64, alias: Int) {
        // The part of a full slot would be 2³²: the last of it comes by the alias, which is itself.
        let part = min((own << 32) / width, UInt64(UInt32.max))
        unsafe (slots + place).initialize(to: Slot(ownPart: UInt32(part), alias: UInt32(own == width ? place : alias)))
    }
}
