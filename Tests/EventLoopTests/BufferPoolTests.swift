import EventLoop
import Testing

@Suite("BufferPool")
struct BufferPoolTests {
    @Test("blocks are bounded", arguments: [1, 3, 100])
    func bound(blocksMax: Int) {
        var pool = BufferPool(blocksMax: blocksMax)
        var buffers = [Buffer](repeating: Buffer(), count: blocksMax + 1)
        for index in 0..<blocksMax { #expect(pool.fill(&buffers[index]) == true) }
        #expect(pool.used == blocksMax)
        #expect(pool.fill(&buffers[blocksMax]) == false)
        #expect(!buffers[blocksMax].isHeld)
        pool.empty(&buffers[0])
        #expect(pool.used == blocksMax - 1)
        #expect(pool.fill(&buffers[blocksMax]) == true)
        #expect(pool.fill(&buffers[0]) == false)
        for index in buffers.indices { pool.empty(&buffers[index]) }
        #expect(pool.used == 0)
    }

    @Test("blocks held at a time don't overlap")
    func distinct() {
        var pool = BufferPool(blocksMax: 80)
        var buffers = [Buffer](repeating: Buffer(), count: 80)
        for round in 0..<3 {
            for index in buffers.indices {
                #expect(pool.fill(&buffers[index]) == true)
                for offset in [0, BufferPool.blockBytes - 1] { buffers[index].base![offset] = UInt8(index + round) }
            }
            for index in buffers.indices {
                let bytes = [buffers[index].base![0], buffers[index].base![BufferPool.blockBytes - 1]]
                #expect(bytes == [UInt8(index + round), UInt8(index + round)])
                pool.empty(&buffers[index])
            }
        }
    }

    @Test("as many free blocks are kept as are needed at times, and that is forgotten")
    func retention() {
        let excess = 64
        for most in [BufferPool.retainedMin, BufferPool.retainedMin + excess, BufferPool.retainedMax + excess] {
            var pool = BufferPool(blocksMax: 2 * BufferPool.retainedMax)
            var buffers = [Buffer](repeating: Buffer(), count: most)
            for _ in 0..<3 {
                for index in buffers.indices { #expect(pool.fill(&buffers[index]) == true) }
                #expect(pool.retained == 0)
                for index in buffers.indices { pool.empty(&buffers[index]) }
                #expect(pool.retained == min(most, BufferPool.retainedMax))
            }
            // One message at a time from now on.
            for _ in 0..<11 * BufferPool.fadingFills {
                _ = pool.fill(&buffers[0])
                pool.empty(&buffers[0])
            }
            #expect(pool.retained == BufferPool.retainedMin)
        }
    }

    @Test("an empty buffer has neither bytes nor room; emptying it is nothing")
    func unheld() {
        var pool = BufferPool(blocksMax: 1)
        var buffer = Buffer()
        #expect(!buffer.isHeld && buffer.isEmpty && buffer.room == 0)
        pool.empty(&buffer)
        #expect(pool.used == 0)
    }

    @Test("a block takes 65,536 bytes", arguments: [-1, 0])
    func room(excess: Int) {
        var pool = BufferPool(blocksMax: 1)
        var buffer = Buffer()
        #expect(pool.fill(&buffer) == true)
        let count = BufferPool.blockBytes + excess
        buffer.append([UInt8](repeating: 7, count: count), count: count)
        #expect(buffer.count == count && buffer.room == -excess)
        pool.empty(&buffer)
    }

    @Test("consuming and compacting keep the bytes in order")
    func moves() {
        var pool = BufferPool(blocksMax: 1)
        var buffer = Buffer()
        #expect(pool.fill(&buffer) == true)
        buffer.append([1, 2, 3, 4, 5], count: 5)
        buffer.consume(2)
        #expect(buffer.count == 3 && buffer.room == BufferPool.blockBytes - 5)
        buffer.compact()
        #expect(buffer.start == 0 && buffer.room == BufferPool.blockBytes - 3)
        #expect(Array(UnsafeBufferPointer(start: buffer.bytes, count: buffer.count)) == [3, 4, 5])
        buffer.consume(3)
        #expect(buffer.isEmpty && buffer.room == BufferPool.blockBytes)
        pool.empty(&buffer)
    }
}

@Suite("PipePool")
struct PipePoolTests {
    @Test("an empty pipe is taken again; one with bytes in it is closed, so that they reach nobody else")
    func reuses() {
        var pool = PipePool()
        guard var pipe = pool.take() else {
            Issue.record("no pipe")
            return
        }
        let first = pipe
        pool.give(&pipe)
        #expect(!pipe.isHeld)
        guard var again = pool.take() else {
            Issue.record("no pipe")
            return
        }
        #expect(again.readEnd == first.readEnd && again.writeEnd == first.writeEnd)
        again.count = 1
        pool.give(&again)
        #expect(!again.isHeld)
        // Closed: the kernel doesn't know the descriptor, unless another test has just been given its number.
        guard var fresh = pool.take() else {
            Issue.record("no pipe")
            return
        }
        #expect(fresh.isHeld && fresh.count == 0)
        pool.give(&fresh)
        pool.give(&fresh)
    }

    @Test("pipes held at a time are distinct")
    func distinct() {
        var pool = PipePool()
        var pipes: [Pipe] = []
        for _ in 0..<10 { if let pipe = pool.take() { pipes.append(pipe) } }
        #expect(Set(pipes.flatMap { [$0.readEnd, $0.writeEnd] }).count == 20)
        for index in pipes.indices { pool.give(&pipes[index]) }
    }
}
