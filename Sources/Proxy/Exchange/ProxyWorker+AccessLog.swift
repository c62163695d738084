import EventLoop
import HTTP1
import HTTPMessage
import NodeLink
import Telemetry

/// One record for each request that is answered or given up.
extension ProxyWorker {
    /// A request with an exchange has ended; its head is still at the front of the client's input.
    @inline(never)
    mutating func logExchange(_ exchange: ExchangePointer, _ log: WorkerLog) {
        let client = unsafe clients[exchange.pointee.client]
        let trace = unsafe exchange.pointee.trace
        var (record, texts) = unsafe describe(client, exchange.pointee.head, exchange.pointee.origin, trace.fields)
        unsafe record.idHigh = exchange.pointee.id.high
        unsafe record.idLow = exchange.pointee.id.low
        unsafe record.status = UInt16(truncatingIfNeeded: exchange.pointee.status)
        unsafe record.attempts = exchange.pointee.attempts
        unsafe record.termination = Termination(
            trace.termination, status: exchange.pointee.status, attempts: exchange.pointee.attempts)
        record.connectTime = trace.connectTime
        if trace.headAt > 0 { record.headTime = trace.headAt &- record.startedAt }
        unsafe record.bytesIn = UInt64(exchange.pointee.head.length) &+ exchange.pointee.request.moved
        let inPipe = UInt64(unsafe exchange.pointee.responsePipe.count)
        record.headBytesOut = UInt64(trace.headBytesOut)
        unsafe record.bytesOut =
            record.headBytesOut &+ UInt64(trace.ownBodyBytesOut) &+ exchange.pointee.response.moved &- inPipe
        unsafe texts.route = log.names.route(exchange.pointee.route)
        // A route that answers itself has no pool.
        if unsafe route(of: exchange).pointee.answer == nil {
            unsafe texts.pool = log.names.pool(exchange.pointee.pool)
        }
        texts.endpoint = log.names.endpoint(trace.endpoint)
        unsafe texts.listener = log.names.listener(client.pointee.listener)
        log.ring.append(record, texts)
    }

    /// A request is answered without an exchange: `writer` holds the answer, `fields` the request's.
    @inline(never)
    mutating func logUnrouted(
        _ client: ClientPointer, _ head: RequestHead, status: Int, id: RequestID, _ log: WorkerLog
    ) {
        let received = unsafe UnsafePointer(client.pointee.input.bytes)
        // Its id is our own, whoever asks.
        var origin = RequestOrigin(client: unsafe client.pointee.address)
        if let site = unsafe site { unsafe origin.client = self.origin(of: client, head, site.pointee.tables).client }
        var (record, texts) = unsafe describe(client, head, origin, LoggedFields(fields, received))
        record.bytesIn = UInt64(head.length)
        unsafe logOwnAnswer(client, &record, &texts, status, id, log)
    }

    /// A request that could not be read is answered: `writer` holds the answer.
    @inline(never)
    mutating func logUnreadable(_ client: ClientPointer, status: Int, id: RequestID, _ log: WorkerLog) {
        var record = unsafe AccessRecord(client: client.pointee.address)
        var texts = AccessTexts()
        unsafe describeFirstLine(client, &record, &texts)
        unsafe record.startedAt = client.pointee.headBeganAt
        record.duration = now &- record.startedAt
        unsafe record.bytesIn = UInt64(client.pointee.input.count)
        unsafe logOwnAnswer(client, &record, &texts, status, id, log)
    }

    private mutating func logOwnAnswer(
        _ client: ClientPointer, _ record: inout AccessRecord, _ texts: inout AccessTexts, _ status: Int,
        _ id: RequestID,
        _ log: WorkerLog
    ) {
        record.idHigh = id.high
        record.idLow = id.low
        record.status = UInt16(truncatingIfNeeded: status)
        record.termination = Termination(.unknown, status: status, attempts: 1)
        record.bytesOut = UInt64(writer.count)
        record.headBytesOut = UInt64(writer.headCount)
        unsafe texts.listener = log.names.listener(client.pointee.listener)
        log.ring.append(record, texts)
    }

