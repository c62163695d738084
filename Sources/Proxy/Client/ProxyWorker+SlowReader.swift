import EventLoop
import Telemetry

/// Clients that read more slowly than their endpoint sends. What fits into `limits.buffer`, or into the pipe of a large
/// body, is taken from the endpoint at once, so that its connection serves others while the client reads.
extension ProxyWorker {
    /// The client is full: takes what is to come of the body from the endpoint, as much as may be held. If that is all of
    /// it, the endpoint's connection is free; if not, the endpoint waits as the client does.
    ///
    /// What is held goes out in this order: the client's output, the pipe, the connection's buffer.
    mutating func takeRest(_ exchange: ExchangePointer, _ client: ClientPointer, _ connection: ConnectionPointer) {
        // A stream's rest couldn't wait without its exchange, which knows where it ends; with TLS a full client always has
        // output.
        guard unsafe client.pointee.stream == ClientStream.none && client.pointee.tls == nil else { return }
        if unsafe exchange.pointee.response.isComplete || isSpliced(exchange) && takeResponsePipe(exchange) {
            unsafe pipeRest(exchange, connection)
            return
        }
        let bytesMax = unsafe exchange.pointee.limits.pointee.bufferBytesMax
        guard unsafe bytesMax > 0 && exchange.pointee.hasSentRequest else { return }
        guard unsafe exchange.pointee.responsePipe.count == 0 else {
            unsafe spill(exchange, connection)
            return
        }
        if unsafe !connection.pointee.input.isHeld {
            guard unsafe connection.pointee.isReadable && buffers.fill(&connection.pointee.input) else { return }
        }
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
        let fits = rest.isComplete && 1...bytesMax ~= end
        guard unsafe fits && becomesOutput(exchange, client, connection, end) else {
            if fits || bytesMax > BufferPool.blockBytes { unsafe spill(exchange, connection) }
            return
        }
        unsafe exchange.pointee.response = rest
        unsafe finish(exchange)
    }

    /// Moves the first `count` bytes of the connection's buffer behind the client's output. What is left is behind the
    /// response and nobody's; `makeIdle` closes a connection that holds any.
    ///
    /// - Returns: Whether there is room for them.
    private mutating func becomesOutput(
        _ exchange: ExchangePointer, _ client: ClientPointer, _ connection: ConnectionPointer, _ count: Int
    ) -> Bool {
        if unsafe client.pointee.output.isHeld {
            unsafe client.pointee.output.compact()
            guard unsafe count <= client.pointee.output.room else { return false }
            unsafe client.pointee.output.append(connection.pointee.input.bytes, count: count)
            unsafe connection.pointee.input.consume(count)
            return true
        }
        let behind = unsafe connection.pointee.input.count - count
        // The block is the client's from now on.
        if behind > 0 { unsafe exchange.pointee.endpointPersists = false }
        unsafe client.pointee.output = connection.pointee.input
        unsafe client.pointee.output.end -= behind
        unsafe connection.pointee.input = Buffer()
        return true
    }

    /// Moves a plain body on into its pipe: first what was read of it, then what the socket has.
    private mutating func pipeRest(_ exchange: ExchangePointer, _ connection: ConnectionPointer) {
        while unsafe !connection.pointee.input.isEmpty,
            case .send(let count) = unsafe exchange.pointee.response.next(
                connection.pointee.input.bytes, connection.pointee.input.count),
            case .bytes(let moved) = unsafe exchange.pointee.responsePipe.write(connection.pointee.input.bytes, count)
        {
            unsafe exchange.pointee.response.advance(moved)
            unsafe connection.pointee.input.consume(moved)
        }
        if unsafe !exchange.pointee.response.isComplete && connection.pointee.input.isEmpty {
            unsafe buffers.empty(&connection.pointee.input)
            guard unsafe fillResponsePipe(exchange, connection) else { return }
        }
        if unsafe exchange.pointee.response.isComplete && exchange.pointee.hasSentRequest {
            unsafe freeEndpoint(exchange)
        } else {
            unsafe watchResponse(exchange, connection)
        }
    }

    /// Moves a chunked body on into a pipe: until all of it is there, or as much as may be held, or all that has come.
    private mutating func spill(_ exchange: ExchangePointer, _ connection: ConnectionPointer) {
        let bytesMax = unsafe exchange.pointee.limits.pointee.bufferBytesMax
        guard unsafe exchange.pointee.response.spliceable == 0, unsafe takeResponsePipe(exchange) else { return }
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
