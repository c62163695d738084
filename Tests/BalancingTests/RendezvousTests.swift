import Balancing
import Testing

@Suite("Rendezvous")
struct RendezvousTests {
    private func names(_ count: Int) -> [String] { (0..<count).map { "proxy-\($0)" } }

    private func chosen(_ rendezvous: Rendezvous, among names: [String], key: UInt64) -> [String] {
        names.filter { rendezvous.chooses($0, for: key) }
    }

    @Test("exactly so many are chosen, or all when there are no more", arguments: 1...12)
    func count(members: Int) {
        let names = names(members)
        let rendezvous = Rendezvous(members: names, count: 3)
        #expect(rendezvous.choosesAll == (members <= 3))
        for key in 0..<500 {
            #expect(chosen(rendezvous, among: names, key: Hash64.mix(UInt64(key))).count == min(members, 3))
        }
    }

    @Test("the heaviest are chosen, as a naive sort finds them")
    func naive() {
        let names = names(20)
        let rendezvous = Rendezvous(members: names, count: 3)
        for key in (0..<500).map({ Hash64.mix(UInt64($0)) }) {
            let sorted = names.sorted {
                let (left, right) = (
                    Hash64.combine(Hash64.xxh64($0.utf8), key), Hash64.combine(Hash64.xxh64($1.utf8), key)
                )
                return left == right ? $0 < $1 : left > right
            }
            #expect(Set(chosen(rendezvous, among: names, key: key)) == Set(sorted.prefix(3)))
        }
    }

    @Test("a member that leaves changes only the keys it was chosen for, by one member")
    func leaving() {
        let names = names(10)
        let before = Rendezvous(members: names, count: 3)
        let rest = names.filter { $0 != "proxy-4" }
        let after = Rendezvous(members: rest, count: 3)
        for key in (0..<1000).map({ Hash64.mix(UInt64($0)) }) {
            let (old, new) = (
                Set(chosen(before, among: names, key: key)), Set(chosen(after, among: names, key: key))
            )
            #expect(new.isSuperset(of: old.subtracting(["proxy-4"])))
            if !old.contains("proxy-4") { #expect(new == old) }
        }
    }

    @Test("every member gets its share: of 10,000 keys within 15 % of the mean")
    func share() {
        let names = names(10)
        let rendezvous = Rendezvous(members: names, count: 3)
        for name in names {
            let count = (0..<10_000).count { rendezvous.chooses(name, for: Hash64.mix(UInt64($0))) }
            // The mean is 3,000, its standard deviation 46: ten of them.
            #expect((2550...3450).contains(count), "\(name): \(count)")
        }
    }

    @Test("who isn't a member is never chosen")
    func stranger() {
        #expect(!Rendezvous(members: names(2), count: 3).chooses("proxy-9", for: 1))
        #expect(!Rendezvous(members: [], count: 3).chooses("proxy-0", for: 1))
    }
}
