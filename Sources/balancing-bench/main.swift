import Balancing
import Glibc

// What a pick costs: nanoseconds, the least of several rounds. `scripts/bench-pick` builds and runs it.
// `balancing-bench POLICY ENDPOINTS PICKS` only makes so many picks: `scripts/costs` counts their instructions.
//
// Loads are spread over latencies and requests under way, as in a pool at work; picks go on from one another, so that what
// is measured is the time of one and not of several at once.

struct Measurement {
    let name: String
    let count: Int
    let nanoseconds: Double
    /// What the pick may cost; nil: no bound is promised.
    let bound: Double?
}

func elapsedNanoseconds(_ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    let parts = clock.measure(body).components
    return Double(parts.seconds) * 1e9 + Double(parts.attoseconds) / 1e9
}

func leastOfRounds(_ rounds: Int, per count: Int, _ body: () -> Void) -> Double {
    body()
    return (0..<rounds).map { _ in elapsedNanoseconds(body) }.min()! / Double(count)
}

/// What the compiler must not leave out.
nonisolated(unsafe) var sink: UInt64 = 0

/// A pool at work, whose picks `body` makes: it gets how many and makes them.
func withPool(_ policy: BalancePolicy, _ count: Int, weighted: Bool, _ body: (_ picking: (Int) -> Void) -> Void) {
    let members = (0..<count).map { index in
        PoolMember(name: "10.0.0.\(index):80", number: UInt32(index), weight: weighted ? UInt16(index % 16 + 1) : 1)
    }
    let shape = PoolShape(members, rules: BalanceRules(policy: policy))
    var balancer = PoolBalancer(shape)
    defer { balancer.destroy() }
    var random = RandomSource(seed: 1)
    let now: UInt64 = 1 << 40
    let loads = UnsafeMutablePointer<EndpointLoad>.allocate(capacity: count)
    defer { unsafe loads.deallocate() }
    unsafe loads.initialize(repeating: EndpointLoad(), count: count)
    for index in 0..<count {
        unsafe loads[index].observe(nanoseconds: UInt64(random.next(below: 50_000_000)), now: now)
        unsafe loads[index].active = random.next(below: 4)
    }
    body { picks in
        var key: UInt64 = 1
        for _ in 0..<picks {
            let number = unsafe balancer.pick(
                loads, active: UInt32(count * 2), key: policy == .hash ? Hash64.mix(key) : nil, now: now,
                random: &random)
            key = key &+ UInt64(number ?? 0) &+ 1
        }
        unsafe sink &+= key
    }
}

func measurePick(_ policy: BalancePolicy, _ count: Int, weighted: Bool) -> Measurement {
    let picks = 200_000
    var nanoseconds = 0.0
    withPool(policy, count, weighted: weighted) { picking in
        nanoseconds = leastOfRounds(7, per: picks) { picking(picks) }
    }
    return Measurement(
        name: "\(policy.name)\(weighted ? ", 16 weights" : "")", count: count, nanoseconds: nanoseconds,
        bound: count <= 10 ? 100 : 200)
}

func measureMaglev(_ nodes: Int) -> [Measurement] {
    let members = (0..<nodes).map { MaglevMember(name: "proxy-\($0)", weight: UInt32($0 % 3 + 1)) }
    let build = leastOfRounds(5, per: 1) { unsafe sink &+= UInt64(MaglevTable(members).count) }
    let table = MaglevTable(members)
    let lookups = 1_000_000
    // Hashes come with the connections: what making them costs here is taken off.
    let hashing = leastOfRounds(7, per: lookups) {
        var key: UInt64 = 1
        for _ in 0..<lookups { key = key &+ Hash64.mix(key) >> 60 &+ 1 }
        unsafe sink &+= key
    }
    let lookup = leastOfRounds(7, per: lookups) {
        var key: UInt64 = 1
        for _ in 0..<lookups { key = key &+ UInt64(table.lookup(hash: Hash64.mix(key))) &+ 1 }
        unsafe sink &+= key
    }
    return [
        Measurement(name: "Maglev rebuild", count: nodes, nanoseconds: build, bound: 10_000_000),
        Measurement(name: "Maglev lookup", count: nodes, nanoseconds: lookup - hashing, bound: 10),
    ]
}

func measureRefresh(_ count: Int) -> Measurement {
    let shape = PoolShape(
        (0..<count).map { PoolMember(name: "e\($0)", number: UInt32($0)) }, rules: BalanceRules())
    var balancer = PoolBalancer(shape)
    defer { balancer.destroy() }
    let loads = UnsafeMutablePointer<EndpointLoad>.allocate(capacity: count)
    defer { unsafe loads.deallocate() }
    unsafe loads.initialize(repeating: EndpointLoad(), count: count)
    var random = RandomSource(seed: 1)
    let nanoseconds = leastOfRounds(7, per: 20) {
        for _ in 0..<20 {
            balancer.changed()
            unsafe sink &+= UInt64(balancer.pick(loads, now: 1 << 40, random: &random) ?? 0)
        }
    }
    return Measurement(name: "candidates after a change", count: count, nanoseconds: nanoseconds, bound: nil)
}

func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}

let words = CommandLine.arguments.dropFirst()
if words.count == 3 {
    guard let policy = BalancePolicy.allCases.first(where: { $0.name == words[1] }), let count = Int(words[2]),
        let picks = Int(words[3])
    else {
        print("usage: balancing-bench [POLICY ENDPOINTS PICKS]")
        exit(2)
    }
    withPool(policy, count, weighted: false) { picking in picking(picks) }
    exit(0)
}

var measurements: [Measurement] = []
for policy in BalancePolicy.allCases {
    for weighted in [false, true] {
        for count in [10, 100, 10_000] { measurements.append(measurePick(policy, count, weighted: weighted)) }
    }
}
measurements += measureMaglev(10) + measureMaglev(1_000)
measurements += [measureRefresh(10), measureRefresh(10_000)]
var isWithin = true
for measurement in measurements {
    let value = measurement.nanoseconds
    let text = value < 1000 ? "\((value * 10).rounded() / 10) ns" : "\((value / 10).rounded() / 100) µs"
    let isOver = measurement.bound.map { value > $0 } ?? false
    if isOver { isWithin = false }
    print(
        padded(measurement.name, to: 28), padded("\(measurement.count)", to: 8), padded(text, to: 14),
        isOver ? "over its bound of \(measurement.bound!) ns" : "")
}
if !isWithin { exit(1) }
