import EventLoop

/// The forwarder's own bounds; those that operators choose are in `Snapshot.Limits`.
enum ForwarderLimits {
    /// Connections taken from one listener in one turn: as many as one hand-over message holds.
    static let acceptsPerTurnMax = 64
    /// How long a listener rests when the process has no descriptor left or is at `limits.connections`.
    static let listenerPauseNanoseconds: UInt64 = 100_000_000
    /// Connections handed over on one link and not answered yet; beyond it the node counts as full. A node answers
    /// within a turn, so this is many milliseconds of its work.
    static let unansweredMax = 1024
    /// A link on which something is unanswered and nothing comes for so long belongs to a node that is stopped or stuck: its
    /// connections go to others. A node answers between two events, so this is a thousand times what a healthy one takes; a
    /// wrong guess costs a reconnection.
    static let stallNanoseconds: UInt64 = 250_000_000
    /// Connections of one worker that wait because no node can take them.
    static let parkedMax = 4096
    /// How long such a connection waits before it is reset: longer than a node needs to start again.
    static let parkedNanoseconds: UInt64 = 1_000_000_000
    /// How often those that wait are tried again beside the moments when a node becomes usable.
    static let parkedRetryNanoseconds: UInt64 = 100_000_000
    /// For one TCP connect to a node or an endpoint.
    static let connectNanoseconds: UInt64 = 2_000_000_000
    /// How long a node or an endpoint gets nothing new after a failed connect.
    static let outNanoseconds: UInt64 = 1_000_000_000
    /// Reconnecting to a node's hand-over socket.
    static let linkBackoffMin: Duration = .milliseconds(10)
    static let linkBackoffMax: Duration = .seconds(1)
    /// Clients of `tls-passthrough` listeners of one worker whose hello isn't whole; beyond it, one that hasn't said all when it
    /// is accepted is refused. Each that has begun holds a block of memory.
    static let hellosMax = 16 * 1024

    /// What one `recv` takes: 64 KiB costs 1.6 × less per byte than 16 KiB.
    static let scratchBytes = BufferPool.blockBytes
    /// A splice that moves less means the stream has become chatty: six system calls a message instead of four.
    static let spliceBytesMin = 16 * 1024
    /// So many of those in a row turn a stream back to copying.
    static let smallSplicesMax: UInt8 = 4
    /// Read from one side in one turn, so that one fast peer can't starve the others.
    static let copyBytesPerTurnMax = 256 * 1024
    static let spliceBytesPerTurnMax = 4 * 1024 * 1024
}
