import EventLoop

/// Requests that wait, first come first served; any of them may leave. Pure: the owner locks.
struct RequestQueue: Sendable {
    /// A request by the worker that holds it.
    struct Waiter: Equatable, Sendable {
        var worker: Int
        /// Slot and generation in that worker's exchanges.
        var exchange: Token
    }

    /// Where a request waits. No two requests ever have the same one.
    struct Place: Equatable, BitwiseCopyable, Sendable {
        static let none = Place(index: .max, serial: 0)
        fileprivate var index: UInt32
        fileprivate var serial: UInt64
    }

    private struct Node {
        var waiter: Waiter
        /// 0 while the node is free.
        var serial: UInt64
        var next: UInt32
        var previous: UInt32
    }
    private static let none = UInt32.max

    private var nodes: [Node] = []
    private var head = RequestQueue.none
    private var last = RequestQueue.none
    private var free = RequestQueue.none
    private var serials: UInt64 = 0
    private(set) var count = 0

    init() {}

    /// - Returns: nil when `countMax` wait already.
    mutating func append(_ waiter: Waiter, countMax: Int) -> Place? {
        guard count < countMax else { return nil }
        serials += 1
        let node = Node(waiter: waiter, serial: serials, next: RequestQueue.none, previous: last)
        let index: UInt32
        if free == RequestQueue.none {
            index = UInt32(nodes.count)
            nodes.append(node)
        } else {
            index = free
            free = nodes[Int(index)].next
            nodes[Int(index)] = node
        }
        if last == RequestQueue.none { head = index } else { nodes[Int(last)].next = index }
        last = index
        count += 1
        return Place(index: index, serial: serials)
    }

    /// - Returns: false when nobody waits there any more.
    @discardableResult
    mutating func remove(_ place: Place) -> Bool {
        guard Int(place.index) < nodes.count, nodes[Int(place.index)].serial == place.serial else { return false }
        unlink(place.index)
        return true
    }

    /// The one that has waited longest.
    var first: Waiter? { head == RequestQueue.none ? nil : nodes[Int(head)].waiter }

    /// The one that has waited longest, who thereby leaves.
    mutating func popFirst() -> (waiter: Waiter, place: Place)? {
        guard head != RequestQueue.none else { return nil }
        let node = nodes[Int(head)]
        let place = Place(index: head, serial: node.serial)
        unlink(head)
        return (node.waiter, place)
    }

    private mutating func unlink(_ index: UInt32) {
        let node = nodes[Int(index)]
        if node.previous == RequestQueue.none { head = node.next } else { nodes[Int(node.previous)].next = node.next }
        if node.next == RequestQueue.none {
            last = node.previous
        } else {
            nodes[Int(node.next)].previous = node.previous
        }
        nodes[Int(index)].serial = 0
        nodes[Int(index)].next = free
        free = index
        count -= 1
    }
}
