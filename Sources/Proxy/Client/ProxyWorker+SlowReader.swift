import EventLoop
import Telemetry

/// Clients that read more slowly than their endpoint sends. What fits into `limits.buffer`, or into the pipe of a large
/// body, is taken from the endpoint at once, so that its connection serves others while the client reads.
extension ProxyWorker {
    /// The client is full: takes the rest of the body into the connection's buffer. If that is all of it, the buffer
    /// becomes the client's and the exchange is over; if not, the endpoint waits as the client does.
    mutating func takeRest(_ exchange: ExchangePointer, _ client: ClientPointer, _ connection: ConnectionPointer) {
        let bytesMax = unsafe exchange.pointee.limits.pointee.bufferBytesMax
        // A stream's rest couldn't wait without its exchange, which knows where it ends; with TLS a full client always has
        // output.
        guard
            unsafe bytesMax > 0 && exchange.pointee.hasSentRequest && !client.pointee.output.isHeld
                && client.pointee.stream == ClientStream.none && client.pointee.tls == nil
        else { return }
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
        guard rest.isComplete && 1...bytesMax ~= end else {
            // Plain bodies of this size go through a pipe anyway; a chunked one does when it may.
            unsafe spill(exchange, connection)
            return
        }
        unsafe client.pointee.output = connection.pointee.input
        unsafe client.pointee.output.end -= count - end
        unsafe connection.pointee.input = Buffer()
        // Bytes behind the response are nobody's: such a connection isn't used again.
        if end < count { unsafe exchange.pointee.endpointPersists = false }
        unsafe exchange.pointee.response = rest
        unsafe finish(exchange)
    }

    /// Moves a chunked body on into a pipe where `limits.buffer` is larger than a block: until all of it is there, or as
    /// much as may be held, or all that has come.
    mutating func spill(_ exchange: ExchangePointer, _ connection: ConnectionPointer) {
        let bytesMax = unsafe exchange.pointee.limits.pointee.bufferBytesMax
        guard bytesMax > BufferPool.blockBytes,
            unsafe exchange.pointee.hasSentRequest && exchange.pointee.response.spliceable == 0,
            unsafe takeResponsePipe(exchange)
        else { return }
        while unsafe !exchange.pointee.response.isComplete {
            if unsafe !connection.pointee.input.isHeld {
                guard unsafe connection.pointee.isReadable && buffers.fill(&connection.pointee.input) else { return }
            }
            let room = unsafe bytesMax - exchange.pointee.responsePipe.count
            switch unsafe exchange.pointee.response.next(
                connection.pointee.input.bytes, connection.pointee.input.count)
            {
            case .send(let count):
                guard room > 0,
                    case .bytes(let moved) = unsafe exchange.pointee.responsePipe.write(
                        connection.pointee.input.bytes, min(count, room))
                else { return }
                unsafe exchange.pointee.response.advance(moved)
                unsafe connection.pointee.input.consume(moved)
            case .skip(let count): unsafe connection.pointee.input.consume(count)
            case .wait:
                guard unsafe connection.pointee.isReadable && connection.pointee.input.room > 0 else { return }
                let held = unsafe connection.pointee.input.count
                guard unsafe fillBuffer(connection) else {
                    unsafe abandon(exchange, status: exchange.pointee.status)
                    return
                }
                // The end of the stream is found once more when the client has taken what came before it.
                if unsafe connection.pointee.input.count == held { return }
            case .malformed:
                unsafe bodyMalformed(exchange)
                return
            }
        }
        // Bytes behind the response are nobody's; `makeIdle` closes a connection that holds any.
        unsafe freeEndpoint(exchange)
    }

    /// - Returns: Whether the endpoint still works.
    private mutating func fillBuffer(_ connection: ConnectionPointer) -> Bool {
        unsafe connection.pointee.input.compact()
        while unsafe connection.pointee.isReadable && connection.pointee.input.room > 0 {
            let room = unsafe connection.pointee.input.room
            switch unsafe receive(connection, connection.pointee.input.tail, room) {
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
