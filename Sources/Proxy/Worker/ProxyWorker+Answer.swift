import EventLoop
import HTTP1
import HTTPMessage
import Telemetry

/// Responses that the proxy makes itself: small, with a request id, and without a word about endpoints.
extension ProxyWorker {
    /// Refuses the bytes of a client: answer, counter, log line, end.
    mutating func refuse(_ client: ClientPointer, _ error: HTTP1Error) {
        statistics.malformed &+= 1
        unsafe logRefusal(client.pointee.address, error)
        unsafe answerAndEnd(client, status: error.status)
    }

    private mutating func logRefusal(_ address: IPEndpoint, _ error: HTTP1Error) {
        guard refusalLog.allows(now) else { return }
        Log.warning("proxy", "refused a request from \(address): \(error)")
    }

    /// Answers a client whose request is not known, and ends its connection.
    mutating func answerAndEnd(_ client: ClientPointer, status: Int) {
        let series = unsafe unroutedSeries(of: client)
        if let series { statistics.countRequest(series: series, status: status, nanoseconds: 0) }
        let id = makeRequestID()
        writeAnswer(status, id: id, closes: true, hasBody: true)
        if let log = unsafe site?.pointee.log { unsafe logUnreadable(client, status: status, id: id, log) }
        unsafe sendAnswer(client, persists: false, mayBeSending: true)
    }

    private func unroutedSeries(of client: ClientPointer) -> UInt32? {
        guard let site = unsafe site,
            let listener = unsafe site.pointee.tables.pointee.listener(number: client.pointee.listener)
        else { return nil }
        return unsafe site.pointee.tables.pointee.listeners[listener].unrouted
    }

    mutating func makeRequestID() -> RequestID { RequestID(high: random.next(), low: random.next()) }

    /// Answers a request that reaches no endpoint. Its head is still at the front of the client's input.
    mutating func answerWithoutExchange(
        _ client: ClientPointer, status: Int, series: UInt32?, head: RequestHead, persists: Bool
    ) {
        if let series { statistics.countRequest(series: series, status: status, nanoseconds: 0) }
        let hasBody = head.framing != .none
        let isLast = unsafe site.map { unsafe client.pointee.requests >= $0.pointee.requestsPerConnectionMax } ?? false
        let persists = persists && head.isPersistent && !hasBody && !isDraining && !isLast
        let id = makeRequestID()
        writeAnswer(status, id: id, closes: !persists, hasBody: head.method != .head)
        if let log = unsafe site?.pointee.log { unsafe logUnrouted(client, head, status: status, id: id, log) }
        unsafe client.pointee.input.consume(head.length)
        unsafe client.pointee.phase = .idle
        unsafe sendAnswer(client, persists: persists, mayBeSending: hasBody)
    }

    /// Composes a whole response in `writer`.
    mutating func writeAnswer(_ status: Int, id: RequestID, closes: Bool, hasBody: Bool) {
        let reason = reason(of: status)
        writer.reset()
        writer.append("HTTP/1.1 ")
        writer.append(decimal: status)
        writer.append(" ")
        writer.append(reason)
        writer.append("\r\nContent-Type: text/plain\r\nContent-Length: ")
        writer.append(decimal: 5 + reason.utf8CodeUnitCount)
        writer.append("\r\nDate: ")
        date.write(to: &writer)
        writer.append("\r\nX-Request-Id: ")
        writer.append(id)
        writer.append(closes ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n")
        writer.endHead()
        guard hasBody else { return }
        writer.append(decimal: status)
        writer.append(" ")
        writer.append(reason)
        writer.append("\n")
    }

    /// Sends what `writeAnswer` composed and goes on with the connection, or ends it.
    mutating func sendAnswer(_ client: ClientPointer, persists: Bool, mayBeSending: Bool) {
        guard unsafe sendComposed(client, nil, 0) >= 0 else {
            unsafe closeClient(client)
            return
        }
        if persists {
            unsafe continueAfterResponse(client, persists: true)
        } else {
            unsafe endClient(client, mayBeSending: mayBeSending)
        }
    }

    private func reason(of status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Internal Server Error"
        }
    }
}

/// At most so many log lines a second; hostile clients must not fill the disk.
struct LogBudget: BitwiseCopyable {
    static let linesPerSecondMax = 10
    private var second: UInt64 = 0
    private var lines = 0

    init() {}

    mutating func allows(_ now: UInt64) -> Bool {
        if now / 1_000_000_000 != second {
            second = now / 1_000_000_000
            lines = 0
        }
        lines += 1
        return lines <= LogBudget.linesPerSecondMax
    }
}
