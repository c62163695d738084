import EventLoop

/// An accepted client socket that has no node or endpoint yet, or whose node hasn't answered yet. A plain value; the
/// descriptor in it is owned by whoever holds the value.
struct WaitingConnection: BitwiseCopyable {
    var descriptor: CInt
    /// Index of the listener's counters.
    var listener: Int32
    /// Index of the pool whose endpoint gets it, or one of the two below.
    var pool: Int32
    /// A proxy node takes it.
    static let poolOfNode: Int32 = -1
    /// Its ClientHello will say.
    static let poolByHello: Int32 = -2
    /// Where the search through the connection's preference order goes on.
    var position: UInt32 = 0
    /// Generation of the node table that `position` counts in.
    var tableGeneration: UInt32 = 0
    /// Endpoints of `pool` tried.
    var attempts: UInt32 = 0
    /// Pools before `pool` whose endpoints were all tried.
    var poolsLeft: UInt32 = 0
    var client: IPEndpoint
    /// The address of the listener.
    var local: IPEndpoint
    /// `Hash64.xxh64` of the listener's name.
    var listenerName: UInt64
    /// The connection hash.
    var hash: UInt64
    /// When it is reset for want of a node, monotonic nanoseconds; 0: it has never been parked.
    var parkedUntil: UInt64 = 0
}

/// Bytes on their way from one side to the other.
struct RelayDirection: BitwiseCopyable {
    /// Received and unsent. Held only while the sink is blocked, or has yet to be connected.
    var buffer = Buffer()
    /// Held only while bytes are in it, or within a turn.
    var pipe = Pipe()
    /// An edge has said so and no call has said otherwise since.
    var isReadable = false
    var isWritable = true
    /// FIN or RST is on its way: a short read doesn't mean that the socket is empty.
    var isPeerClosed = false
    /// The stream moves bulk.
    var isSplicing = false
    /// Small splices in a row.
    private var smallSplices: UInt8 = 0
    var pace = Pace()
    /// It has moved bulk at least once.
    var hasSpliced = false
    /// FIN has been read.
    var hasEnded = false
    /// FIN has been reported to the lifecycle.
    var hasReportedEnd = false

    /// Bulk waits for the sink.
    var isBlocked: Bool { pipe.count > 0 && !isWritable }

    /// A splice has moved so many bytes from the source: small ones in a row mean that the stream has become chatty.
    /// One alone doesn't, for bulk often begins with a small message.
    mutating func noteSplice(_ count: Int) {
        pace.moved(count)
        guard count < ForwarderLimits.spliceBytesMin else {
            smallSplices = 0
            return
        }
        smallSplices += 1
        if smallSplices == ForwarderLimits.smallSplicesMax { stopSplicing() }
    }

    /// From now on bytes are copied, as they come.
    mutating func stopSplicing() {
        isSplicing = false
        smallSplices = 0
        pace.end()
    }

    /// The source is to be looked at with the next beat. A full sink says itself when it goes on.
    var awaitsBeat: Bool { pace.isPaced && !isBlocked && !hasEnded }

    /// What one side's descriptor is watched for, of a connection that moves bulk.
    ///
    /// - Parameters:
    ///   - outgoing: The direction that reads from it.
    ///   - incoming: The direction that writes to it.
    static func interest(from outgoing: RelayDirection, to incoming: RelayDirection) -> Poller.Interest {
        var interest: Poller.Interest = []
        if !outgoing.isBlocked && !outgoing.pace.isPaced { interest.insert(.reading) }
        if !outgoing.hasSpliced || !incoming.isWritable { interest.insert(.writing) }
        return interest
    }

    /// Nothing received is still to be sent.
    var isFlushed: Bool { buffer.isEmpty && pipe.count == 0 }

    /// Whether FIN has been read and everything before it passed on; true once.
    mutating func takeEnd() -> Bool {
        guard hasEnded && isFlushed && !hasReportedEnd else { return false }
        hasReportedEnd = true
        return true
    }
}

/// Whom a relayed connection goes to.
enum RelayTarget: BitwiseCopyable {
    /// Index of the node's counters, and of the node in the table it was chosen from.
    case node(counters: Int32, index: Int32, tableGeneration: UInt32)
    /// Slot in the endpoint table.
    case endpoint(UInt32)
}

/// A client socket and a socket to a node or endpoint, with bytes passed both ways as they come.
struct RelayConnection: BitwiseCopyable {
    /// The client side, and how to go on if the connect fails.
    var origin: WaitingConnection
    var server: CInt
    var target: RelayTarget
    var lifecycle = RelayLifecycle()
    /// When it counts as idle (or its connect as failed), monotonic nanoseconds. The timer wheel may fire earlier.
    var deadline: UInt64
    /// Client to server.
    var upload = RelayDirection()
    /// Server to client.
    var download = RelayDirection()
    /// What the two descriptors are watched for.
    var clientInterest = Poller.Interest.stream
    var serverInterest = Poller.Interest.stream
    /// It stands in the worker's ready list.
    var isReady = false
    /// It stands in the worker's paced list.
    var isInPacedList = false
    /// It has been counted as spliced.
    var hasSpliced = false

    init(origin: WaitingConnection, server: CInt, target: RelayTarget, deadline: UInt64) {
        self.origin = origin
        self.server = server
        self.target = target
        self.deadline = deadline
    }
}
