import Balancing

/// Where one worker sends what a listener's `HelloTable` places.
struct HelloPlaces {
    struct Place {
        /// Index of the counters of listener and route.
        let counters: Int32
        /// Indices in the endpoint table.
        let pools: [Int32]
        let weights: [UInt32]
    }

    let table: HelloTable
    /// By route of the table.
    let places: [Place]

    /// One of the pools, by their shares; those without a usable endpoint leave theirs to the others.
    ///
    /// - Parameter usable: By pool of the place.
    static func choose(_ place: Place, _ usable: [Bool], _ random: inout RandomSource) -> Int32 {
        // Without a usable one all are alike: suspected endpoints are better than none.
        let isAny = !usable.contains(true)
        var sum: UInt32 = 0
        for index in place.pools.indices where isAny || usable[index] { sum += place.weights[index] }
        var ticket = random.next(below: sum)
        for index in place.pools.indices where isAny || usable[index] {
            if ticket < place.weights[index] { return place.pools[index] }
            ticket -= place.weights[index]
        }
        preconditionFailure("a ticket beyond \(sum)")
    }
}
