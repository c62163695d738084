import Balancing
import EventLoop
import HTTP1
import NodeLink
import Snapshot
import Telemetry

/// What a worker sheds, and why.
struct Overload: BitwiseCopyable {
    /// Requests are being shed.
    var isOver = false
    var delay = StandingDelay()
    /// A message to itself is on its way: what it waits is what a client's bytes wait.
    var isPulseOut = false
    /// Blocks in use from which on requests are shed.
    var blocksMax = WorkerLimits.bufferBlocksMax
    var delayNanoseconds = UInt64.max
    var retryAfterSeconds: UInt8 = 1
    /// Requests answered with 503, by reason.
    var shedForDelay: UInt64 = 0
    var shedForMemory: UInt64 = 0
}

/// Load shedding: a worker that is over its limits answers new requests with 503 and `Retry-After`, for that costs a small part of
/// what passing them on does. Routes with `shed: false` (health checks), and those that answer themselves, go on.
///
/// Over its limits means: nine tenths (`limits.overload.memory`) of the memory for messages are in use, or what comes waits for
/// `limits.overload.delay` until the worker gets to it. The latter is measured only when a turn found as many events as it
/// takes: with fewer, nothing waits for longer than a turn.
extension ProxyWorker {
    /// At the end of a turn.
    @inline(__always)
    mutating func watchLoad(events: Int) {
        if events == Poller.eventsPerTurnMax || overload.isOver || buffers.used >= overload.blocksMax {
            judgeLoad(events)
        }
    }

    @inline(never)
    private mutating func judgeLoad(_ events: Int) {
        if events == Poller.eventsPerTurnMax {
            if !overload.isPulseOut {
                overload.isPulseOut = true
                mailbox.post(.pulse(sentAt: Clock.monotonicNanoseconds()))
            }
        } else if !overload.isPulseOut {
            overload.delay.calm()
        }
        let isOver = overload.delay.isOver || buffers.used >= overload.blocksMax
        if isOver != overload.isOver, refusalLog.allows(now) {
            let reason = overload.delay.isOver ? "events wait too long" : "its memory for messages is nearly used up"
            Log.warning(
                "proxy",
                isOver ? "worker \(index) sheds requests: \(reason)" : "worker \(index) takes all requests again")
        }
        overload.isOver = isOver
    }

    mutating func pulseReturned(sentAt: UInt64) {
        overload.isPulseOut = false
        let arrived = Clock.monotonicNanoseconds()
        overload.delay.observed(arrived &- sentAt, limit: overload.delayNanoseconds, now: arrived)
    }

    mutating func adoptOverloadLimits(_ site: CompiledSite) {
        buffers.blocksMax = site.bufferBlocksMax
        overload.blocksMax = max(1, site.bufferBlocksMax * site.overload.memoryPercent / 100)
        overload.delayNanoseconds = site.overload.delay.nanosecondsUnsigned
        overload.retryAfterSeconds = UInt8(clamping: site.overload.retryAfter.components.seconds)
    }

    /// Answers a request that the worker has no room for.
    @inline(never)
    mutating func shed(_ exchange: ExchangePointer) {
        if overload.delay.isOver { overload.shedForDelay &+= 1 } else { overload.shedForMemory &+= 1 }
        unsafe exchange.pointee.trace.termination = .overload
        unsafe exchange.pointee.retryAfterSeconds = overload.retryAfterSeconds
        unsafe answer(exchange, status: 503)
    }

    func appendOverload(to samples: inout [Sample]) {
        samples.append(Sample("sluice_overloaded", [], overload.isOver ? 1 : 0))
        for (reason, count) in [("delay", overload.shedForDelay), ("memory", overload.shedForMemory)] {
            samples.append(Sample("sluice_shed_requests_total", [.init("reason", reason)], Double(count)))
        }
    }
}
