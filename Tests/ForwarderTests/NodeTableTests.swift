import Balancing
import EventLoop
import NodeLink
import Testing

@testable import Forwarder

@Suite("NodeTable")
struct NodeTableTests {
    private func member(_ number: Int, draining: Bool = false, weight: Int = 1) -> NodeMember {
        NodeMember(
            id: "proxy-\(number)", reach: .handOver(prefix: "/run/proxy-\(number)", workers: 1), draining: draining,
            weight: weight)
    }

    private func table(_ members: [NodeMember]) -> NodeTable {
        NodeTable(Membership(version: 7, nodes: members))
    }

    /// All nodes that a connection is sent to when each refuses it.
    private func order(_ table: NodeTable, hash: UInt64, usable: [Bool]) -> [Int] {
        var position: UInt32 = 0
        var order: [Int] = []
        while let node = table.next(hash: hash, position: &position, usable: usable) { order.append(node) }
        return order
    }

    @Test("a connection gets each usable node once, its Maglev entry first", arguments: [1, 2, 3, 20])
    func eachOnce(count: Int) {
        let table = table((0..<count).map { member($0) })
        for key in 0..<500 as Range<UInt64> {
            let hash = Hash64.mix(key)
            let order = order(table, hash: hash, usable: Array(repeating: true, count: count))
            #expect(order.first == table.maglev.lookup(hash: hash))
            #expect(order.sorted() == Array(0..<count))
        }
    }

    @Test("the order is the one of repeated lookups")
    func preferenceOrder() {
        let table = table((0..<5).map { member($0) })
        for key in 0..<500 as Range<UInt64> {
            let hash = Hash64.mix(key)
            var expected: [Int] = []
            for attempt in 0..<Int(NodeTable.preferencesMax) {
                let node = table.maglev.preference(hash: hash, attempt: attempt)
                if !expected.contains(node) { expected.append(node) }
            }
            let order = order(table, hash: hash, usable: Array(repeating: true, count: 5))
            #expect(Array(order.prefix(expected.count)) == expected)
        }
    }

    @Test("nodes that aren't usable are passed over, and nobody else moves")
    func unusable() {
        let table = table((0..<4).map { member($0) })
        for key in 0..<500 as Range<UInt64> {
            let hash = Hash64.mix(key)
            let all = order(table, hash: hash, usable: [true, true, true, true]).first
            let some = order(table, hash: hash, usable: [true, false, true, true])
            #expect(some.sorted() == [0, 2, 3])
            if all != 1 { #expect(some.first == all) }
        }
    }

    @Test("a draining node has no entries")
    func draining() {
        let table = table([member(0), member(1, draining: true)])
        #expect(!table.nodes[1].isOpen)
        #expect((0..<table.maglev.count).allSatisfy { table.maglev[$0] == 0 })
    }

    @Test("no nodes, or none that is open: nothing is found")
    func empty() {
        #expect(order(table([]), hash: 1, usable: []) == [])
        #expect(order(table([member(0, draining: true)]), hash: 1, usable: [false]) == [])
    }

    @Test("weights are shares of the first choice")
    func weights() {
        let table = table([member(0, weight: 3), member(1)])
        let heavy = (0..<table.maglev.count).count { table.maglev[$0] == 0 }
        #expect(abs(heavy * 4 - table.maglev.count * 3) < table.maglev.count / 25)
    }
}
