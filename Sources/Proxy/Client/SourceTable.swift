import EventLoop
import Synchronization

/// Open connections by source, over all workers of a node: `limits.connections_per_source`. A listener that has a bound
/// of its own is a scope of its own.
///
/// A source is an IPv4 address, or the first 64 bits of an IPv6 address, which is what one customer has (RFC 6177 §2).
/// Touched once when a connection begins and once when it ends, and only by sites with the limit. Its size is bounded by
/// the node's open connections: a source without any has no entry.
final class SourceTable: Sendable {
    private struct Source: Hashable {
        let family: IPFamily
        let bits: UInt64
        let scope: UInt32

        init(_ address: IPEndpoint, _ scope: UInt32) {
            self.scope = scope
            family = address.family
            bits = address.family == .v4 ? address.low : address.high
        }
    }

    private let counts = Mutex<[Source: UInt32]>([:])

    /// Counts one more connection.
    ///
    /// - Returns: false when the source has `max` already; nothing is counted then.
    func enter(_ address: IPEndpoint, in scope: UInt32 = ClientLimits.sharedSources, max: UInt32) -> Bool {
        counts.withLock { counts in
            let count = counts[Source(address, scope), default: 0]
            guard count < max else { return false }
            counts[Source(address, scope)] = count + 1
            return true
        }
    }

    /// A connection that was counted has ended.
    func leave(_ address: IPEndpoint, in scope: UInt32 = ClientLimits.sharedSources) {
        counts.withLock { counts in
            guard let count = counts[Source(address, scope)] else {
                preconditionFailure("a source without connections left")
            }
            counts[Source(address, scope)] = count == 1 ? nil : count - 1
        }
    }

    /// Sources with connections.
    var count: Int { counts.withLock { $0.count } }
}
