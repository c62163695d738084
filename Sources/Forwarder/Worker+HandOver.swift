import Balancing
import CLinux
import EventLoop
import Glibc
import NodeLink

/// Hand-over: accepted sockets go to a node of this host in batches; ours are kept until the node has answered.
extension ForwarderWorker {
    /// The link to that path, connected at once if it can be.
    mutating func adoptLink(path: String, node: Int32, counters: Int32) -> UInt32 {
        if let slot = linkSlots[path] {
            unsafe links[slot].pointee.node = node
            unsafe links[slot].pointee.counters = counters
            return slot
        }
        guard let slot = links.insert(HandOverLink(node: node, counters: counters)) else {
            preconditionFailure("more than \(Slab<HandOverLink>.slotsMax) links")
        }
        linkSlots[path] = slot
        linkPaths[slot] = path
        connectLink(slot)
        return slot
    }

    private mutating func connectLink(_ slot: UInt32) {
        let link = unsafe links[slot]
        guard let path = linkPaths[slot] else { preconditionFailure("a link without a path") }
        do {
            // A Unix socket connects at once or not at all (unix(7)).
            guard
                case .connected(let socket) = try Socket.connect(
                    to: .unix(path), type: Socket.sequencedPackets)
            else { throw SocketError(call: "connect", code: EINPROGRESS) }
            // Level: answers come in packets, and one `recv` a wake-up takes one.
            try poller.add(
                socket.rawValue, Token(kind: TokenKind.link, slot: slot, generation: links.generation(of: slot)), .level
            )
            unsafe link.pointee.descriptor = socket.release()
            // A stopped process still takes connections into its queue: only an answer shows that it lives.
            if unsafe !link.pointee.isOnProbation { unsafe link.pointee.backoff.reset() }
            let node = unsafe Int(link.pointee.node)
            if node >= 0 && node < nodes.count { refreshUsable(node) }
        } catch {
            linkTimers.set(slot, at: unsafe now + link.pointee.backoff.nextNanoseconds(random: &random))
        }
    }

    mutating func linkTimerFired(_ slot: UInt32) {
        let link = unsafe links[slot]
        unsafe link.pointee.isWatched = false
        if unsafe link.pointee.descriptor < 0 {
            connectLink(slot)
        } else if unsafe link.pointee.count > 0 {
            checkStall(slot)
        } else if unsafe link.pointee.isBlocked {
            unblock(slot)
        }
    }

    private mutating func unblock(_ slot: UInt32) {
        let link = unsafe links[slot]
        unsafe link.pointee.isBlocked = false
        let node = unsafe Int(link.pointee.node)
        if node >= 0 { refreshUsable(node) }
    }

    /// Puts a client on a link of the node: the one its hash names, or another one that has room.
    ///
    /// - Returns: Whether there is one.
    mutating func enqueue(_ connection: WaitingConnection, _ node: Int) -> Bool {
        let count = nodes[node].links.count
        // Other bits than those that chose the node.
        var position = Int(truncatingIfNeeded: connection.hash & 0xffff_ffff) % max(count, 1)
        for _ in 0..<count {
            let slot = nodes[node].links[position]
            let link = unsafe links[slot]
            if unsafe link.pointee.canTake {
                unsafe link.pointee.append(connection)
                unansweredCount += 1
                if unsafe !link.pointee.isDirty {
                    unsafe link.pointee.isDirty = true
                    dirtyLinks.append(slot)
                }
                if unsafe !link.pointee.canTake { refreshUsable(node) }
                return true
            }
            position = position + 1 == count ? 0 : position + 1
        }
        refreshUsable(node)
        return false
    }

    /// At the end of a turn: all that was accepted for a node worker goes in as few messages as possible. What a link
    /// doesn't take goes to another node, whose link is then flushed too.
    mutating func flushLinks() {
        while let slot = dirtyLinks.popLast() {
            unsafe links[slot].pointee.isDirty = false
            flush(slot)
        }
    }

    private mutating func flush(_ slot: UInt32) {
        let link = unsafe links[slot]
        while unsafe link.pointee.descriptor >= 0 && link.pointee.unsentCount > 0 {
            let count = unsafe min(link.pointee.unsentCount, HandOverMessage.connectionsMax)
            switch unsafe sendBatch(link, count: count) {
            case .bytes:
                if unsafe link.pointee.sent == link.pointee.head { unsafe link.pointee.heardAt = now }
                unsafe link.pointee.sent &+= UInt32(count)
                if unsafe !link.pointee.isWatched { watchForStall(slot) }
            case .failed(let code) where code == EPIPE || code == ECONNRESET || code == ENOTCONN:
                linkDied(slot)
                return
            case .wouldBlock, .endOfStream, .failed:
                // Its queue is full, or too many descriptors are on their way (ETOOMANYREFS): as good as a full node.
                let unsent = unsafe link.pointee.removeUnsent()
                unsafe link.pointee.isBlocked = true
                if unsafe link.pointee.count == 0 {
                    unsafe link.pointee.isWatched = false
                    linkTimers.set(slot, at: now + ForwarderLimits.parkedRetryNanoseconds)
                }
                if unsafe link.pointee.node >= 0 { refreshUsable(unsafe Int(link.pointee.node)) }
                unansweredCount -= unsent.count
                for connection in unsent { sendToNode(connection) }
                return
            }
        }
    }

