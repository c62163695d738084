import EventLoop

/// Bytes one way: the hot loop of the relay. Four system calls for a small request and its response.
extension ForwarderWorker {
    enum PumpOutcome: BitwiseCopyable {
        /// Nothing to do until the next event.
        case idle
        /// The turn's share is used up and there may be more.
        case moreWork
        /// Reading failed: the source was reset.
        case sourceBroke
        /// Writing failed, or there is no memory to keep what the sink doesn't take.
        case sinkBroke
    }

    /// Moves bytes until the source is empty, the sink is full, or the turn's share is used up.
    mutating func pump(
        _ direction: inout RelayDirection, from source: CInt, to sink: CInt, moved: inout UInt64
    ) -> PumpOutcome {
        if direction.isSplicing || direction.pipe.count > 0 {
            return splice(&direction, from: source, to: sink, moved: &moved)
        }
        return copy(&direction, from: source, to: sink, moved: &moved)
    }

    private mutating func copy(
        _ direction: inout RelayDirection, from source: CInt, to sink: CInt, moved: inout UInt64
    ) -> PumpOutcome {
        if !direction.buffer.isEmpty {
            guard direction.isWritable else { return .idle }
            let isFlushed = flush(&direction, to: sink, moved: &moved)
            guard isFlushed == .moreWork else { return isFlushed }
        }
        var budget = ForwarderLimits.copyBytesPerTurnMax
        while budget > 0 {
            // What can't be passed on isn't read: the kernel's window stops the sender.
            guard direction.isReadable && direction.isWritable && !direction.hasEnded else { return .idle }
            switch unsafe Socket.receive(source, scratch, ForwarderLimits.scratchBytes) {
            case .bytes(let count):
                let isFull = count == ForwarderLimits.scratchBytes
                // A short read has emptied the socket; what comes later makes a new edge.
                if !isFull && !direction.isPeerClosed { direction.isReadable = false }
                switch unsafe Socket.send(sink, scratch, count) {
                case .bytes(let sent):
                    moved &+= UInt64(sent)
                    if sent < count && !keep(&direction, from: sent, to: count) { return .sinkBroke }
                case .wouldBlock:
                    if !keep(&direction, from: 0, to: count) { return .sinkBroke }
                case .endOfStream, .failed: return .sinkBroke
                }
                if isFull {
                    direction.isSplicing = true
                    guard direction.buffer.isEmpty else { return .idle }
                    return splice(&direction, from: source, to: sink, moved: &moved)
                }
                budget -= count
            case .wouldBlock: direction.isReadable = false
            case .endOfStream:
                direction.hasEnded = true
                return .idle
            case .failed: return .sourceBroke
            }
        }
        return .moreWork
    }

    /// Keeps the unsent part of the scratch buffer; the direction then waits for its sink.
    mutating func keep(_ direction: inout RelayDirection, from start: Int, to end: Int) -> Bool {
        direction.isWritable = false
        guard buffers.fill(&direction.buffer) else { return false }
        unsafe direction.buffer.append(scratch + start, count: end - start)
        return true
    }

    /// - Returns: `moreWork` when the buffer is empty and has gone back to the pool.
    private mutating func flush(
        _ direction: inout RelayDirection, to sink: CInt, moved: inout UInt64
    ) -> PumpOutcome {
        switch unsafe Socket.send(sink, direction.buffer.bytes, direction.buffer.count) {
        case .bytes(let sent):
            moved &+= UInt64(sent)
            direction.buffer.consume(sent)
        case .wouldBlock: break
        case .endOfStream, .failed: return .sinkBroke
        }
        guard direction.buffer.isEmpty else {
            direction.isWritable = false
            return .idle
        }
        buffers.empty(&direction.buffer)
        return .moreWork
    }

    private mutating func splice(
        _ direction: inout RelayDirection, from source: CInt, to sink: CInt, moved: inout UInt64
    ) -> PumpOutcome {
        if !direction.buffer.isEmpty {
            guard direction.isWritable else { return .idle }
            let isFlushed = flush(&direction, to: sink, moved: &moved)
            guard isFlushed == .moreWork else { return isFlushed }
        }
        var budget = ForwarderLimits.spliceBytesPerTurnMax
        while true {
            while direction.pipe.count > 0 {
                guard direction.isWritable else { return .idle }
                switch Socket.splice(from: &direction.pipe, to: sink, more: false) {
                case .bytes(let sent): moved &+= UInt64(sent)
                case .wouldBlock:
                    direction.isWritable = false
                    return fillPipe(&direction, from: source)
                case .endOfStream, .failed: return .sinkBroke
                }
            }
            guard direction.isSplicing else {
                pipes.give(&direction.pipe)
                // Copied from the next turn on: here, a stream between the two sizes would never let go.
                return direction.isReadable ? .moreWork : .idle
            }
            guard budget > 0 else {
                pipes.give(&direction.pipe)
                return .moreWork
            }
            guard direction.isReadable && direction.isWritable && !direction.hasEnded else {
                pipes.give(&direction.pipe)
                return .idle
            }
            if !direction.pipe.isHeld {
                guard let pipe = pipes.take() else {
                    direction.stopSplicing()
                    return .moreWork
                }
                direction.pipe = pipe
            }
            switch Socket.splice(from: source, into: &direction.pipe, count: PipePool.pipeBytes) {
            case .bytes(let count):
                direction.hasSpliced = true
                budget -= count
                direction.noteSplice(count)
            // The pipe is empty, so it is the socket that has nothing.
            case .wouldBlock:
                direction.isReadable = false
                direction.pace.emptied()
            case .endOfStream: direction.hasEnded = true
            case .failed: return .sourceBroke
            }
        }
    }

    /// The sink is full: the pipe takes what the source has, up to its size, so that the sender goes on meanwhile and
    /// the sink gets much at once when it has room.
    private mutating func fillPipe(_ direction: inout RelayDirection, from source: CInt) -> PumpOutcome {
        let room = PipePool.pipeBytes - direction.pipe.count
        guard direction.isReadable && !direction.hasEnded && room > 0 else { return .idle }
        switch Socket.splice(from: source, into: &direction.pipe, count: room) {
        // "Would block" says nothing here, for the pipe may be what is full.
        case .bytes(let count): direction.pace.moved(count)
        case .wouldBlock: break
        case .endOfStream: direction.hasEnded = true
        case .failed: return .sourceBroke
        }
        return .idle
    }
}
