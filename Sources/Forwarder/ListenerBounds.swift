import Snapshot

/// What bounds the connections of one listener; the same for all workers.
struct ListenerBounds: Sendable {
    /// The listener's own `limits.connections`. Counted with and without one, so that one that a new revision sets holds
    /// at once.
    let budget: ConnectionBudget
    /// Without a byte moving, to an endpoint.
    let idleNanoseconds: UInt64
    /// Without a byte moving, to a node. The node ends what is idle itself, and knows more about it: whether it is a
    /// connection between requests, a request that its endpoint thinks about, or a tunnel. This is for nodes that are gone.
    let nodeIdleNanoseconds: UInt64

    /// From accepting a client of a `tls-passthrough` listener to the end of its hello.
    let helloNanoseconds: UInt64

    init(_ limits: Limits = .init(), budget: ConnectionBudget = .init()) {
        self.budget = budget
        idleNanoseconds = UInt64(max(limits.idleTimeout.wholeNanoseconds, 1))
        helloNanoseconds = UInt64(max(limits.headTimeout.wholeNanoseconds, 1))
        nodeIdleNanoseconds = max(idleNanoseconds, UInt64(max(limits.tunnelTimeout.wholeNanoseconds, 1)))
    }
}

extension ForwarderWorker {
    /// Takes over what a snapshot says of a listener; its open connections follow at once.
    mutating func adopt(_ bounds: ListenerBounds, ofListener counters: Int32) {
        while self.bounds.count <= Int(counters) { self.bounds.append(ListenerBounds()) }
        self.bounds[Int(counters)] = bounds
    }

    func idleNanoseconds(of connection: UnsafeMutablePointer<RelayConnection>) -> UInt64 {
        let listener = unsafe Int(connection.pointee.origin.listener)
        switch unsafe connection.pointee.target {
        case .node: return bounds[listener].nodeIdleNanoseconds
        case .endpoint: return bounds[listener].idleNanoseconds
        }
    }
}
