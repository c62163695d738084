import Balancing
import EventLoop
import HTTP1
import HTTPMessage
import NodeLink

/// `mirror`: copies of requests for another pool. What is copied is the request as its endpoint gets it, head and body; it is
/// kept until all of it is there, and sent when the turn's clients have been served.
extension ProxyWorker {
    /// A request is on a route that mirrors: copies it if it is its turn. `fields` holds its lines.
    @inline(never)
    mutating func beginMirror(_ exchange: ExchangePointer, _ settings: UnsafePointer<CompiledMirror>) {
        guard unsafe random.next(below: 10_000) < settings.pointee.share else { return }
        let head = unsafe exchange.pointee.head
        // What follows a switch of protocols has two sides: it can't be copied.
        guard !head.asksForWebSocket else { return }
        let number = unsafe settings.pointee.number
        if case .length(let length) = head.framing, unsafe length > settings.pointee.bodyBytesMax {
            drop(number, .size)
            return
        }
        guard unsafe mirrorFigures[number].inFlight < settings.pointee.countMax else {
            drop(number, .inFlight)
            return
        }
        let client = unsafe clients[exchange.pointee.client]
        let route = unsafe route(of: exchange)
        var facts = unsafe facts(of: exchange, client, route)
        facts.isCopy = true
        unsafe RequestComposer.write(
            head, UnsafePointer(client.pointee.input.bytes), fields, route.pointee.request, route.pointee.rewrite,
            facts,
            into: &writer)
        guard !writer.isOverfull && writer.count <= BufferPool.blockBytes else {
            drop(number, .size)
            return
        }
        let time = unsafe route.pointee.connectNanoseconds + route.pointee.responseNanoseconds
        let site = unsafe exchange.pointee.site
        let slot = unsafe mirrors.insert(
            Mirror(site: site, settings: settings, timeNanoseconds: time, method: head.method))
        guard let slot else {
            drop(number, .shortage)
            return
        }
        let mirror = unsafe mirrors[slot]
        unsafe mirror.pointee.slot = slot
        unsafe site.pointee.exchanges += 1
        mirrorFigures[number].inFlight += 1
        guard unsafe append(writer.bytes, writer.count, to: mirror) else {
            unsafe cancel(mirror, .shortage)
            return
        }
        if head.framing == .none {
            unsafe complete(mirror)
        } else {
            unsafe exchange.pointee.mirror = slot
        }
    }

    /// The last `count` bytes of a request's body that went to its endpoint.
    @inline(never)
    mutating func mirrorBody(_ exchange: ExchangePointer, _ bytes: UnsafePointer<UInt8>, _ count: Int) {
        let mirror = unsafe mirrors[exchange.pointee.mirror]
        // A request that is sent again sends the same bytes again.
        let moved = unsafe exchange.pointee.request.moved
        let known = unsafe mirror.pointee.bodyBytes
        if moved > known {
            let fresh = Int(min(UInt64(count), moved - known))
            guard unsafe moved <= mirror.pointee.settings.pointee.bodyBytesMax else {
                unsafe exchange.pointee.mirror = Mirror.none
                unsafe cancel(mirror, .size)
                return
            }
            let isFramed = unsafe !exchange.pointee.request.dropsFraming
            guard
                unsafe isFramed
                    ? append(bytes + (count - fresh), fresh, to: mirror)
                    : appendChunk(bytes + (count - fresh), fresh, to: mirror)
            else {
                unsafe exchange.pointee.mirror = Mirror.none
                unsafe cancel(mirror, .shortage)
                return
            }
            unsafe mirror.pointee.bodyBytes = moved
        }
        if unsafe exchange.pointee.request.isComplete {
            unsafe exchange.pointee.mirror = Mirror.none
            unsafe complete(mirror)
        }
    }

    /// The body whose chunk framing didn't go to the endpoint is complete.
    @inline(never)
    mutating func mirrorEnd(_ exchange: ExchangePointer) {
        let mirror = unsafe mirrors[exchange.pointee.mirror]
        unsafe exchange.pointee.mirror = Mirror.none
        let last: StaticString = "0\r\n\r\n"
        guard unsafe append(last.utf8Start, last.utf8CodeUnitCount, to: mirror) else {
            unsafe cancel(mirror, .shortage)
            return
        }
        unsafe complete(mirror)
    }