    private func sendBatch(_ link: UnsafeMutablePointer<HandOverLink>, count: Int) -> Transfer {
        let message = unsafe UnsafeMutableRawBufferPointer(start: scratch, count: HandOverMessage.byteCount(of: count))
        unsafe HandOverMessage.writeHeader(count: count, to: message)
        return unsafe withUnsafeTemporaryAllocation(of: CInt.self, capacity: count) { descriptors in
            for index in 0..<count {
                let connection = unsafe link.pointee[link.pointee.sent &+ UInt32(index)]
                unsafe HandOverMessage.write(
                    HandedOverConnection(
                        listener: connection.listenerName, client: connection.client, local: connection.local),
                    at: index, to: message)
                unsafe descriptors[index] = connection.descriptor
            }
            return unsafe DescriptorPassing.send(
                link.pointee.descriptor, payload: UnsafeRawBufferPointer(message),
                descriptors: UnsafeBufferPointer(descriptors))
        }
    }

    mutating func readAnswers(_ slot: UInt32) {
        let link = unsafe links[slot]
        switch unsafe Socket.receive(link.pointee.descriptor, scratch, ForwarderLimits.scratchBytes) {
        case .bytes(let count): take(slot, answers: count)
        case .wouldBlock: return
        case .endOfStream, .failed: linkDied(slot)
        }
    }

    /// Acts on the answers in the scratch buffer.
    private mutating func take(_ slot: UInt32, answers count: Int) {
        let link = unsafe links[slot]
        // An answer without a question: not a node of ours.
        guard unsafe count <= Int(link.pointee.sent &- link.pointee.head) else {
            linkDied(slot)
            return
        }
        unsafe link.pointee.heardAt = now
        if unsafe link.pointee.isOnProbation { passProbation(slot) }
        var refused: [WaitingConnection] = []
        let counters = unsafe Int(link.pointee.counters)
        for index in 0..<count {
            let connection = unsafe link.pointee.removeFirst()
            unansweredCount -= 1
            if unsafe scratch[index] == HandOverAnswer.accepted.rawValue {
                statistics.nodes[counters].handedOver += 1
                release(connection)
            } else {
                statistics.nodes[counters].refused += 1
                refused.append(connection)
            }
        }
        let node = unsafe Int(link.pointee.node)
        if node >= 0 {
            if unsafe !nodeUsable[node] || link.pointee.isBlocked { unblock(slot) }
        } else {
            endLinkIfAnswered(slot)
        }
        for connection in refused { sendToNode(connection) }
    }

    /// The node has gone, or is as good as gone. It can't have answered what it hasn't; those clients go on to their next nodes.
    mutating func linkDied(_ slot: UInt32) {
        let link = unsafe links[slot]
        var unanswered: [WaitingConnection] = []
        // Answers it gave before it went still stand in our queue. An error is reported first, and once.
        var isRead = false
        while !isRead {
            switch unsafe Socket.receive(link.pointee.descriptor, scratch, ForwarderLimits.scratchBytes) {
            case .bytes(let count):
                for index in 0..<min(count, unsafe Int(link.pointee.sent &- link.pointee.head)) {
                    let connection = unsafe link.pointee.removeFirst()
                    unansweredCount -= 1
                    if unsafe scratch[index] == HandOverAnswer.accepted.rawValue {
                        statistics.nodes[unsafe Int(link.pointee.counters)].handedOver += 1
                        release(connection)
                    } else {
                        unanswered.append(connection)
                    }
                }
            case .failed(let code) where code == ECONNRESET || code == EPIPE: continue
            case .wouldBlock, .endOfStream, .failed: isRead = true
            }
        }
        close(unsafe link.pointee.descriptor)
        unsafe link.pointee.descriptor = -1
        unsafe link.pointee.isBlocked = false
        unsafe link.pointee.isWatched = false
        statistics.nodes[unsafe Int(link.pointee.counters)].failed += 1
        while unsafe link.pointee.count > 0 {
            unansweredCount -= 1
            unanswered.append(unsafe link.pointee.removeFirst())
        }
        let node = unsafe Int(link.pointee.node)
        if node >= 0 {
            refreshUsable(node)
            linkTimers.set(slot, at: unsafe now + link.pointee.backoff.nextNanoseconds(random: &random))
        } else {
            endLinkIfAnswered(slot)
        }
        for connection in unanswered { sendToNode(connection) }
    }

    /// Ends a link to a node that is no longer in the table once nothing on it is unanswered.
    mutating func endLinkIfAnswered(_ slot: UInt32) {
        let link = unsafe links[slot]
        guard unsafe link.pointee.node < 0 && link.pointee.count == 0 else { return }
        if unsafe link.pointee.descriptor >= 0 { close(unsafe link.pointee.descriptor) }
        unsafe link.pointee.descriptor = -1
        unsafe link.pointee.destroy()
        linkTimers.cancel(slot)
        if let path = linkPaths.removeValue(forKey: slot) { linkSlots[path] = nil }
        links.retire(slot)
    }
}
