import EventLoop

/// Responses that are acknowledged by the next request: looked at, and taken out of the socket's queue afterwards.
/// See `AckPiggybacking`.
extension ProxyWorker {
    /// `receive` on a connection without TLS.
    @inline(__always)
    mutating func receivePlain(
        _ connection: ConnectionPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Transfer {
        if unsafe connection.pointee.acks.peeks && connection.pointee.reads == 0 {
            return unsafe lookAt(connection, bytes, count)
        }
        unsafe countRead(connection)
        return unsafe Socket.receive(connection.pointee.descriptor, bytes, count)
    }

    private mutating func lookAt(
        _ connection: ConnectionPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Transfer {
        let descriptor = unsafe connection.pointee.descriptor
        let unread = Int(unsafe connection.pointee.unread)
        if unread == 0 || unread <= count {
            let outcome =
                unsafe unread == 0
                ? Socket.receive(descriptor, bytes, count, peeks: true)
                : Socket.peek(descriptor, bytes, count, behind: unread)
            switch outcome {
            case .bytes(let received):
                unsafe connection.pointee.unread += UInt32(received)
                if unread + received > AckPiggybacking.unreadMax { unsafe countRead(connection) }
                return outcome
            case .wouldBlock where unread > 0: break
            case .wouldBlock, .endOfStream, .failed: return outcome
            }
        }
        // The end of the stream shows when nothing stands before it.
        unsafe countRead(connection)
        return unsafe Socket.receive(descriptor, bytes, count)
    }

    /// Before a read that takes from the socket of a connection without TLS.
    @inline(__always)
    mutating func countRead(_ connection: ConnectionPointer) {
        unsafe takeUnread(connection)
        unsafe connection.pointee.reads &+= 1
    }

    /// Takes what was looked at out of the queue. It must be out before the socket is given away or closed: for bytes that
    /// nobody has read the kernel sends RST.
    @inline(__always)
    mutating func takeUnread(_ connection: ConnectionPointer) {
        let count = unsafe connection.pointee.unread
        guard count > 0 else { return }
        unsafe Socket.discard(connection.pointee.descriptor, Int(count))
        unsafe connection.pointee.unread = 0
    }

    /// An event of an idle connection may tell of its last response only: a segment of it came after the event that it was
    /// looked at for, and it is still in the queue.
    mutating func holdsUnreadOnly(_ connection: ConnectionPointer) -> Bool {
        let count = Int(unsafe connection.pointee.unread)
        guard count > 0, unsafe !connection.pointee.isPeerClosed,
            unsafe Socket.queuedBytes(connection.pointee.descriptor) == count
        else { return false }
        unsafe connection.pointee.isReadable = false
        return true
    }

    /// A response has been passed on, and the connection is kept.
    @inline(__always)
    mutating func noteResponse(on connection: ConnectionPointer) {
        guard unsafe connection.pointee.tls == nil else { return }
        let isWhole = unsafe connection.pointee.reads + (connection.pointee.unread > 0 ? 1 : 0) == 1
        unsafe connection.pointee.reads = 0
        if unsafe connection.pointee.acks.noteResponse(isWhole: isWhole) {
            unsafe connection.pointee.acks.measure(
                Socket.acknowledgementsSent(connection.pointee.descriptor), now: now)
        }
    }
}