    private mutating func appendChunk(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, to mirror: UnsafeMutablePointer<Mirror>
    ) -> Bool {
        var frame: (UInt64, UInt64) = (0, 0)
        return unsafe withUnsafeMutableBytes(of: &frame) { frame in
            let out = unsafe frame.baseAddress!.assumingMemoryBound(to: UInt8.self)
            let size = unsafe ChunkFrame.writeSize(count, to: out)
            guard unsafe append(out, size, to: mirror) && append(bytes, count, to: mirror) else { return false }
            return unsafe append(out, ChunkFrame.writeLineEnd(to: out), to: mirror)
        }
    }

    /// The exchange is over before its request's body was.
    @inline(never)
    mutating func cancelMirror(_ exchange: ExchangePointer) {
        let mirror = unsafe mirrors[exchange.pointee.mirror]
        unsafe exchange.pointee.mirror = Mirror.none
        unsafe cancel(mirror, .unfinished)
    }

    private mutating func append(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, to mirror: UnsafeMutablePointer<Mirror>
    ) -> Bool {
        var start = 0
        while start < count {
            var last = unsafe mirror.pointee.blockCount - 1
            if unsafe last < 0 || mirror.pointee.blocks[last].room == 0 {
                last += 1
                guard last < Mirror.blocksMax, unsafe buffers.fill(&mirror.pointee.blocks[last]) else { return false }
                unsafe mirror.pointee.blockCount = last + 1
            }
            let piece = unsafe min(count - start, mirror.pointee.blocks[last].room)
            unsafe mirror.pointee.blocks[last].append(bytes + start, count: piece)
            start += piece
        }
        return true
    }

    private mutating func complete(_ mirror: UnsafeMutablePointer<Mirror>) {
        unsafe mirror.pointee.phase = .waiting
        unsafe mirrorsToSend.append(mirror.pointee.slot)
    }

    // MARK: ends

    private mutating func drop(_ number: Int, _ reason: MirrorDrop) {
        mirrorFigures[number].dropped[Int(reason.rawValue)] &+= 1
    }

    mutating func cancel(_ mirror: UnsafeMutablePointer<Mirror>, _ reason: MirrorDrop) {
        drop(unsafe mirror.pointee.settings.pointee.number, reason)
        unsafe end(mirror)
    }

    mutating func fail(_ mirror: UnsafeMutablePointer<Mirror>) {
        unsafe mirrorFigures[mirror.pointee.settings.pointee.number].failed &+= 1
        if unsafe mirror.pointee.endpoint != EndpointConnection.none {
            unsafe endpoints[Int(mirror.pointee.endpoint)].failures &+= 1
        }
        unsafe end(mirror)
    }

    /// Gives back what a copy holds; its connection is closed if it has one.
    mutating func end(_ mirror: UnsafeMutablePointer<Mirror>) {
        for index in 0..<(unsafe mirror.pointee.blockCount) { unsafe buffers.empty(&mirror.pointee.blocks[index]) }
        let site = unsafe mirror.pointee.site
        let number = unsafe mirror.pointee.endpoint
        if number != EndpointConnection.none {
            unsafe loads[Int(number)].active &-= 1
        }
        if unsafe mirror.pointee.connection != EndpointConnection.none {
            unsafe closeConnection(connections[mirror.pointee.connection])
        }
        unsafe mirrorFigures[mirror.pointee.settings.pointee.number].inFlight -= 1
        unsafe mirrors.retire(mirror.pointee.slot)
        unsafe site.pointee.exchanges -= 1
        unsafe releaseIfUnused(site)
    }

    // MARK: figures

    func appendMirrors(_ names: [IdentityRegistry.Mirror], to samples: inout [Sample]) {
        for (number, name) in names.enumerated() where number < mirrorFigures.count {
            let figures = mirrorFigures[number]
            let labels: [Sample.Label] = [.init("route", name.route), .init("pool", name.pool)]
            samples.append(Sample("sluice_mirror_in_flight", labels, Double(figures.inFlight)))
            for (outcome, count) in [("answered", figures.answered), ("failed", figures.failed)] {
                samples.append(
                    Sample("sluice_mirror_requests_total", labels + [.init("outcome", outcome)], Double(count)))
            }
            for drop in MirrorDrop.allCases {
                samples.append(
                    Sample(
                        "sluice_mirror_dropped_total", labels + [.init("reason", drop.reason)],
                        Double(figures.dropped[Int(drop.rawValue)])))
            }
        }
    }
}
