import Balancing
import EventLoop
import Glibc

/// Nodes of this host that take connections and don't answer: stopped, or stuck in something.
extension ForwarderWorker {
    /// Looks at the link again when it would have stalled. One timer a quarter of a second at most while it is in use.
    mutating func watchForStall(_ slot: UInt32) {
        unsafe links[slot].pointee.isWatched = true
        linkTimers.set(slot, at: unsafe links[slot].pointee.heardAt + ForwarderLimits.stallNanoseconds)
    }

    mutating func checkStall(_ slot: UInt32) {
        let link = unsafe links[slot]
        guard unsafe now &- link.pointee.heardAt >= ForwarderLimits.stallNanoseconds else {
            watchForStall(slot)
            return
        }
        // Answers that came while this thread had no time are heard first.
        readAnswers(slot)
        guard unsafe link.pointee.descriptor >= 0 && link.pointee.count > 0 else { return }
        guard unsafe link.pointee.heardAt != now else {
            watchForStall(slot)
            return
        }
        let node = unsafe Int(link.pointee.node)
        guard nodeUsable.indices.contains(where: { $0 != node && nodeUsable[$0] }) else {
            // Nobody else could take them: better late than never.
            unsafe link.pointee.isWatched = true
            linkTimers.set(slot, at: now + ForwarderLimits.stallNanoseconds)
            return
        }
        if node >= 0 { statistics.nodes[unsafe Int(link.pointee.counters)].stalled += 1 }
        // From here on the node's answers fail, and what it can't answer it doesn't serve (`ProxyWorker.answer`). What it has
        // answered before is still in our queue, and `linkDied` reads it.
        Socket.shutdownBoth(unsafe link.pointee.descriptor)
        unsafe link.pointee.isOnProbation = true
        linkDied(slot)
        flushLinks()
    }

    /// The node has answered again.
    mutating func passProbation(_ slot: UInt32) {
        unsafe links[slot].pointee.isOnProbation = false
        unsafe links[slot].pointee.backoff.reset()
        let node = unsafe Int(links[slot].pointee.node)
        if node >= 0 { refreshUsable(node) }
    }
}