    /// Client, times and what the request's head says.
    private func describe(
        _ client: ClientPointer, _ head: RequestHead, _ origin: RequestOrigin, _ places: LoggedFields
    ) -> (AccessRecord, AccessTexts) {
        var record = AccessRecord(client: origin.client)
        var texts = AccessTexts()
        unsafe record.startedAt = client.pointee.headBeganAt
        record.duration = now &- record.startedAt
        unsafe record.minorVersion =
            client.pointee.stream == ClientStream.none ? head.minorVersion : AccessRecord.http2
        record.methodLength = UInt16(truncatingIfNeeded: head.methodLength)
        let isOrigin = head.originLength > 0
        record.pathStart = UInt16(truncatingIfNeeded: isOrigin ? head.originStart : head.targetStart)
        record.pathLength = UInt16(
            truncatingIfNeeded: isOrigin ? head.pathLength : head.isAbsolute ? 0 : head.targetLength)
        if head.originLength > head.pathLength + 1 {
            record.queryStart = UInt16(truncatingIfNeeded: head.originStart + head.pathLength + 1)
            record.queryLength = UInt16(truncatingIfNeeded: head.originLength - head.pathLength - 1)
        }
        // Whoever let go of the head early loses its texts, and nothing else.
        guard unsafe client.pointee.input.isHeld && client.pointee.input.count >= head.length else {
            return (record, texts)
        }
        let received = unsafe UnsafePointer(client.pointee.input.bytes)
        texts.requestLine = unsafe AccessText(
            received, head.targetStart + head.targetLength, max: AccessTexts.requestLineBytesMax)
        texts.host = unsafe AccessText(received + head.hostStart, head.hostLength)
        texts.userAgent = unsafe AccessText(received, places.userAgent)
        texts.referer = unsafe AccessText(received, places.referer)
        texts.forwardedFor = unsafe AccessText(received, places.forwardedFor)
        texts.requestID = unsafe AccessText(received + Int(origin.idStart), Int(origin.idLength))
        return (record, texts)
    }

    /// What has come of a first line, taken apart where it looks like `METHOD target HTTP/1.x`.
    private func describeFirstLine(
        _ client: ClientPointer, _ record: inout AccessRecord, _ texts: inout AccessTexts
    ) {
        guard unsafe client.pointee.input.isHeld else { return }
        let received = unsafe UnsafePointer(client.pointee.input.bytes)
        let count = unsafe min(client.pointee.input.count, AccessTexts.requestLineBytesMax)
        var end = 0
        var spaces: (first: Int, second: Int) = (-1, -1)
        var query = -1
        scan: while end < count {
            switch unsafe received[end] {
            case 0x0d, 0x0a: break scan
            case 0x20: if spaces.first < 0 { spaces.first = end } else if spaces.second < 0 { spaces.second = end }
            case 0x3f: if query < 0 && spaces.first >= 0 && spaces.second < 0 { query = end }
            default: break
            }
            end += 1
        }
        texts.requestLine = unsafe AccessText(received, end, max: AccessTexts.requestLineBytesMax)
        guard spaces.first > 0, spaces.second > spaces.first + 1, end == spaces.second + 9,
            unsafe received[end - 3] == 0x31 && received[end - 2] == 0x2e
        else { return }
        texts.requestLine = unsafe AccessText(received, spaces.second, max: AccessTexts.requestLineBytesMax)
        record.minorVersion = unsafe received[end - 1] == 0x30 ? 0 : 1
        record.methodLength = UInt16(spaces.first)
        record.pathStart = UInt16(spaces.first + 1)
        record.pathLength = UInt16((query < 0 ? spaces.second : query) - spaces.first - 1)
        guard query >= 0 else { return }
        record.queryStart = UInt16(query + 1)
        record.queryLength = UInt16(spaces.second - query - 1)
    }

    // MARK: figures

    /// The node's figures; told by one worker for all.
    func appendLogSamples(_ log: AccessLog?, to samples: inout [Sample]) {
        guard index == 0, let counts = log?.counts else { return }
        samples.append(Sample("sluice_access_log_written_total", [], Double(counts.written)))
        samples.append(
            Sample("sluice_access_log_dropped_total", [.init("reason", "full")], Double(counts.droppedFull)))
        samples.append(
            Sample("sluice_access_log_dropped_total", [.init("reason", "failed")], Double(counts.droppedFailed)))
    }
}

extension Termination {
    /// What nobody has said follows from the status.
    init(_ said: Termination, status: Int, attempts: UInt8) {
        guard said == .unknown else {
            self = said
            return
        }
        switch status {
        case 408: self = .clientTimeout
        case 499: self = .clientGone
        case 503: self = attempts == 0 ? .noEndpoint : .overload
        case 400...: self = .refused
        default: self = .done
        }
    }
}

extension AccessText {
    init(_ received: UnsafePointer<UInt8>, _ place: LoggedFields.Place) {
        unsafe self.init(received + Int(place.start), Int(place.count))
    }
}
