import EventLoop
import Telemetry

/// Clients that read more slowly than their endpoint sends. What fits into one buffer, or into the pipe of a large
/// body, is taken from the endpoint at once, so that its connection serves others while the client reads.
extension ProxyWorker {
    /// The client is full: takes the rest of the body into the connection's buffer. If that is all of it, the buffer
    /// becomes the client's and the exchange is over; if not, the endpoint waits as the client does.
    mutating func takeRest(_ exchange: ExchangePointer, _ client: ClientPointer, _ connection: ConnectionPointer) {
        guard unsafe exchange.pointee.hasSentRequest && !client.pointee.output.isHeld else { return }
        var rest = unsafe exchange.pointee.response
        guard unsafe fillBuffer(connection) else {
            unsafe abandon(exchange, status: exchange.pointee.status)
            return
        }
        var end = 0
        let count = unsafe connection.pointee.input.count
        while !rest.isComplete,
            case .send(let piece) = unsafe rest.next(connection.pointee.input.bytes + end, count - end)
        {
            rest.advance(piece)
            end += piece
        }
        guard rest.isComplete && end > 0 else { return }
        unsafe client.pointee.output = connection.pointee.input
        unsafe client.pointee.output.end -= count - end
        unsafe connection.pointee.input = Buffer()
        // Bytes behind the response are nobody's: such a connection isn't used again.
        if end < count { unsafe exchange.pointee.endpointPersists = false }
        unsafe exchange.pointee.response = rest
        unsafe finish(exchange)
    }

    /// - Returns: Whether the endpoint still works.
    private mutating func fillBuffer(_ connection: ConnectionPointer) -> Bool {
        unsafe connection.pointee.input.compact()
        while unsafe connection.pointee.isReadable && connection.pointee.input.room > 0 {
            let room = unsafe connection.pointee.input.room
            switch unsafe Socket.receive(connection.pointee.descriptor, connection.pointee.input.tail, room) {
            case .bytes(let count):
                unsafe connection.pointee.input.end += count
                if unsafe count < room && !connection.pointee.isPeerClosed {
                    unsafe connection.pointee.isReadable = false
                }
            case .wouldBlock: unsafe connection.pointee.isReadable = false
            case .endOfStream:
                // Found once more when the client has taken what came before it.
                return true
            case .failed:
                unsafe exchanges[connection.pointee.exchange].pointee.trace.termination = .endpointReset
                return false
            }
        }
        return true
    }

    /// The endpoint has been let go; what it sent is in the pipe.
    mutating func drainPipe(_ exchange: ExchangePointer, _ client: ClientPointer) {
        unsafe setBodyDeadline(exchange, client)
        if unsafe client.pointee.output.isHeld {
            guard unsafe client.pointee.isWritable, unsafe flush(client) else { return }
        }
        while unsafe exchange.pointee.responsePipe.count > 0 {
            switch unsafe Socket.splice(
                from: &exchange.pointee.responsePipe, to: client.pointee.descriptor, more: false)
            {
            case .bytes(let count): statistics.bytesOut &+= UInt64(count)
            case .wouldBlock:
                unsafe clientIsFull(client)
                return
            case .failed, .endOfStream:
                unsafe clientBroke(client)
                return
            }
        }
        unsafe finish(exchange)
    }
}
