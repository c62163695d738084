import Balancing
import EventLoop

/// The connection of one worker to one worker of a node on this host, and what has been handed over on it.
///
///     head ─── unanswered ─── sent ─── to be sent at the end of the turn ─── tail
///
/// The three count up and wrap; the ring keeps each connection, with our own descriptor of it, until it is answered.
@safe
struct HandOverLink: BitwiseCopyable {
    /// -1 while not connected.
    var descriptor: CInt = -1
    /// Index of the node in the table in force; -1: the node is gone and the link ends with its last answer.
    var node: Int32
    /// Index of the node's counters.
    var counters: Int32
    var head: UInt32 = 0
    var sent: UInt32 = 0
    var tail: UInt32 = 0
    /// The kernel took no more; until the next answer.
    var isBlocked = false
    /// When the node answered last, or was first sent something after it had answered everything; monotonic nanoseconds.
    var heardAt: UInt64 = 0
    /// The link's timer is set to look whether the node still answers.
    var isWatched = false
    /// The link before it stalled: one connection at a time until the node answers one.
    var isOnProbation = false
    /// It stands in the worker's list of links to flush.
    var isDirty = false
    var backoff = Backoff(min: ForwarderLimits.linkBackoffMin, max: ForwarderLimits.linkBackoffMax)
    private let ring: UnsafeMutablePointer<WaitingConnection>

    init(node: Int32, counters: Int32) {
        self.node = node
        self.counters = counters
        unsafe ring = .allocate(capacity: ForwarderLimits.unansweredMax)
    }

    func destroy() { unsafe ring.deallocate() }

    /// Connections that the node hasn't answered, sent or not.
    var count: Int { Int(tail &- head) }
    var unsentCount: Int { Int(tail &- sent) }
    var canTake: Bool { descriptor >= 0 && !isBlocked && count < (isOnProbation ? 1 : ForwarderLimits.unansweredMax) }

    subscript(position: UInt32) -> WaitingConnection {
        unsafe ring[Int(position) & (ForwarderLimits.unansweredMax - 1)]
    }

    mutating func append(_ connection: WaitingConnection) {
        precondition(count < ForwarderLimits.unansweredMax, "append to a full link")
        unsafe ring[Int(tail) & (ForwarderLimits.unansweredMax - 1)] = connection
        tail &+= 1
    }

    /// Takes out the oldest connection.
    mutating func removeFirst() -> WaitingConnection {
        precondition(head != tail, "an answer that nothing was sent for")
        let connection = self[head]
        if sent == head { sent &+= 1 }
        head &+= 1
        return connection
    }

    /// Takes out what hasn't been sent.
    mutating func removeUnsent() -> [WaitingConnection] {
        var removed: [WaitingConnection] = []
        while tail != sent {
            tail &-= 1
            removed.append(self[tail])
        }
        return removed.reversed()
    }
}
