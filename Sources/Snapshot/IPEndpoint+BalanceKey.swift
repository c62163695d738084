import Balancing
package import EventLoop

extension IPEndpoint {
    /// The key of a client's address, without the port: the same at every node.
    package var balanceKey: UInt64 { Hash64.combine(Hash64.combine(high, low), UInt64(family.rawValue)) }
}
