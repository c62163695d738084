import EventLoop
import HTTP1
import HTTPMessage
import Telemetry

/// Responses that the proxy makes itself: small, with a request id, and without a word about endpoints.
extension ProxyWorker {
    /// Refuses the bytes of a client: answer, counter, log line, end.
    mutating func refuse(_ client: ClientPointer, _ error: HTTP1Error) {
        unsafe noteMalformedRequest(client.pointee.address, error)
        unsafe answerAndEnd(client, status: error.status)
    }

    /// Answers a client whose request is not known, and ends its connection.
    mutating func answerAndEnd(_ client: ClientPointer, status: Int) {
        let series = unsafe unroutedSeries(of: client)
        if let series { statistics.countRequest(series: series, status: status, nanoseconds: 0) }
        let id = makeRequestID()
        unsafe writeAnswer(status, id: AnswerID(id), closes: true, hasBody: true, page: errorPage(for: status))
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
        let isLast =
            unsafe limits(of: client).map { unsafe client.pointee.requests >= $0.pointee.requestsPerConnectionMax }
            ?? false
        let persists = persists && head.isPersistent && !hasBody && !isDraining && !isLast
        let id = makeRequestID()
        if unsafe isGRPC(client, head) {
            writeGRPCAnswer(status, id: AnswerID(id), retryAfter: 0)
        } else {
            unsafe writeAnswer(
                status, id: AnswerID(id), closes: !persists, hasBody: head.method != .head, page: errorPage(for: status)
            )
        }
        if let log = unsafe site?.pointee.log { unsafe logUnrouted(client, head, status: status, id: id, log) }
        unsafe client.pointee.input.consume(head.length)
        unsafe client.pointee.phase = .idle
        unsafe sendAnswer(client, persists: persists, mayBeSending: hasBody || head.isPersistent)
    }

    /// Composes a whole response in `writer`.
    ///
    /// - Parameters:
    ///   - page: The site's own words for it; nil for ours.
    ///   - retryAfter: Seconds after which the client may come again; 0 to say nothing.
    mutating func writeAnswer(
        _ status: Int, id: AnswerID, closes: Bool, hasBody: Bool, page: UnsafePointer<CompiledErrorPage>?,
        retryAfter: UInt8 = 0
    ) {
        let reason = ReasonPhrase.of(status)
        writer.reset()
        writer.append("HTTP/1.1 ")
        writer.append(decimal: status)
        writer.append(" ")
        writer.append(reason)
        if retryAfter > 0 {
            writer.append("\r\nRetry-After: ")
            writer.append(decimal: Int(retryAfter))
        }
        if let page = unsafe page {
            unsafe writer.append(page.pointee, status: status, id: id, date: date, closes: closes, hasBody: hasBody)
            if !writerFitsBuffer {
                unsafe writeAnswer(status, id: id, closes: closes, hasBody: hasBody, page: nil, retryAfter: retryAfter)
            }
            return
        }
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

    /// Whether a request, whose head is at the front of the client's input, is a call of gRPC, which knows HTTP/2 alone.
    func isGRPC(_ client: ClientPointer, _ head: RequestHead) -> Bool {
        guard unsafe client.pointee.stream != ClientStream.none && head.method == .post else { return false }
        return unsafe GRPCMessage.isCall(UnsafePointer(client.pointee.input.bytes), head.length)
    }

    /// `writeAnswer` in the form of gRPC: 200, and the status where its clients look for it. Nothing follows the head.
    mutating func writeGRPCAnswer(_ status: Int, id: AnswerID, retryAfter: UInt8) {
        writer.reset()
        writer.append("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nGrpc-Status: ")
        writer.append(decimal: GRPCMessage.code(of: status))
        writer.append("\r\nGrpc-Message: ")
        writer.append(decimal: status)
        writer.append(" ")
        writer.append(ReasonPhrase.of(status))
        if retryAfter > 0 {
            writer.append("\r\nRetry-After: ")
            writer.append(decimal: Int(retryAfter))
        }
        writer.append("\r\nDate: ")
        date.write(to: &writer)
        writer.append("\r\nX-Request-Id: ")
        writer.append(id)
        writer.append("\r\n\r\n")
        writer.endHead()
    }

    /// Whether what the socket doesn't take at once can wait in the client's buffer.
    var writerFitsBuffer: Bool { !writer.isOverfull && writer.count <= BufferPool.blockBytes }

    /// Sends what `writeAnswer` composed and goes on with the connection, or ends it.
    mutating func sendAnswer(_ client: ClientPointer, persists: Bool, mayBeSending: Bool) {
        guard unsafe sendComposed(client, nil, 0, isLast: !persists) >= 0 else {
            unsafe closeClient(client)
            return
        }
        if persists {
            unsafe continueAfterResponse(client, persists: true)
        } else {
            unsafe endClient(client, mayBeSending: mayBeSending)
        }
    }
}
